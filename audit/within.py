"""Strata for an audit that is finished: from its record and its per-item table, without model or pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.errors import UsageError, nearest
from audit.families import HEADLINE, adjusted, reopened
from audit.result import PICTURE_QUALITY, AuditResult, Family, Measurement

if TYPE_CHECKING:
    import pandas as pd

_ATTRIBUTE = "attribute."


def with_within(result: AuditResult, attributes: Sequence[str]) -> AuditResult:
    """The same result with differences within strata of these attributes (`"race"`, `"gender*race"`), too.

    They join their families, so adjusted p grow: a note says so. What the record has of these attributes already is
    made again.

    Raises:
        UsageError: the record has no such attribute, it makes too many strata, or there is no per-item table.
    """
    from audit.groups import check_strata, make_groupings, subject_codes
    from audit.strata import MEASURE, with_strata
    from audit.summary import Options

    items = result.items
    names = [_names(text, items) for text in dict.fromkeys(attributes)]
    for group in names:
        check_strata(items[[_ATTRIBUTE + name for name in group]].set_axis(list(group), axis=1))
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
    return dataclasses.replace(
        result,
        measurements=measurements,
        families=families,
        skipped=(*before, *skipped),
        notes=_notes(result, measurements, families),
    )


_ADDED = "Added after the run: "


def _notes(result: AuditResult, measurements: Sequence[Measurement], families: Sequence[Family]) -> tuple[str, ...]:
    """The result's notes and what the strata that its run did not ask for have changed."""
    asked = {by_name(str(text)) for text in result.settings.get("within") or ()}
    every = dict.fromkeys(w.by for m in measurements for w in m.within if w.by != PICTURE_QUALITY)
    added = [by for by in every if by not in asked]
    notes = tuple(note for note in result.notes if not note.startswith(_ADDED))
    if not added:
        return notes
    without = [dataclasses.replace(m, within=tuple(w for w in m.within if w.by not in added)) for m in measurements]
    before, now = (_headline(found) for found in (adjusted(reopened(without))[1], families))
    tests = f": those of failures and wrong answers for {now} tests instead of {before}" if now != before else ""
    note = (
        f"{_ADDED}comparisons within strata of {', '.join(added)}. The record (audit.json) is unchanged. Adjusted p "
        f"now allow for these tests, too{tests}, so they can differ from those of an earlier report."
    )
    return *notes, note


def _headline(families: Sequence[Family]) -> int:
    return sum(family.size for family in families if family.name == HEADLINE and family.by is None)


def by_name(text: str) -> str:
    """`gender*race` however it was typed."""
    return "*".join(part.strip() for part in text.split("*"))


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
    return tuple(dict.fromkeys(names))
