"""What torch does to the process that it runs in: where it computes, what it prints, what it says of memory."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from audit.errors import UsageError
from audit.runtimes._limits import out_of_memory


def device_of(name: str) -> str:
    import torch

    allowed = ("auto", "cpu", "cuda")
    if name not in allowed:
        raise UsageError("unknown device", value=name, allowed=allowed, where="--device")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("torch finds no CUDA device here", value=name, allowed=("auto", "cpu"), where="--device")
    return "cuda" if there and name != "cpu" else "cpu"


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """TorchScript's deprecation is no news to the user, and what a model prints is not for the terminal."""
    off = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)  # torch logs a whole traceback before it raises
        try:
            yield
        finally:
            logging.disable(off)


def check_memory(error: RuntimeError, *, trial: Path | None = None) -> None:
    if trouble := out_of_memory(str(error), trial=trial):
        raise trouble from error
