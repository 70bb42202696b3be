"""The second stage by itself: a plan, the answers, and the checks, without the rest of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audit.groups import subject_codes
from audit.planning import prepare, probe_options
from audit.probes import batches, read_probe
from audit.result import Skipped, Trust
from audit.runtimes import open_model
from audit.settings import RunSettings
from audit.trust import check_maps


def look(model: Path, probe: Path, *, images: int = 32, seed: int = 0, **options: Any) -> tuple[Trust | Skipped, int]:
    """What the stage finds out, and its passes. `options` are fields of `RunSettings`."""
    settings = RunSettings(**{"workers": 2, "seed": seed, **options})
    faces = read_probe(probe, probe_options(settings))
    opened = open_model(model)
    plan = prepare(opened, faces, settings).plan
    decisions = np.full(len(faces), -1, dtype=np.int64)
    for batch in batches(faces, plan.input, np.arange(len(faces)), batch_size=32, workers=2, quality=False):
        decisions[batch.rows] = plan.task.decide(opened.run(batch.images).outputs, plan.output).decisions
    found = check_maps(
        plan,
        decisions=decisions,
        subjects=subject_codes(faces.table),
        images=images,
        seed=seed,
        alpha=0.05,
    )
    opened.close()
    return found


def trusted(model: Path, probe: Path, **options: Any) -> Trust:
    found, _ = look(model, probe, **options)
    assert isinstance(found, Trust), found
    return found


def skipped(model: Path, probe: Path, **options: Any) -> str:
    found, _ = look(model, probe, **options)
    assert isinstance(found, Skipped), found
    return found.reason
