"""How many passes of single pictures the second stage makes: there is a budget, however large the probe set is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.runtimes import Capture, Model

BUDGET = 600


class Passes:
    """Counts, and says how far it is."""

    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self._progress = progress
        self._expected = 0
        self.done = 0

    def expect(self, more: int) -> None:
        self._expected = self.done + more

    def count(self, pictures: int) -> None:
        self.done += pictures
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
        capture = self._model.run(images, paths)
        self._passes.count(len(images))
        return capture
