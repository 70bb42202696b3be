"""What a probe set's table leaves open: empty and thin cells, missing values, subjects that contradict themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.groups import Grouping, display_order, make_groupings
from audit.survey._found import LISTED, Conflict, Contradiction, Crossing, Missing

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from audit.probes import ProbeSet

# Share of the subjects that may have several values before a column counts as one that describes the picture. The label
# is what a model is judged by, so it is given less benefit of the doubt.
_MOST = {"label": 0.5, "attribute": 0.1}
_PATHS = 4  # pictures that are named of a contradiction


def crossed(probe: ProbeSet) -> tuple[tuple[str, ...], ...]:
    """Attributes to take together: the intersections asked for, else the label with each other attribute."""
    asked = [names for names in probe.groupings if len(names) > 1]
    singles = [names[0] for names in probe.groupings if len(names) == 1 and names[0] != probe.label]
    return tuple(dict.fromkeys([*asked, *((probe.label, name) for name in singles if not asked)]))


def crossings(probe: ProbeSet, subjects: NDArray[np.int64], fewest: int) -> tuple[Crossing, ...]:
    """Every possible combination of the stated values, and which of them nobody stands for."""
    return tuple(_crossing(g, subjects, fewest) for g in make_groupings(probe.table, crossed(probe)))


def _crossing(grouping: Grouping, subjects: NDArray[np.int64], fewest: int) -> Crossing:
    occupied = {tuple(key.values()) for key, stated in zip(grouping.keys, grouping.stated, strict=True) if stated}
    values = [
        display_order(list({v for key in grouping.keys if (v := key[name]) is not None}))
        for name in grouping.attributes
    ]
    possible = math.prod(len(v) for v in values)
    empty = (dict(zip(grouping.attributes, c, strict=True)) for c in itertools.product(*values) if c not in occupied)
    people = people_of(grouping, subjects)
    return Crossing(
        attribute=grouping.name,
        cells=possible,
        empty=possible - len(occupied),
        thin=int((people[grouping.stated] < fewest).sum()),
        listed=tuple(itertools.islice(empty, LISTED)),
    )


def people_of(grouping: Grouping, subjects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Subjects in each group [G]."""
    cells = np.unique(np.column_stack([grouping.codes, subjects]), axis=0)
    return np.bincount(cells[:, 0], minlength=len(grouping.keys)).astype(np.int64)


def missing(probe: ProbeSet) -> tuple[Missing, ...]:
    """The columns with empty cells, in the order of their roles."""
    columns = [("label", probe.label, "label")]
    if probe.subject is not None:
        columns.append(("subject", probe.subject, "subject"))
    columns += [("attribute", name, f"attribute.{name}") for name in attributes(probe)]
    counted = ((role, name, int(probe.table[column].isna().sum())) for role, name, column in columns)
    return tuple(Missing(column=name, role=role, images=count) for role, name, count in counted if count)


def attributes(probe: ProbeSet) -> tuple[str, ...]:
    """Every attribute but the label, in the order of the groupings."""
    return tuple(dict.fromkeys(n for names in probe.groupings for n in names if n != probe.label))


def conflicts(probe: ProbeSet) -> tuple[Conflict, ...]:
    """Columns in which most subjects have one value and some have several. A column that varies within many subjects
    (pose, light) describes the picture, and is none."""
    if probe.subject is None:
        return ()
    named = [("label", probe.label, "label"), *(("attribute", n, f"attribute.{n}") for n in attributes(probe))]
    return tuple(c for role, name, column in named for c in _conflict(probe.table, role, name, column))


def _conflict(table: pd.DataFrame, role: str, name: str, column: str) -> Iterator[Conflict]:
    stated = table[table["subject"].notna() & table[column].notna()]
    by_subject = stated.groupby("subject", sort=True)[column].agg(["nunique", "size"])
    several = by_subject[by_subject["size"] > 1]
    wrong = several[several["nunique"] > 1]
    if len(wrong) == 0 or len(wrong) > _MOST[role] * len(several) + 1:
        return
    yield Conflict(
        column=name,
        role=role,
        several=len(wrong),
        subjects=len(several),
        listed=tuple(_contradictions(stated, column, [str(s) for s in wrong.index[:LISTED]])),
    )


def _contradictions(stated: pd.DataFrame, column: str, subjects: Sequence[str]) -> Iterator[Contradiction]:
    own = stated[stated["subject"].isin(subjects)]
    for subject, rows in own.groupby("subject", sort=True):
        counts = rows[column].value_counts()
        values = {str(v): int(counts[v]) for v in display_order([str(v) for v in counts.index])}
        first = rows.drop_duplicates(column)  # one picture of each value before more of the same
        paths = dict.fromkeys([*first["path"], *rows["path"]])
        yield Contradiction(subject=str(subject), values=values, paths=tuple(itertools.islice(paths, _PATHS)))
