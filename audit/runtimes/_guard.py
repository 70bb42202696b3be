"""Whether looking inside a model changes what it answers: seen on the first batch, and what follows from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from audit.runtimes._agreement import difference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outputs = NDArray[np.float32]

GUARD_TOLERANCE = 1e-4
_APART = (
    "Looking inside changed the model's outputs ({} in the first batch), so the outputs come from the untouched model "
    "in a pass of their own, and the activations are those of the model as it computes when looked into."
)


class Guard:
    """Where the outputs come from: the tapped model, or the untouched one where the two differ.

    Args:
        found: the largest relative difference, where it needs no looking.
    """

    def __init__(self, found: float | None = None) -> None:
        self.found = found
        self.apart = False

    @property
    def asks(self) -> bool:
        """Whether the next batch goes through the untouched model too."""
        return self.found is None or self.apart

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.apart or self.found is None:
            return ()
        finite = math.isfinite(self.found)
        return (_APART.format(f"by up to {self.found:.1e}, relative," if finite else "other numbers are finite"),)

    def settled(self, tapped: Outputs, bare: Outputs) -> Outputs:
        """The outputs of a batch that has been through both; the first one decides for all."""
        if self.found is None:
            self.found = difference(bare, tapped)
            self.apart = not self.found <= GUARD_TOLERANCE or not _decided_alike(bare, tapped)
        return bare if self.apart else tapped


class Guarded:
    """What a model says of its guard, whatever its format."""

    _guard: Guard

    @property
    def guard(self) -> float | None:
        return self._guard.found

    @property
    def notes(self) -> tuple[str, ...]:
        return self._guard.notes

    @property
    def passes(self) -> int:
        return 2 if self._guard.asks else 1


def _decided_alike(bare: Outputs, tapped: Outputs) -> bool:
    if bare.ndim != 2 or bare.shape[1] < 2:
        return True
    return bool((bare.argmax(axis=1) == tapped.argmax(axis=1)).all())
