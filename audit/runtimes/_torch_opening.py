"""What opening a file is like in each of torch's formats: where it computes, and what a broken one ends in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from audit.errors import AuditError, ModelError
from audit.runtimes._torch_process import check_memory, device_of, silence
from audit.runtimes._torch_speed import load_torch
from audit.runtimes._torch_trials import reason_of


def place_for(what: str, device: str, threads: int | None) -> str:
    """The device to compute on, torch being there with so many threads. Raises MissingExtra, which says `what` needs
    it, and UsageError where the device is not there."""
    torch = load_torch(what)
    place = device_of(device)
    if threads is not None:
        torch.set_num_threads(threads)
    return place


@contextlib.contextmanager
def loading(path: Path, hint: str) -> Iterator[None]:
    """Without a sound; whatever torch can't load ends as ModelError."""
    try:
        with silence():
            yield
    except AuditError:
        raise
    except Exception as error:  # a broken file surfaces as almost anything
        if isinstance(error, RuntimeError):
            check_memory(error)
        raise ModelError(f"torch can't load the file: {reason_of(error)}", where=path, hint=hint) from error
