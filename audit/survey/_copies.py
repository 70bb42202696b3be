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

from audit.measures import QUALITY
from audit.probes import ProbeSet
from audit.survey import _likeness as likeness
from audit.survey._found import LISTED, Copies, CopySet
from audit.survey._hashes import close_pairs, hashes
from audit.survey._look import Looked

SAME_FILE, SAME_PIXELS, NEAR = "same file", "same pixels", "near copy"
LEAST = 0.88  # correlation of detail from which two pictures can be one: see `_likeness`

_BITS = 12  # of 64 that the hashes of near copies may differ in
_CLOSEST = 12  # proposals a picture, so that a set of look-alikes takes no longer than it must
_CORRELATED, _EXPLAINED = 0.75, 0.94  # what a proposal must show when small
_KEPT = 2  # best proposals a picture that are read again
_PIXELS = 48 * 48  # a smaller picture has no fine detail
_OTHERS = 5_000  # pictures, drawn by chance, among which those that look alike are sought
_SAMPLE = 200  # of them, at least, that show how alike the pictures of different people are here
_FEW = 10  # say nothing
_SPREADS = 5.0  # above their median: no more than that comes by chance
_TWELFTH = 12  # closest picture: of so many copies of one the last is named no more
_CLEARLY = 0.5  # more than that, on Fisher's scale
_ALIKE = 0.93  # a threshold above this says that the pictures of this set are made alike
_PATHS = 10  # of a set that are listed

Floats = NDArray[np.float64]
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
    large = looked.quality[rows, QUALITY.index("pixels")] >= _PIXELS
    rows = rows[large]
    rows = rows[~likeness.flat(looked.small[rows])] if len(rows) else rows
    one, other = _proposed(looked.small[rows])
    if not len(one):
        return LEAST, [], []
    one, other = rows[one], rows[other]
    usual = _Usual(probe, looked, subjects, rows, workers, seed)
    threshold = usual.threshold()
    found = likeness.detail(probe, one, other, workers=workers)
    kept = found >= threshold
    one, other, found = one[kept], other[kept], found[kept]
    if len(one):
        least = np.tanh(np.arctanh(np.maximum(usual.around(one), usual.around(other))) + _CLEARLY)
        clear = found >= least
        one, other, found = one[clear], other[clear], found[clear]
    return threshold, list(zip(one.tolist(), other.tolist(), strict=True)), found.tolist()


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


class _Usual:
    """How much pictures that look alike and are no copies agree in detail, in this set."""

    def __init__(self, probe: ProbeSet, looked: Looked, subjects: Index, rows: Index, workers: int, seed: int) -> None:
        self._probe, self._small, self._subjects, self._workers = probe, looked.small, subjects, workers
        self._others = np.sort(np.random.default_rng(seed).permutation(rows)[:_OTHERS])

    def threshold(self) -> float:
        """For the whole set: of each picture drawn, the third closest of another person (the first and second may be
        copies under a wrong name)."""
        step = max(1, len(self._others) // _SAMPLE)
        seen = self._seen(self._others[::step], 3)
        seen = seen[np.isfinite(seen)]
        if len(seen) < _FEW:
            return LEAST
        scale = np.arctanh(seen)
        middle = np.median(scale)
        spread = 1.4826 * np.median(np.abs(scale - middle))
        return max(LEAST, float(np.tanh(middle + _SPREADS * spread)))

    def around(self, rows: Index) -> Floats:
        """Around each of these pictures: some are of a kind that looks alike, in a set of which most are not."""
        pictures, place = np.unique(rows, return_inverse=True)
        return np.nan_to_num(self._seen(pictures, _TWELFTH), nan=0.0)[place]

    def _seen(self, rows: Index, nth: int) -> Floats:
        """Correlation of detail with the n-th closest picture of another person; NaN where there is none."""
        closest = likeness.nth_closest(self._small, self._others, rows, self._subjects, nth)
        known = closest >= 0
        found = np.full(len(rows), np.nan)
        found[known] = likeness.detail(self._probe, rows[known], closest[known], workers=self._workers)
        return np.asarray(np.clip(found, -0.999, 0.999))


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
