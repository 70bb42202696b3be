"""One pass over the pictures: hash of the file, a small gray picture, quality, or why there is nothing to see."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audit.inputs import PRESETS, InputSpec
from audit.measures import QUALITY
from audit.probes import ProbeSet, batches

SIDE = 32
_BATCH = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Looked:
    """[N] each: 1 KB a picture is all that is kept. A picture that can't be read is all zero and has a reason."""

    sha256: tuple[str | None, ...]
    reasons: tuple[str | None, ...]
    small: NDArray[np.uint8]  # [N, 32, 32], gray
    quality: NDArray[np.float64]  # [N, 4] in the order of QUALITY, NaN where not readable

    @property
    def readable(self) -> NDArray[np.bool_]:
        return np.array([reason is None for reason in self.reasons], dtype=np.bool_)


def look(probe: ProbeSet, *, workers: int, progress: Callable[[int, int], None] | None) -> Looked:
    """Decode every picture once."""
    count = len(probe)
    sha256: list[str | None] = [None] * count
    reasons: list[str | None] = [None] * count
    small = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    quality = np.full((count, len(QUALITY)), np.nan)
    seen = 0
    rows = np.arange(count, dtype=np.int64)
    stream = batches(probe, gray(SIDE), rows, batch_size=_BATCH, workers=workers)
    with contextlib.closing(stream):  # type: ignore[type-var]
        for batch in stream:
            small[batch.rows] = batch.images[:, 0]
            quality[batch.rows] = np.column_stack([batch.quality[name] for name in QUALITY])
            for row, digest in zip(batch.rows.tolist(), batch.sha256, strict=True):
                sha256[row] = digest
            for row, reason in batch.unreadable:
                reasons[row], sha256[row] = reason, batch.unreadable_sha256.get(row)
            seen += len(batch.rows) + len(batch.unreadable)
            if progress:
                progress(seen, count)
    return Looked(sha256=tuple(sha256), reasons=tuple(reasons), small=small, quality=quality)


def gray(side: int) -> InputSpec:
    """Squashed to a gray square, as bytes."""
    return InputSpec(size=(side, side), color="gray", resize="area", dtype="uint8", **PRESETS["raw"])
