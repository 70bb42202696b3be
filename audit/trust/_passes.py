"""How many passes of single pictures the second stage makes: there is a budget, however large the probe set is.

A pass of one picture counts as one, also where it only fills up a batch whose size is fixed, and so does a run of what
is behind a layer. A gradient belongs to its pass. Where looking inside changed the outputs, so that the untouched model
is asked for them, each pass of the network counts twice; one with other weights is asked for no outputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from audit.trust.deletion import PARTS
from audit.trust.randomization import DRAWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Capture, Model

BUDGET = 600
NOISE = 2  # runs that a network with other weights is opened with, at most


class OverBudget(Exception):
    """Before a pass that would be one too many."""


def padded(pictures: int, fixed: int | None) -> int:
    """Pictures that a model computes for so many, its batch size being fixed or free."""
    return pictures if fixed is None else -(-pictures // fixed) * fixed


def cost(pictures: int, fixed: int | None, calls: int = 1, twice: int = 0) -> int:
    """Passes of the whole stage.

    Args:
        pictures: how many it looks at.
        fixed: the only batch size that the model takes, None for any.
        calls: runs of the network, or of what is behind a layer, that one batch of maps takes.
        twice: how many of these runs the untouched model makes, too.
    """
    drawn = (len(range(number, pictures, count)) for count in DRAWS for number in range(count))
    maps = sum(padded(one, fixed) for one in (pictures, *drawn))
    parts = (2 if twice else 1) * padded(PARTS * pictures, fixed)
    return calls * maps + twice * padded(pictures, fixed) + parts


def opening(fixed: int | None) -> int:
    """Passes of noise that the networks with other weights are opened with, at most."""
    return sum(DRAWS) * NOISE * (fixed or 1)


class Passes:
    """Counts, says how far it is, and stops at a limit."""

    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self._progress = progress
        self._expected = 0
        self.done = 0
        self.again = 0  # of these, the untouched model's
        self.limit = BUDGET

    def expect(self, more: int) -> None:
        self._expected = self.done + more

    def count(self, pictures: int, times: int = 1) -> None:
        if self.done + times * pictures > self.limit:
            raise OverBudget
        self.done += times * pictures
        self.again += (times - 1) * pictures
        if self._progress and self._expected:
            self._progress(min(self.done, self._expected), self._expected)

    def counting(self, model: Model) -> Model:
        """The same model, its passes counted."""
        return cast("Model", _Counted(model, self))


class _Counted:
    def __init__(self, model: Model, passes: Passes) -> None:
        self._model = model
        self._passes = passes

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:
        self._count(images, self._model.passes)
        capture = self._model.run(images, paths)
        behind = capture.tail
        if behind is None:
            return capture

        def tail(changed: NDArray[np.float32]) -> NDArray[np.float32]:
            self._count(changed)
            return behind(changed)

        return dataclasses.replace(capture, tail=tail)

    def _count(self, batch: NDArray[Any], times: int = 1) -> None:
        self._passes.count(padded(len(batch), self._model.batch), times)
