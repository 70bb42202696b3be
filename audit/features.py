"""Features: more than a number of single images, for what sums can't tell. Kept of a sample, so memory stays flat.

A feature is float32 [n, ...], one row an image that has it, with the number of each image's row in `records.parquet`.
Today: class activation maps as shares, faces lying over each other, on a small grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 5_000  # images of a sample
ENOUGH = 100  # subjects of every group come first, so that a small group is not lost in a sample
GRID = 14  # cells a side of a map that is kept: finer ones are brought down, so that cells stay few enough to test
FOLDER = "features"
MAPS = "cam_predicted"
NAMES = (MAPS,)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Feature:
    """One feature of the images in `rows` [n], ascending."""

    name: str
    rows: NDArray[np.int64]
    values: NDArray[np.float32]


def drawn(
    codes: Sequence[NDArray[np.int64]], subjects: NDArray[np.int64], seed: int, most: int = MOST
) -> NDArray[np.int64]:
    """Rows of a sample of at most `most` images, ascending: all where there are no more.

    Subjects come in a random order, whole, until the next one would not fit; those who are among the first 100 of some
    group in this order come before all others. A subject who alone has more images than fit gives as many as fit.

    Args:
        codes: the groups of all N images, [N] for each attribute.
        subjects: [N], whose each image is.
        seed: of the order.
        most: images of the sample.
    """
    import numpy as np

    if len(subjects) <= most:
        return np.arange(len(subjects), dtype=np.int64)
    _, subject, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    place = np.random.default_rng([seed, 5]).permutation(len(sizes))  # of each subject in the random order
    first = np.full(len(sizes), ENOUGH)
    for code in codes:
        group, who = np.unique(np.stack([code, subject]), axis=1)
        order = np.lexsort((place[who], group))
        starts = np.searchsorted(group[order], group[order], side="left")
        np.minimum.at(first, who[order], np.arange(len(order)) - starts)
    order = np.lexsort((place, first))
    taken = order[: np.searchsorted(np.cumsum(sizes[order]), most, side="right")]
    if len(taken) == 0:
        return np.flatnonzero(subject == order[0])[:most].astype(np.int64)
    return np.flatnonzero(np.isin(subject, taken)).astype(np.int64)


def small(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """Maps [B, h, w] on at most GRID x GRID cells, each cell's share divided over the new ones by area: sums stay."""
    import numpy as np

    from audit._grids import parts

    _, height, width = shares.shape
    down, across = parts(height, min(height, GRID)), parts(width, min(width, GRID))
    return np.asarray(down @ shares @ across.T, dtype=np.float32)


def joined(pieces: Iterable[tuple[Feature, ...]]) -> tuple[Feature, ...]:
    """Features of several shards in one, in row order."""
    import numpy as np

    parts: dict[str, list[Feature]] = {}
    for piece in pieces:
        for feature in piece:
            parts.setdefault(feature.name, []).append(feature)
    made = []
    for name, own in parts.items():
        rows = np.concatenate([f.rows for f in own])
        order = np.argsort(rows)
        made.append(Feature(name=name, rows=rows[order], values=np.concatenate([f.values for f in own])[order]))
    return tuple(made)


def pack(features: tuple[Feature, ...]) -> dict[str, Any]:
    """Arrays by the name of the file that they are kept in, without its ending."""
    return {name: array for f in features for name, array in ((f.name, f.values), (f"{f.name}.rows", f.rows))}


def unpack(held: Mapping[str, Any]) -> Iterator[Feature]:
    """The features among some arrays by name."""
    for name in NAMES:
        if name in held:
            yield Feature(name=name, rows=held[f"{name}.rows"], values=held[name])
