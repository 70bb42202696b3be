"""Small finished audits, figure by figure, for whatever comes after the measuring."""

from __future__ import annotations

from typing import Any

from audit.result import AuditResult, Disparity, Estimate, GroupEstimate, Measurement, Skipped


def estimate(value: float | None, low: float | None, high: float | None, subjects: int = 500) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=subjects, subjects=subjects)


def group(skin: str | None, value: float, low: float, high: float, subjects: int = 200) -> GroupEstimate:
    return GroupEstimate(
        value=value,
        low=low,
        high=high,
        n=subjects,
        subjects=subjects,
        attributes={"skin": skin},
        indicative=subjects < 30,
    )


GROUPS = (group("light", 0.02, 0.01, 0.04), group("dark", 0.12, 0.09, 0.16))


def gap(low: float, value: float, high: float, **more: Any) -> Disparity:
    worst, best = {"skin": "dark"}, {"skin": "light"}
    return Disparity(
        attribute="skin", kind="difference", value=value, low=low, high=high, worst=worst, best=best, **more
    )


def measured(
    *,
    overall: Estimate | None = None,
    groups: tuple[GroupEstimate, ...] = GROUPS,
    disparities: tuple[Disparity, ...] = (),
    **more: Any,
) -> Measurement:
    fields: dict[str, Any] = {
        "measure": "wrong_label_rate",
        "title": "Wrong-gender rate",
        "parameters": {},
        "family": "rates",
        "unit": "proportion",
        "better": "lower",
        "definition": "",
        "formula": "",
        "source": "",
        "diagnostic": False,
    }
    return Measurement(
        overall=overall or estimate(0.07, 0.05, 0.09), by_group=groups, disparities=disparities, **{**fields, **more}
    )


def result(*measurements: Measurement, skipped: tuple[Skipped, ...] = (), **more: Any) -> AuditResult:
    fields: dict[str, Any] = {
        "model": {"file": "model.onnx"},
        "probe": {"images": 1502, "subjects": 1467, "subject": "subject", "unreadable": 0, "sampled": False},
        "settings": {"alpha": 0.05, "min_subjects": 30},
        "tool": {},
        "run": {},
    }
    return AuditResult(measurements=measurements, skipped=skipped, **{**fields, **more})
