"""Two settings that make torch about twice as fast on a processor; nothing but last digits changes."""

from __future__ import annotations

import os
import sys
from typing import Any

from audit.errors import MissingExtra
from audit.runtimes._agreement import difference
from audit.runtimes._guard import GUARD_TOLERANCE
from audit.runtimes._torch_program import Program
from audit.runtimes._torch_trials import untouched

_WAITING = "OMP_WAIT_POLICY"


def load_torch(purpose: str) -> Any:
    """torch, loaded so that its threads sleep while they wait for each other.

    Raises MissingExtra, which says what needs it: `purpose`.

    Left to themselves they spin. Beside the threads that decode pictures, or on a machine that does other work too,
    that burns twice the time of the model itself. The variable is read once, when the library loads: one that is
    set already is left alone, and nothing can be done where torch has been loaded before.
    """
    ours = "torch" not in sys.modules and _WAITING not in os.environ
    if ours:
        os.environ[_WAITING] = "PASSIVE"
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch", purpose) from None
    finally:
        if ours:
            del os.environ[_WAITING]
    return torch


def faster_order(program: Program, images: Any) -> Any:
    """The order of axes in memory to feed pictures in; the module's weights are brought into the same.

    With the channels last, convolutions take half the time on a processor (depthwise ones above all). A file with a
    `view` in it may refuse that or, where its strides are written down, answer something else: then all stays as it is.
    """
    import torch

    plain, last = torch.contiguous_format, torch.channels_last
    program.arrange(plain)
    if images.dim() != 4 or images.device.type != "cpu":
        return plain
    expected = untouched(program, images)
    program.arrange(last)
    try:
        answers = untouched(program, images.contiguous(memory_format=last))
    except RuntimeError:
        answers = {}
    if answers.keys() == expected.keys() and all(_same(answers[name], value) for name, value in expected.items()):
        return last
    program.arrange(plain)
    return plain


def _same(answer: Any, expected: Any) -> bool:
    return difference(expected.float().numpy(), answer.float().numpy()) <= GUARD_TOLERANCE
