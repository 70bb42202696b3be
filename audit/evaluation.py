"""Everything that follows from the finished table of values: measurements, and whether they mean anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import audit
from audit.planning import Prepared
from audit.provenance import probe_block, settings_block
from audit.records import RunFolder
from audit.result import AuditResult, Measurement, Skipped
from audit.settings import RunSettings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_VALUES_AT_ONCE = 200_000  # of the table in memory together, so that many measures of many pictures fit


def evaluate(
    prepared: Prepared,
    folder: RunFolder,
    records: pd.DataFrame,
    settings: RunSettings,
    block: dict[str, Any],
) -> AuditResult:
    """The result of a pass: the record but for its files, its run and a policy's verdict.

    Args:
        prepared: what the pass was planned by.
        folder: holds the finished table.
        records: `path`, `image_sha256`, `status`, `reason` and `label` of every item.
        settings: as asked for.
        block: the record's `model`.
    """
    from audit.groups import subject_codes

    plan = prepared.plan
    subjects = subject_codes(plan.probe.table)
    measurements, skipped = _measured(prepared, folder, subjects, settings)
    notes, verdict = prepared.notes, None
    sentence = _chance(prepared, folder, records, subjects, measurements)
    if sentence is not None:
        notes = (sentence, *notes)
    if sentence is not None and not settings.accept_chance:
        verdict = {"status": "not judged", "reason": "chance", "explanation": sentence, "rules": []}
    return AuditResult(
        tool={"name": "bias-audit", "version": audit.__version__},
        model=block,
        probe=probe_block(plan.probe, prepared, records, subjects),
        settings=settings_block(settings),
        measurements=measurements,
        skipped=(*prepared.skipped, *skipped),
        notes=notes,
        verdict=verdict,
        run={},
    )


def _measured(
    prepared: Prepared, folder: RunFolder, subjects: NDArray[np.int64], settings: RunSettings
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """Every measure of the plan, some columns of the table at a time."""
    from audit.summary import Options, Summary

    plan = prepared.plan
    options = Options(alpha=settings.alpha, min_subjects=settings.min_subjects)
    summary = Summary(plan.groupings, subjects, plan.probe.label, options)
    measurements: tuple[Measurement, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    together = max(8, _VALUES_AT_ONCE // len(plan.probe))
    for start in range(0, len(plan.measures), together):
        some = plan.measures[start : start + together]
        found, not_found = summary.of(folder.values([m.column for m in some]), some)
        measurements, skipped = measurements + found, skipped + not_found
    return measurements, skipped


def _chance(
    prepared: Prepared,
    folder: RunFolder,
    records: pd.DataFrame,
    subjects: NDArray[np.int64],
    measurements: tuple[Measurement, ...],
) -> str | None:
    """A sentence when the model is no better than guessing: then no figure below it means anything."""
    import numpy as np

    from audit.summary import chance

    if not any(m.measure == "wrong_label_rate" and m.overall.n for m in measurements):
        return None
    classes = prepared.plan.output.classes
    number = {name: k for k, name in enumerate(classes)}
    labels = np.array([number.get(label, -1) for label in records["label"]], dtype=np.int64)
    recall, guessing = chance(folder.values(["wrong_label_rate"])[:, 0], labels, subjects, len(classes))
    if not guessing or recall.value is None or recall.low is None or recall.high is None:
        return None
    return (
        f"This model is no better than chance on this probe set: over the {len(classes)} classes it is right "
        f"{recall.value:.1%} of the time on average (95 % interval {recall.low:.1%} to {recall.high:.1%}; guessing "
        f"gives {1 / len(classes):.1%}). Most often the pictures are fed in another way than the model was trained "
        "with, or the classes stand in another order: `bias-audit inspect MODEL --probe DIR` tries the usual ones."
    )
