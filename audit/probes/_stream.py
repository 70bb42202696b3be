"""Batches in order, decoded ahead of the model in threads."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.inputs import InputSpec
from audit.measures import QUALITY
from audit.probes import GRID, Batch, ProbeSet
from audit.probes._alignment import Alignment
from audit.probes._geometry import Placement, place
from audit.probes._images import Preprocess, Unreadable, decode, quiet_pillow, read_bytes
from audit.probes._quality import measure

_TOGETHER = 4  # images that a thread takes at once: handing over costs time
_AHEAD = 2  # batches that are decoded while the model works on one


@dataclasses.dataclass(slots=True)
class _Open:
    """A batch that threads are filling, each image into its own place."""

    rows: NDArray[np.int64]
    images: NDArray[Any]
    quality: NDArray[np.float64] | None  # [B, 4]
    regions: dict[str, NDArray[np.float32]]
    alignment: NDArray[np.float64] | None  # [B, 2, 3]
    sha256: list[str | None]
    reasons: list[str | None]
    done: list[Future[None]] = dataclasses.field(default_factory=list)


def stream(
    probe: ProbeSet,
    spec: InputSpec,
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    workers: int,
    regions: tuple[str, ...] = (),
    quality: bool = True,
) -> Iterator[Batch]:
    """See `audit.probes.batches`. Closing the iterator early waits for the few pictures being decoded just then."""
    quiet_pillow()
    reader = _Reader(probe, spec, regions, measured=quality)
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="decode")
    ahead: deque[_Open] = deque()
    try:
        for start in range(0, len(rows), batch_size):
            ahead.append(reader.start(pool, rows[start : start + batch_size]))
            if len(ahead) > _AHEAD:
                yield _finish(ahead.popleft())
        while ahead:
            yield _finish(ahead.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Reader:
    """What every image of a stream has in common."""

    def __init__(self, probe: ProbeSet, spec: InputSpec, regions: tuple[str, ...], *, measured: bool) -> None:
        self._measured = measured
        self._folder = str(probe.folder)
        self._paths = probe.table["path"].to_numpy()
        self._spec = spec
        self._preprocess = Preprocess(spec)
        self._grid = (min(GRID, spec.size[0]), min(GRID, spec.size[1]))
        self._alignment: Alignment | None = probe.alignment
        self._regions = {name: probe.region_sources[name] for name in regions}

    def start(self, pool: ThreadPoolExecutor, rows: NDArray[np.int64]) -> _Open:
        count = len(rows)
        batch = _Open(
            rows=rows,
            images=np.empty(self._spec.shape(count), dtype=self._spec.dtype),
            quality=np.empty((count, len(QUALITY))) if self._measured else None,
            regions={name: np.full((count, *self._grid), np.nan, dtype=np.float32) for name in self._regions},
            alignment=None if self._alignment is None else np.full((count, 2, 3), np.nan),
            sha256=[None] * count,
            reasons=[None] * count,
        )
        batch.done.extend(pool.submit(self._fill_some, batch, first) for first in range(0, count, _TOGETHER))
        return batch

    def _fill_some(self, batch: _Open, first: int) -> None:
        for at in range(first, min(first + _TOGETHER, len(batch.rows))):
            self._fill(batch, at)

    def _fill(self, batch: _Open, at: int) -> None:
        row = int(batch.rows[at])
        try:
            data = read_bytes(os.path.join(self._folder, self._paths[row]))  # noqa: PTH118 - four times as fast
            batch.sha256[at] = hashlib.sha256(data).hexdigest()
            image = decode(data)
        except Unreadable as error:
            batch.reasons[at] = str(error)
            return
        placement = place(image.size, self._spec)
        self._preprocess(image, placement, batch.images[at])
        if batch.quality is not None:
            batch.quality[at] = measure(image)
        if self._alignment is not None and batch.alignment is not None:
            batch.alignment[at] = self._alignment.transform(row, placement)
        self._cover(batch, at, row, placement)

    def _cover(self, batch: _Open, at: int, row: int, placement: Placement) -> None:
        if not self._regions:
            return
        view = placement.view(self._grid)
        for name, source in self._regions.items():
            shape = source.shape(row)
            shares = shape.shares(view) if shape is not None else None
            if shares is not None:
                batch.regions[name][at] = shares


def _finish(batch: _Open) -> Batch:
    for done in batch.done:
        done.result()
    readable = np.array([reason is None for reason in batch.reasons], dtype=bool)
    every = bool(readable.all())  # then nothing needs copying
    keep: Any = slice(None) if every else readable
    return Batch(
        rows=batch.rows[keep],
        images=batch.images[keep],
        sha256=tuple(s for s, fine in zip(batch.sha256, readable, strict=True) if fine and s is not None),
        quality={} if batch.quality is None else dict(zip(QUALITY, batch.quality[keep].T, strict=True)),
        regions={name: shares[keep] for name, shares in batch.regions.items()},
        alignment=None if batch.alignment is None else batch.alignment[keep],
        unreadable=tuple((int(row), r) for row, r in zip(batch.rows, batch.reasons, strict=True) if r is not None),
        unreadable_sha256={
            int(row): s
            for row, s, fine in zip(batch.rows, batch.sha256, readable, strict=True)
            if not fine and s is not None
        },
    )
