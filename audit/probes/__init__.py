"""The probe set: labelled images, whose they are, and where in them a model should look.

A layout is one plug-in file: it knows a folder when it sees one and reads it into a plain table. Everything after
(roles of columns, bands, checks, decoding) is written once, in the private files beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from audit.inputs import InputSpec

GRID = 56  # map and region meet on the model's input grid, at most this many cells a side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """What a layout reads off a folder, and what is known of every folder laid out so.

    `table` is raw: strings, None where a cell is empty; a `path` column relative to the folder (or one of its default
    names), and whatever else the layout knows.
    """

    table: pd.DataFrame
    notes: tuple[str, ...] = ()  # sentences for the terminal and the report
    groups: tuple[str, ...] = ()  # columns to group by where nobody says; (): every one with 2 to 20 values
    aligned: bool = False  # faces stand at the same place in every picture, unless somebody says otherwise


class Layout(Protocol):
    """A way that people lay a probe set out on disk."""

    def matches(self, folder: Path) -> bool:
        """Whether `folder` looks like this layout; cheap, reads names only."""

    def read(self, folder: Path) -> Listing:
        """The pictures that the folder lists or holds. Raises ProbeError, with file and line where there is one."""

    def files(self, folder: Path) -> tuple[Path, ...]:
        """The files that make up the manifest, for its hash."""


LAYOUTS: Registry[Layout] = Registry(__name__, "layout")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ProbeOptions:
    """What was asked of the probe set, by flags or by `[probe]`; None means: by the default names."""

    label: str | None = None
    subject: str | None = None
    groups: tuple[str, ...] = ()
    bands: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    within: tuple[str, ...] = ()
    layout: str | None = None
    aligned: bool | None = None
    limit: int | None = None
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeSet:
    """A checked probe set. Nothing is decoded yet.

    `table` has one row an image, in manifest order: `path` (relative, posix), `subject`, `label`, one
    `attribute.NAME` for every attribute that a grouping uses; all strings, None where not stated. The label is one
    of the attributes. `groupings` are tuples of attribute names: `("skin",)`, `("gender", "skin")`; `within` are such
    tuples that nobody is grouped by: groups are compared again among those who are alike in them.
    """

    folder: Path
    table: pd.DataFrame
    label: str
    subject: str | None
    groupings: tuple[tuple[str, ...], ...]
    regions: tuple[str, ...]
    aligned: bool
    manifest_sha256: str
    total: int  # rows before --limit
    within: tuple[tuple[str, ...], ...] = ()
    places: Mapping[str, str] = dataclasses.field(default_factory=dict)  # attribute -> region that it stands in
    notes: tuple[str, ...] = ()  # sentences for the terminal and the report
    region_sources: Any = None  # private to audit.probes
    alignment: Any = None  # by landmarks, where the pictures are not aligned as they are; private to audit.probes
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)  # other files that shape it: name -> SHA-256

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> list[str]:
        """Those that occur, in order."""
        return sorted({label for label in self.table["label"] if label is not None})

    @property
    def sampled(self) -> bool:
        return len(self.table) < self.total


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Decoded images ready for the model, with what else was seen of them while they were open.

    Only readable images are here; the others stand in `unreadable` as (row, reason).
    `regions[name]` is float32 `[B, h, w]` on the input grid: the share of each cell that the region covers, NaN
    where an image has no such region. `quality[name]` is float64 `[B]` of the decoded original.
    """

    rows: NDArray[np.int64]  # [B] row numbers in the probe set's table
    images: NDArray[Any]  # [B, C, H, W] or [B, H, W, C], the model's dtype
    sha256: tuple[str, ...]  # of each file's bytes
    quality: Mapping[str, NDArray[np.float64]]
    regions: Mapping[str, NDArray[np.float32]]
    # [B, 2, 3]: from (x, y, 1) in a square where all faces lie over each other to shares of the input's width and
    # height; NaN for an image that lacks landmarks. None where pictures are aligned as they are, or can't be.
    alignment: NDArray[np.float64] | None = None
    unreadable: tuple[tuple[int, str], ...] = ()
    unreadable_sha256: Mapping[int, str] = dataclasses.field(default_factory=dict)


def read_probe(folder: str | Path, options: ProbeOptions | None = None) -> ProbeSet:
    """Read and check a probe folder: layout, roles, paths, bands, groupings, regions. Raises ProbeError (the set
    can't be used), UsageError (a column or layout that was asked for does not exist)."""
    from audit.probes._read import read

    return read(Path(folder), options or ProbeOptions())


def batches(
    probe: ProbeSet,
    spec: InputSpec,
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    workers: int,
    regions: tuple[str, ...] = (),
    quality: bool = True,
) -> Iterator[Batch]:
    """Decode the given rows in order, ahead of the caller, in `workers` threads; memory stays flat (at most a few
    batches are in flight). Regions come on the input grid, at most GRID x GRID cells. Without `quality` the pictures
    are not measured, and the batches' `quality` is empty: for a look at the outputs alone."""
    from audit.probes._stream import stream

    return stream(probe, spec, rows, batch_size=batch_size, workers=workers, regions=regions, quality=quality)
