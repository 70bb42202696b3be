"""How much two attributes hang together, and whether more than chance would have it, with several pictures a subject.

Cramér's V comes from the squared contingency phi^2 = sum over cells of (p_ij - p_i p_j)^2 / (p_i p_j). Without any
association phi^2 of a table is not 0 but varies as a weighted sum of squares; its weights come from what each subject
adds to the cells, so a person with ten pictures is one piece of evidence. The sum is matched by a scaled F in its first
two moments: the design-based test of Rao and Scott (Annals of Statistics 12, 1984) with the F of Thomas and Rao (JASA
82, 1987). V is corrected for its own expectation as by Bergsma (Journal of the Korean Statistical Society 42, 2013), at
the effective number of pictures.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

MOST_CELLS = 2_500
_SUBJECTS_AT_ONCE = 2_000_000  # cells of their tables in memory together


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Contingency:
    """Two attributes against each other."""

    v: float | None  # None: one of them has one value only
    p_value: float | None
    shares: Floats  # [R, C] of all pictures
    residuals: Floats  # [R, C]: share less what independence would give, in its standard errors under independence


def contingency(first: Index, second: Index, subjects: Index) -> Contingency:
    """Compare two attributes.

    Args:
        first, second: [N], the value of each picture, from 0; every value occurs.
        subjects: [N], whose each picture is.
    """
    rows, columns = int(first.max(initial=-1)) + 1, int(second.max(initial=-1)) + 1
    if rows * columns > MOST_CELLS:
        raise ValueError(f"at most {MOST_CELLS} cells, not {rows * columns}")
    count = max(len(first), 1)
    shares = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns) / count
    if min(rows, columns) < 2:
        return Contingency(v=None, p_value=None, shares=shares, residuals=np.zeros_like(shares))
    p, q = shares.sum(axis=1), shares.sum(axis=0)
    apart = (shares - np.outer(p, q)) / np.sqrt(np.outer(p, q))
    people, covariance = _covariance(first, second, subjects, p, q)
    expected, spread = float(np.trace(covariance)), float((covariance**2).sum())
    squared = float((apart**2).sum())
    return Contingency(
        v=_cramer(squared, expected, rows, columns),
        p_value=_p_value(squared, expected, spread, people),
        shares=shares,
        residuals=apart / np.sqrt(np.maximum(np.diag(covariance), 1e-300)).reshape(rows, columns),
    )


def _covariance(first: Index, second: Index, subjects: Index, p: Floats, q: Floats) -> tuple[float, Floats]:
    """The effective number of subjects, and the covariance [RC, RC] of the residuals without any association: sums
    over each subject's pictures of (1_i - p_i)(1_j - q_j) / sqrt(p_i q_j)."""
    cells = len(p) * len(q)
    _, person = np.unique(subjects, return_inverse=True)
    held, times = np.unique(person * cells + first * len(q) + second, return_counts=True)
    owner, cell = held // cells, held % cells
    number = np.bincount(person).astype(np.float64)
    people = int(person.max()) + 1
    by_cell = _basis(p)[:, None, :, None] * _basis(q)[None, :, None, :]  # what a picture of a cell adds to each
    by_cell = by_cell.reshape(cells, cells)
    total = np.zeros((cells, cells))
    together = max(1, _SUBJECTS_AT_ONCE // cells)
    for start in range(0, people, together):
        low, high = np.searchsorted(owner, [start, start + together])
        counts = np.zeros((min(together, people - start), cells))
        counts[owner[low:high] - start, cell[low:high]] = times[low:high]
        kinds, many = _alike(counts)
        added = kinds @ by_cell
        total += added.T @ (added * many[:, None])
    scale = people / max(people - 1, 1) / float(len(subjects)) ** 2
    return float(number.sum() ** 2 / (number**2).sum()), total * scale


def _basis(shares: Floats) -> Floats:
    """(1_i - p_i) / sqrt(p_i) for a picture of each value: [R, R]."""
    return np.asarray((np.eye(len(shares)) - shares) / np.sqrt(shares))


def _alike(counts: Floats) -> tuple[Floats, Floats]:
    """Subjects with the same pictures are worked out once: their tables, and how many have each."""
    order = np.lexsort(counts.T)
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(counts[order], axis=0) != 0).any(axis=1)
    starts = np.flatnonzero(new)
    return counts[order][starts], np.diff(np.append(starts, len(order))).astype(np.float64)


def _cramer(squared: float, expected: float, rows: int, columns: int) -> float:
    """V less what chance alone gives it."""
    free = (rows - 1) * (columns - 1)
    size = free / expected if expected > 0 else np.inf  # effective pictures less one
    least = min(rows - (rows - 1) ** 2 / size, columns - (columns - 1) ** 2 / size) - 1
    if least <= 0:
        return 0.0
    return float(np.sqrt(min(1.0, max(0.0, squared - expected) / least)))


def _p_value(squared: float, expected: float, spread: float, people: float) -> float | None:
    from scipy.stats import f

    if people < 2 or expected <= 0 or spread <= 0:
        return None
    df = expected**2 / spread
    return float(f.sf(squared / expected, df, df * (people - 1)))
