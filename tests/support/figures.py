"""Short ways to put values, groups and subjects through `audit.summary`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.groups import make_groupings, subject_codes
from audit.measures import Measure
from audit.result import Measurement, Skipped
from audit.summary import Options, summarise


def a_measure(name: str = "wrong_label_rate", **fields: Any) -> Measure:
    """A measure whose values are given, not computed."""
    plain = {
        "title": "Wrong-label rate",
        "family": "rates",
        "unit": "proportion" if fields.get("proportion", True) else "level",
        "better": "lower",
        "definition": "Share of answers that are not the label.",
        "formula": "1 where wrong",
        "source": "the tests",
        "compute": lambda _: np.zeros(0),
        "proportion": True,
    }
    return Measure(**{"name": name, **plain, **fields})


def a_table(subjects: Sequence[object] | None = None, **attributes: Sequence[str | None]) -> pd.DataFrame:
    """The columns of a probe set's table that grouping needs."""
    columns: dict[str, Any] = {f"attribute.{name}": pd.Series(v, dtype=object) for name, v in attributes.items()}
    if subjects is not None:
        columns["subject"] = pd.Series(subjects, dtype=object)
    return pd.DataFrame(columns)


def figures(
    values: Any,
    groups: Sequence[str | None],
    subjects: Sequence[object] | None = None,
    *,
    alpha: float = 0.05,
    min_subjects: int = 30,
    **fields: Any,
) -> tuple[Measurement, tuple[Skipped, ...]]:
    """One measure over one attribute called `skin`."""
    table = a_table(subjects, skin=groups)
    found, skipped = summarise(
        np.asarray(values, dtype=np.float64)[:, None],
        [a_measure(**fields)],
        make_groupings(table, (("skin",),)),
        subject_codes(table),
        "gender",
        Options(alpha=alpha, min_subjects=min_subjects),
    )
    return found[0], skipped
