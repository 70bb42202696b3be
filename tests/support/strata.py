"""Short ways to compare the groups `skin` within the strata `light`, and to make values for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.groups import Grouping, make_groupings, subject_codes
from audit.result import Measurement, Skipped, Within
from audit.strata import with_strata
from audit.summary import Options, summarise
from tests.support.figures import a_measure, a_table


def compared(
    values: Any,
    skin: Sequence[str | None],
    by: Sequence[str | None] | Grouping,
    subjects: Sequence[object] | None = None,
    *,
    alpha: float = 0.05,
    min_subjects: int = 30,
    **fields: Any,
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """Measurements of the columns of `values` [N] or [N, M] with their rows within strata."""
    table = np.asarray(values, dtype=np.float64).reshape(len(skin), -1)
    strata = by if isinstance(by, Grouping) else make_groupings(a_table(light=by), (("light",),))[0]
    items = a_table(subjects, skin=skin)
    groupings, people = make_groupings(items, (("skin",),)), subject_codes(items)
    measures = [a_measure(f"m{k}", **fields) for k in range(table.shape[1])]
    options = Options(alpha=alpha, min_subjects=min_subjects)
    found, _ = summarise(table, measures, groupings, people, "gender", options)
    place = {m.column: k for k, m in enumerate(measures)}
    return with_strata(found, lambda names: table[:, [place[n] for n in names]], groupings, [strata], people, options)


def within(values: Any, skin: Sequence[str | None], by: Any, *rest: Any, **fields: Any) -> Within:
    """The one row of one measure."""
    ((measurement,), skipped) = compared(values, skin, by, *rest, **fields)
    assert skipped == ()
    (row,) = measurement.within
    return row
