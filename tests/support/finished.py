"""Finished tables for the analyses, from plain lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.analyses import ANALYSES, Finished
from audit.groups import make_groupings, subject_codes
from audit.measures import Context, Observed, plan
from audit.result import Measurement, Skipped
from audit.summary import Options, Summary
from tests.support.figures import a_table


def finished(
    labels: Any,
    decisions: Any,
    *,
    scores: Any = None,
    subjects: Sequence[object] | None = None,
    classes: Sequence[str] = ("female", "male"),
    positive: int | None = None,
    threshold: float = 0.5,
    label: str = "gender",
    groupings: Sequence[tuple[str, ...]] | None = None,
    alpha: float = 0.05,
    min_subjects: int = 30,
    readable: Any = None,
    attributes: Mapping[str, Sequence[str | None]] | None = None,
    focus: Mapping[tuple[str, str, str], Any] | None = None,
    places: Mapping[str, str] | None = None,
) -> Finished:
    """A table as a run leaves it, the rates measured already. `labels` and `decisions` are indices, -1 for none.

    `focus` has the columns of focus measures by region, for the predicted class: {("lift", "badge", "all"): [N]}.

    The label is an attribute, too. Without `groupings` every attribute is one.
    """
    labels, decisions = np.asarray(labels, dtype=np.int64), np.asarray(decisions, dtype=np.int64)
    seen = np.full((len(labels), len(classes)), np.nan) if scores is None else np.asarray(scores, dtype=np.float64)
    columns = {**(attributes or {}), label: [classes[k] if k >= 0 else None for k in labels]}
    table: pd.DataFrame = a_table(subjects, **columns)
    made = make_groupings(table, tuple(groupings if groupings is not None else [(name,) for name in columns]))
    options = Options(alpha=alpha, min_subjects=min_subjects)
    codes = subject_codes(table)
    summary = Summary(made, codes, label, options)
    known = Context(
        label=label, classes=tuple(classes), positive=positive, layers=(), layers_missing="a table", regions=(),
        cam=None, cam_missing="a table",
    )  # fmt: skip
    measures = [m for m in plan(known)[0] if m.family == "rates"]
    observed = Observed(labels=labels, decisions=decisions, scores=seen, strengths={}, maps={}, regions={}, quality={})
    columns_of_maps = {}
    for (name, region, decisions_), column in (focus or {}).items():
        of_maps = dataclasses.replace(known, regions=(region,), cam="cam")
        parameters = {"cam": "cam", "region": region, "target": "predicted", "decisions": decisions_}
        measure = next(m for m in plan(of_maps)[0] if m.name == name and m.parameters == parameters)
        columns_of_maps[measure.column] = np.asarray(column, dtype=np.float64)
        measures.append(measure)
    values = np.column_stack(
        [columns_of_maps[m.column] if m.column in columns_of_maps else m.compute(observed) for m in measures]
    )
    if readable is not None:
        values[~np.asarray(readable)] = np.nan
    return Finished(
        label=label,
        classes=tuple(classes),
        positive=positive,
        threshold=threshold,
        labels=labels,
        decisions=decisions,
        scores=seen,
        subjects=codes,
        table=table,
        groupings=made,
        summary=summary,
        options=options,
        measurements=summary.of(values, measures)[0],
        places={**{region: region for _, region, _ in focus or {}}, **(places or {})},
        values=lambda column: values[:, [m.column for m in measures].index(column)],
    )


def run(name: str, table: Finished) -> tuple[list[Measurement], list[Skipped]]:
    """One analysis of a table."""
    found = list(ANALYSES.get(name)(table))
    return [f for f in found if isinstance(f, Measurement)], [f for f in found if isinstance(f, Skipped)]


def people(
    seed: int = 0,
    *,
    subjects: int = 240,
    pictures: int = 2,
    classes: Sequence[str] = ("female", "male"),
    **options: Any,
) -> dict[str, Any]:
    """Arguments for `finished`: a model that is right most of the time and sure in proportion, on people with a skin
    and an age. Nothing differs between the groups but by chance."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(subjects), pictures)
    labels = rng.integers(0, len(classes), subjects)[of]
    logits = rng.normal(0, 1, (len(of), len(classes)))
    logits[np.arange(len(of)), labels] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    decisions = scores.argmax(axis=1)
    if len(classes) == 2:
        decisions = (scores[:, 1] >= 0.5 * scores.sum(axis=1)).astype(np.int64)
    skin = rng.choice(["dark", "medium", "light"], subjects)[of]
    age = rng.choice(["0-19", "20-39", "40+"], subjects)[of]
    return {
        "labels": labels,
        "decisions": decisions,
        "scores": scores,
        "subjects": [f"p{k:04}" for k in of],
        "classes": tuple(classes),
        "attributes": {"skin": [str(s) for s in skin], "age": [str(a) for a in age]},
        **options,
    }
