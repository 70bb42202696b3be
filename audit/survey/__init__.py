"""The probe set audited by itself: the same pipeline without a model, `bias-audit probe DIR`.

    survey = audit.survey_probe("faces/", groups=["skin", "gender*skin"])
    survey.copies.contradicting            # sets of copies whose rows differ in subject or label
    reports.write_survey(survey, "out/")   # probe.html

What it finds is plain values, ready for JSON (`probe.json`); the words for it are the reports'.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit._json import json_bytes
from audit.errors import ProbeError
from audit.result import AuditResult
from audit.settings import RunSettings, checked_settings
from audit.survey._found import (
    LISTED,
    Association,
    Conflict,
    Contradiction,
    Copies,
    CopySet,
    Crossing,
    Missing,
    Reach,
    Tie,
    Unreadable,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.groups import Grouping
    from audit.probes import ProbeSet
    from audit.survey._look import Looked

__all__ = [
    "FORMAT",
    "LISTED",
    "Association",
    "Conflict",
    "Contradiction",
    "Copies",
    "CopySet",
    "Crossing",
    "Missing",
    "Reach",
    "Survey",
    "Tie",
    "Unreadable",
    "survey_probe",
]

FORMAT = 1
_SETTINGS = ("label", "subject", "groups", "bands", "layout", "limit", "seed", "alpha", "min_subjects")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of a probe set before there is a model.

    `result` holds what an audit's record has, too: notes, the probe set with its cells, settings, and the measurements
    of picture quality by group; it names no model. Lists end at `LISTED` rows; what they count is complete.
    """

    result: AuditResult
    crossings: tuple[Crossing, ...]
    missing: tuple[Missing, ...]
    unreadable: tuple[Unreadable, ...]
    conflicts: tuple[Conflict, ...]
    copies: Copies
    associations: tuple[Association, ...]
    reaches: tuple[Reach, ...]

    def to_json(self) -> dict[str, Any]:
        """`probe.json`, ready for `json.dumps`: no NaN, keys in a fixed order."""
        record = self.result.to_json()
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "result"}
        found = {
            name: [dataclasses.asdict(row) for row in value] if isinstance(value, tuple) else dataclasses.asdict(value)
            for name, value in own.items()
        }
        before = {name: record[name] for name in ("tool", "notes", "probe", "settings")}
        after = {name: record[name] for name in ("measurements", "skipped", "families", "run")}
        return {"format": FORMAT, **before, **found, **after}

    def to_bytes(self) -> bytes:
        """The bytes of `probe.json`."""
        return json_bytes(self.to_json())


def survey_probe(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    settings: RunSettings | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Survey:
    """Look at a probe set as an audit would, once at every picture and without a model.

    Args:
        folder: the probe set.
        out: where to leave `probe.json`; None writes nothing.
        settings: how the set is read and compared; what is for a model is not looked at. Single fields can be given
            as `options` (`groups=["skin"]`, `seed=1`).
        force: write into a folder that holds something else.
        progress: called after each batch with images done and images in all.

    Raises:
        AuditError: with the exit status that the command line ends in.
    """
    from audit.groups import make_groupings, subject_codes
    from audit.planning import probe_options
    from audit.probes import read_probe
    from audit.survey import _folder
    from audit.survey._look import look

    begun, started = time.monotonic(), dt.datetime.now(dt.UTC).replace(microsecond=0)
    wanted = checked_settings(settings, options)
    probe = read_probe(folder, probe_options(wanted))
    if out is not None:
        _folder.check(Path(out), probe.manifest_sha256, force=force)
    workers = wanted.workers or min(os.cpu_count() or 1, 8)
    looked = look(probe, workers=workers, progress=progress)
    if not looked.readable.any():
        reason = next(reason for reason in looked.reasons if reason is not None)
        raise ProbeError("no picture of the probe set can be read", where=folder, hint=reason)
    subjects = subject_codes(probe.table)
    found = _found(probe, make_groupings(probe.table, probe.groupings), looked, subjects, wanted, workers)
    seconds = time.monotonic() - begun
    run = {
        "started": started.isoformat().replace("+00:00", "Z"),
        "seconds": round(seconds, 3),
        "images_per_second": round(len(probe) / max(seconds, 1e-9), 1),
        "probe": str(folder),
        **found.result.run,
    }
    survey = dataclasses.replace(found, result=dataclasses.replace(found.result, run=run))
    if out is not None:
        _folder.write(survey.to_bytes(), Path(out))
    return survey


def _found(
    probe: ProbeSet,
    groupings: tuple[Grouping, ...],
    looked: Looked,
    subjects: NDArray[np.int64],
    settings: RunSettings,
    workers: int,
) -> Survey:
    """Everything that follows from the table and one look at the pictures."""
    from audit.groups import make_groupings
    from audit.survey import _cells as cells
    from audit.survey._copies import copies
    from audit.survey._reach import reaches
    from audit.survey._ties import associations

    fewest = max(settings.min_subjects, 2)
    singles = make_groupings(probe.table, tuple((name,) for name in (probe.label, *cells.attributes(probe))))
    unreadable = [
        Unreadable(path=path, reason=reason)
        for path, reason in zip(probe.table["path"], looked.reasons, strict=True)
        if reason is not None
    ]
    return Survey(
        result=_result(probe, groupings, looked, subjects, settings, workers),
        crossings=cells.crossings(probe, subjects, fewest),
        missing=cells.missing(probe),
        unreadable=tuple(unreadable[:LISTED]),
        conflicts=cells.conflicts(probe),
        copies=copies(probe, looked, subjects, workers=workers, seed=settings.seed),
        associations=associations(singles, subjects, fewest),
        reaches=reaches(groupings, looked.readable, subjects, settings.alpha, fewest),
    )


def _result(
    probe: ProbeSet,
    groupings: tuple[Grouping, ...],
    looked: Looked,
    subjects: NDArray[np.int64],
    settings: RunSettings,
    workers: int,
) -> AuditResult:
    """The part that a record has, too: picture quality by group goes through the same statistics as an audit's."""
    import pandas as pd

    from audit.families import adjusted
    from audit.measures.quality import measures
    from audit.provenance import probe_block, settings_block, versions
    from audit.summary import Options, Summary

    options = Options(alpha=settings.alpha, min_subjects=settings.min_subjects, seed=settings.seed)
    measured, skipped = Summary(groupings, subjects, probe.label, options).of(looked.quality, measures())
    measurements, families = adjusted(measured)
    records = pd.DataFrame(
        {
            "path": probe.table["path"],
            "image_sha256": pd.Series(looked.sha256, dtype=object),
            "status": ["ok" if reason is None else "unreadable" for reason in looked.reasons],
            "label": probe.table["label"],
        }
    )
    asked = settings_block(settings)
    return AuditResult(
        tool={"name": "bias-audit", "version": audit.__version__},
        model={},
        probe=probe_block(probe, groupings, records, subjects),
        settings={name: asked[name] for name in _SETTINGS},
        measurements=measurements,
        skipped=skipped,
        families=families,
        notes=probe.notes,
        run={"workers": workers, "versions": versions()},
    )
