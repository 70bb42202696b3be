"""Pictures that stand in the set more than once: the same file, the same pixels, or the same picture edited.

Near copies are told by a threshold that the set itself sets: passport photographs, drawings and other pictures that are
made alike resemble each other in detail, too, and must not be taken for copies. The least it can be is what separates
real faces well.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.probes import ProbeSet
from audit.survey import _likeness as likeness
from audit.survey._found import LISTED, Copies, CopySet
from audit.survey._hashes import close_pairs, hashes
from audit.survey._look import Looked

SAME_FILE, SAME_PIXELS, NEAR = "same file", "same pixels", "near copy"
LEAST = 0.8  # correlation of detail from which two pictures can be one: see `_likeness`

_BITS = 12  # of 64 that the hashes of near copies may differ in
_CLOSEST = 12  # proposals a picture, so that a set of look-alikes takes no longer than it must
_CORRELATED, _EXPLAINED = 0.8, 0.94  # what a proposal must show when small
_KEPT = 2  # best proposals a picture that are read again
_SAMPLE = 200  # pictures that show how alike the pictures of different people are here
_SPREADS = 4.0  # above their median: no more than that comes by chance
_ALIKE = 0.9  # a threshold above this says that the pictures of this set are made alike
_PATHS = 10  # of a set that are listed

Index = NDArray[np.int64]


def copies(probe: ProbeSet, looked: Looked, subjects: Index, *, workers: int, seed: int) -> Copies:
    """All sets of copies among the readable pictures.

    Args:
        probe: its table has the columns that copies are compared in.
        looked: what one pass saw.
        subjects: [N], whose each picture is.
        workers: threads that read likely near copies again.
        seed: draws the pictures that the threshold is taken from.
    """
    readable = np.flatnonzero(looked.readable)
    files = _grouped(readable, [looked.sha256[row] for row in readable])
    single = np.array(sorted([*(s[0] for s in files), *_alone(readable, files)]), dtype=np.int64)
    # Equal in four exact measures of every pixel and when small: the pixels are equal, or as good as.
    pixels = _grouped(single, [(looked.quality[r].tobytes(), looked.small[r].tobytes()) for r in single])
    single = np.array(sorted([*(s[0] for s in pixels), *_alone(single, pixels)]), dtype=np.int64)
    threshold, edges, strength = _near(probe, looked, subjects, single, workers=workers, seed=seed)
    describe = _Describe(probe, subjects)
    found = [
        *(describe(SAME_FILE, rows, 1.0) for rows in files),
        *(describe(SAME_PIXELS, rows, 1.0) for rows in pixels),
        *(describe(NEAR, rows, least) for rows, least in _connected(edges, strength)),
    ]
    found.sort(key=lambda s: (not _wrong(s), not s.differs, -s.images, s.paths))
    sets, extra = Counter(s.kind for s in found), Counter[str]()
    for one in found:
        extra[one.kind] += one.images - 1
    wrong = [s for s in found if _wrong(s)]
    return Copies(
        sets=dict(sets),
        extra=dict(extra),
        contradicting=len(wrong),
        images_contradicting=sum(s.images for s in wrong),
        threshold=round(threshold, 3),
        alike=threshold > _ALIKE,
        listed=tuple(found[:LISTED]),
    )


def _wrong(one: CopySet) -> bool:
    """Whether one of the rows must be wrong about who is in the picture, or what the model should say."""
    return "subject" in one.differs or "label" in one.differs


def _grouped(rows: Index, keys: Sequence[Any]) -> list[list[int]]:
    """Rows with the same key, two or more together."""
    found: dict[Any, list[int]] = {}
    for row, key in zip(rows.tolist(), keys, strict=True):
        found.setdefault(key, []).append(row)
    return [same for same in found.values() if len(same) > 1]


def _alone(rows: Index, sets: list[list[int]]) -> Iterator[int]:
    together = {row for same in sets for row in same}
    return (row for row in rows.tolist() if row not in together)


def _near(
    probe: ProbeSet, looked: Looked, subjects: Index, rows: Index, *, workers: int, seed: int
) -> tuple[float, list[tuple[int, int]], list[float]]:
    """The threshold, and pairs of near copies with their correlation of detail."""
    rows = rows[~likeness.flat(looked.small[rows])] if len(rows) else rows
    one, other = _proposed(looked.small[rows])
    if not len(one):
        return LEAST, [], []
    one, other = rows[one], rows[other]
    threshold = _threshold(probe, looked, subjects, rows, workers=workers, seed=seed)
    found = likeness.detail(probe, one, other, workers=workers)
    kept = found >= threshold
    pairs = list(zip(one[kept].tolist(), other[kept].tolist(), strict=True))
    return threshold, pairs, found[kept].tolist()


def _proposed(small: NDArray[np.uint8]) -> tuple[Index, Index]:
    """Pairs that look alike when small, the best of each picture."""
    ones: list[Index] = []
    others: list[Index] = []
    strengths: list[NDArray[np.float32]] = []
    for one, other in close_pairs(hashes(small), _BITS, _CLOSEST):
        alike = np.flatnonzero(likeness.correlated(small, one, other) >= _CORRELATED)
        strength = likeness.explained(small, one[alike], other[alike])
        alike, strength = alike[strength >= _EXPLAINED], strength[strength >= _EXPLAINED]
        ones.append(one[alike])
        others.append(other[alike])
        strengths.append(strength)
    if not ones:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    one, other, strength = np.concatenate(ones), np.concatenate(others), np.concatenate(strengths)
    best = _best(one, other, strength)
    return one[best], other[best]


def _best(one: Index, other: Index, strength: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pairs that are among the strongest of either of their pictures."""
    picture = np.concatenate([one, other])
    pair = np.tile(np.arange(len(one)), 2)
    order = np.lexsort((-np.tile(strength, 2), picture))
    place = np.arange(len(order)) - np.searchsorted(picture[order], picture[order])
    kept = np.zeros(len(one), dtype=np.bool_)
    kept[pair[order[place < _KEPT]]] = True
    return kept


def _threshold(probe: ProbeSet, looked: Looked, subjects: Index, rows: Index, *, workers: int, seed: int) -> float:
    """From the detail of pictures that look alike and are no copies: of each picture drawn, the third closest of
    another person (the first and second may be copies under a wrong name)."""
    drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:_SAMPLE])
    third = likeness.nth_closest(looked.small, rows, drawn, subjects, 3)
    known = third >= 0
    if known.sum() < 10:
        return LEAST
    seen = likeness.detail(probe, drawn[known], third[known], workers=workers)
    scale = np.arctanh(np.clip(seen, -0.999, 0.999))
    middle = np.median(scale)
    spread = 1.4826 * np.median(np.abs(scale - middle))
    return max(LEAST, float(np.tanh(middle + _SPREADS * spread)))


def _connected(pairs: list[tuple[int, int]], strength: list[float]) -> list[tuple[list[int], float]]:
    """Rows that hang together by pairs, each with the least strength between them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    rows, place = np.unique(np.array(pairs), return_inverse=True)
    one, other = place.reshape(-1, 2).T
    shape = (len(rows), len(rows))
    _, component = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=shape), directed=False)
    least: dict[int, float] = {}
    for edge, value in zip(component[one].tolist(), strength, strict=True):
        least[edge] = min(value, least.get(edge, 1.0))
    return [(rows[component == c].tolist(), least[c]) for c in sorted(least)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Describe:
    probe: ProbeSet
    subjects: Index

    def __call__(self, kind: str, rows: list[int], least: float) -> CopySet:
        table = self.probe.table
        some = table.iloc[rows]
        columns = {"subject": "subject"} if self.probe.subject is not None else {}
        columns |= {"label": "label"}
        own = f"attribute.{self.probe.label}"
        columns |= {c.removeprefix("attribute."): c for c in map(str, table) if c.startswith("attribute.") and c != own}
        differs = tuple(name for name, column in columns.items() if some[column].nunique(dropna=False) > 1)
        return CopySet(
            kind=kind,
            images=len(rows),
            paths=tuple(some["path"][:_PATHS]),
            subjects=tuple(dict.fromkeys(s for s in some["subject"][:_PATHS] if s is not None)),
            differs=differs,
            likeness=round(min(least, 1.0), 3),
        )
