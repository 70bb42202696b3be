"""Finished audits with everything that the analyses find, for the reports."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from audit.analyses import analyze
from audit.families import adjusted
from audit.result import AuditResult
from tests.support import results
from tests.support.finished import finished, people


def analyzed(**table: Any) -> AuditResult:
    """The record of a finished table: the rates, the analyses of it, and adjusted p."""
    given = finished(**table)
    found, skipped = analyze(given)
    measurements, families = adjusted((*given.measurements, *found))
    base = results.bare()
    return dataclasses.replace(
        base,
        model={
            "file": "model.onnx",
            "classes": list(given.classes),
            "threshold": given.threshold,
            "positive": None if given.positive is None else given.classes[given.positive],
        },
        probe={"label": given.label, "images": len(given.labels), "subjects": len(set(given.subjects.tolist()))},
        settings={"alpha": 0.05, "min_subjects": given.options.min_subjects},
        measurements=measurements,
        skipped=skipped,
        families=families,
    )


def misjudged(rate: float = 0.45, *, subjects: int = 900, **more: Any) -> dict[str, Any]:
    """A table of people of whom 10 % are misjudged, and `rate` of the women with dark skin."""
    table = people(3, subjects=subjects, groupings=[("gender",), ("skin",), ("age",)], **more)
    labels = table["labels"]
    inside = (np.array(table["attributes"]["skin"]) == "dark") & (labels == 0)
    wrong = np.random.default_rng(3).random(len(labels)) < np.where(inside, rate, 0.1)
    decisions = np.where(wrong, 1 - labels, labels)
    sure = np.sort(table["scores"], axis=1)
    scores = np.where(decisions[:, None] == 1, sure, sure[:, ::-1])
    return {**table, "decisions": decisions, "scores": scores}
