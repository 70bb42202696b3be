"""Strata for an audit that is finished: from its record and its per-item table, without model or pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.errors import UsageError, nearest
from audit.families import adjusted, reopened
from audit.result import AuditResult

if TYPE_CHECKING:
    import pandas as pd

_ATTRIBUTE = "attribute."


def with_within(result: AuditResult, attributes: Sequence[str]) -> AuditResult:
    """The same result with differences within strata of these attributes (`"race"`, `"gender*race"`), too.

    They join their families, so adjusted p grow. What the record has of these attributes already is made again.

    Raises:
        UsageError: the record has no such attribute, or no per-item table.
    """
    from audit.groups import make_groupings, subject_codes
    from audit.strata import MEASURE, with_strata
    from audit.summary import Options

    items = result.items
    names = [_names(text, items) for text in dict.fromkeys(attributes)]
    strata = make_groupings(items, tuple(names))
    again = {by.name for by in strata}
    kept = [dataclasses.replace(m, within=tuple(w for w in m.within if w.by not in again)) for m in result.measurements]
    of_images = [m for m in kept if m.column in items and m.of is None]
    found, skipped = with_strata(
        of_images,
        lambda columns: items[list(columns)].to_numpy(dtype=float, na_value=float("nan")),
        make_groupings(items, tuple(_names(str(g), items) for g in result.probe.get("groupings", ()))),
        strata,
        subject_codes(items),
        Options(
            alpha=float(result.settings.get("alpha", 0.05)), min_subjects=int(result.settings.get("min_subjects", 30))
        ),
    )
    by_column = {m.column: m for m in found}
    measurements, families = adjusted(reopened([by_column.get(m.column, m) if m.of is None else m for m in kept]))
    before = (s for s in result.skipped if s.measure != MEASURE or s.parameters.get("within") not in again)
    return dataclasses.replace(result, measurements=measurements, families=families, skipped=(*before, *skipped))


def _names(text: str, items: pd.DataFrame) -> tuple[str, ...]:
    """The attributes of a grouping by its name."""
    known = [str(column).removeprefix(_ATTRIBUTE) for column in items if str(column).startswith(_ATTRIBUTE)]
    names = (text,) if text in known else tuple(part.strip() for part in text.split("*"))
    for name in names:
        if name not in known:
            raise UsageError(
                "the record has no such attribute",
                value=name,
                allowed=known,
                where="--within",
                hint=nearest(name, known),
            )
    return names
