"""Which columns of a probe set hang together: where they do, a gap by one is a gap by the other, too."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.groups import Grouping, is_ordered
from audit.statistics.association import MOST_CELLS, contingency
from audit.survey._found import Association, Tie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.statistics.association import Contingency

    Index = NDArray[np.int64]


class _Column(NamedTuple):
    name: str
    values: list[str]  # that take part, in display order
    codes: Index  # [N] into them, -1 where not stated or too thin
    left_out: tuple[str, ...]


def associations(singles: tuple[Grouping, ...], subjects: Index, fewest: int) -> tuple[Association, ...]:
    """Every pair of attributes, in their order; p adjusted over all of them.

    Args:
        singles: one attribute each, the label first.
        subjects: [N], whose each picture is.
        fewest: values of fewer subjects take no part: a table of thin cells says little, and badly.
    """
    columns = [_column(g, subjects, fewest) for g in singles]
    found = [_associated(a, b, subjects) for a, b in itertools.combinations(columns, 2)]
    return tuple(_adjusted(found))


def _column(grouping: Grouping, subjects: Index, fewest: int) -> _Column:
    from audit.survey._cells import people_of

    name = grouping.attributes[0]
    enough = grouping.stated & (people_of(grouping, subjects) >= fewest)
    place = np.where(enough, np.cumsum(enough) - 1, -1)
    names = [key[name] for key in grouping.keys]
    return _Column(
        name=name,
        values=[str(v) for v, fine in zip(names, enough, strict=True) if fine],
        codes=place[grouping.codes],
        left_out=tuple(
            str(v) for v, fine, stated in zip(names, enough, grouping.stated, strict=True) if stated and not fine
        ),
    )


def _associated(one: _Column, other: _Column, subjects: Index) -> Association:
    both = (one.codes >= 0) & (other.codes >= 0)
    rows, first = np.unique(one.codes[both], return_inverse=True)
    columns, second = np.unique(other.codes[both], return_inverse=True)
    left_out = tuple(f"{c.name} = {v}" for c in (one, other) for v in c.left_out)
    found: Contingency | None = None
    if len(rows) * len(columns) <= MOST_CELLS:
        found = contingency(first.astype(np.int64), second.astype(np.int64), subjects[both])
    return Association(
        first=one.name,
        second=other.name,
        v=found.v if found else None,
        p_value=found.p_value if found else None,
        p_adjusted=None,
        images=int(both.sum()),
        subjects=len(np.unique(subjects[both])),
        tie=_tie([one.values[i] for i in rows], [other.values[j] for j in columns], found) if found else None,
        left_out=left_out,
    )


def _tie(first: list[str], second: list[str], found: Contingency) -> Tie | None:
    if found.v is None or found.p_value is None:
        return None
    i, j = np.unravel_index(int(np.abs(found.residuals).argmax()), found.residuals.shape)
    row, column = found.shares[i], found.shares[:, j]
    leaning = None
    if is_ordered(second) and len(second) > 1:
        places = np.arange(len(second))
        rest = found.shares.sum(axis=0) - row
        apart = row @ places / row.sum() - rest @ places / rest.sum()
        leaning = "lower" if apart < 0 else "higher"
    return Tie(
        first=first[int(i)],
        second=second[int(j)],
        share=float(row[j] / row.sum()),
        elsewhere=float((column.sum() - row[j]) / (1 - row.sum())),
        leaning=leaning,
    )


def _adjusted(found: list[Association]) -> Iterator[Association]:
    """Benjamini and Hochberg's p over all pairs."""
    from scipy.stats import false_discovery_control

    known = [a.p_value for a in found if a.p_value is not None]
    adjusted = iter(false_discovery_control(known).tolist() if known else [])
    for one in found:
        yield one if one.p_value is None else dataclasses.replace(one, p_adjusted=next(adjusted))
