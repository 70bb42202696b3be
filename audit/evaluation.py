"""Everything that follows from the finished table of values: measurements, and whether they mean anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import audit
from audit.analyses import Finished, analyze
from audit.difference_maps import difference_maps
from audit.families import adjusted
from audit.planning import Prepared
from audit.provenance import probe_block, settings_block
from audit.result import AuditResult, Measurement, Skipped
from audit.run_folder import RunFolder
from audit.settings import RunSettings
from audit.tasks import class_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from audit.summary import Options, Summary

_TYPICAL = ("predicted", "all")  # target and decisions that stand for a measure of focus
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
    from audit.summary import Options, Summary

    plan = prepared.plan
    subjects = subject_codes(plan.probe.table)
    options = Options(alpha=settings.alpha, min_subjects=settings.min_subjects, seed=settings.seed)
    summary = Summary(plan.groupings, subjects, plan.probe.label, options)
    measurements, skipped = _measured(prepared, folder, summary)
    measurements, not_compared = _within_strata(prepared, folder, subjects, options, measurements)
    finished = _finished(prepared, folder, records, subjects, options, summary, measurements)
    analyzed, not_analyzed = analyze(finished)
    measurements, families = adjusted((*measurements, *analyzed))
    differences, not_drawn = difference_maps(
        folder.features(), finished, plan.mapper.method.name if plan.mapper else ""
    )
    skipped = (*skipped, *not_compared, *not_analyzed, *not_drawn)
    notes, verdict = (*prepared.notes, *_nowhere(measurements)), None
    sentence = _chance(finished)
    if sentence is not None:
        notes = (sentence, *notes)
    if sentence is not None and not settings.accept_chance:
        verdict = {"status": "not judged", "reason": "chance", "explanation": sentence, "rules": []}
    return AuditResult(
        tool={"name": "bias-audit", "version": audit.__version__},
        model=block,
        probe=probe_block(plan.probe, plan.groupings, records, subjects),
        settings=settings_block(settings),
        measurements=measurements,
        skipped=(*prepared.skipped, *skipped),
        families=families,
        notes=notes,
        difference_maps=differences,
        verdict=verdict,
        run={},
    )


def _measured(
    prepared: Prepared, folder: RunFolder, summary: Summary
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """Every measure of the plan, some columns of the table at a time."""
    plan = prepared.plan
    measurements: tuple[Measurement, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    together = max(8, _VALUES_AT_ONCE // len(plan.probe))
    for start in range(0, len(plan.measures), together):
        some = plan.measures[start : start + together]
        found, not_found = summary.of(folder.values([m.column for m in some]), some)
        measurements, skipped = measurements + found, skipped + not_found
    return measurements, skipped


def _within_strata(
    prepared: Prepared,
    folder: RunFolder,
    subjects: NDArray[np.int64],
    options: Options,
    measurements: tuple[Measurement, ...],
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """Differences again within strata of the attributes that were asked for, and of picture quality in every run."""
    from audit.groups import make_groupings
    from audit.strata import QUALITIES, quality_strata, with_strata

    plan = prepared.plan
    by_quality = quality_strata(dict(zip(QUALITIES, folder.values(list(QUALITIES)).T, strict=True)))
    asked = make_groupings(plan.probe.table, plan.probe.within)
    strata = (*asked, by_quality) if by_quality is not None else asked
    return with_strata(measurements, folder.values, plan.groupings, strata, subjects, options)


def _finished(
    prepared: Prepared,
    folder: RunFolder,
    records: pd.DataFrame,
    subjects: NDArray[np.int64],
    options: Options,
    summary: Summary,
    measurements: tuple[Measurement, ...],
) -> Finished:
    """The finished table as the analyses see it."""
    plan = prepared.plan
    classes = plan.output.classes
    positive = prepared.model.get("positive")
    return Finished(
        label=plan.probe.label,
        classes=classes,
        positive=None if positive is None else classes.index(positive),
        threshold=plan.output.threshold,
        labels=class_numbers(records["label"], classes),
        decisions=class_numbers(folder.read(["decision"])["decision"], classes),
        scores=folder.values([f"score.{name}" for name in classes]),
        subjects=subjects,
        table=plan.probe.table,
        places=plan.probe.places,
        groupings=plan.groupings,
        summary=summary,
        options=options,
        measurements=measurements,
        values=lambda column: folder.values([column])[:, 0],
    )


def _nowhere(measurements: tuple[Measurement, ...]) -> Iterator[str]:
    """Regions that no map could be read on, though there are maps: told first, for most often a number is wrong."""
    of_all = [m for m in measurements if (m.parameters.get("target"), m.parameters.get("decisions")) == _TYPICAL]
    if not any(m.measure == "center_x" and m.overall.n for m in of_all):
        return
    for empty in (m for m in of_all if m.measure == "relevance_mass" and not m.overall.n):
        yield (
            f"The region {empty.parameters['region']} meets no picture, so nothing is measured on it: it lies outside "
            "of the pictures or of what the model sees of them, or is empty there. Boxes and polygons are in pixels of "
            "the original picture."
        )


def _chance(finished: Finished) -> str | None:
    """A sentence when the model is no better than guessing: then no figure below it means anything."""
    from audit.summary import chance

    wrong, classes = finished.find("wrong_label_rate"), finished.classes
    if wrong is None or not wrong.overall.n:
        return None
    recall, guessing = chance(finished.values(wrong.column), finished.labels, finished.subjects, len(classes))
    if not guessing or recall.value is None or recall.low is None or recall.high is None:
        return None
    return (
        f"This model is no better than chance on this probe set: over the {len(classes)} classes it is right "
        f"{recall.value:.1%} of the time on average (95 % interval {recall.low:.1%} to {recall.high:.1%}; guessing "
        f"gives {1 / len(classes):.1%}). Most often the pictures are fed in another way than the model was trained "
        "with, or the classes stand in another order: `bias-audit inspect MODEL --probe DIR` tries the usual ones."
    )
