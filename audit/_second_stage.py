"""The second stage, on a sample of the images after the pass over all: whether the maps can be trusted."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

from audit.groups import subject_codes
from audit.result import AuditResult, Skipped
from audit.tasks import class_numbers
from audit.trust import check_maps

if TYPE_CHECKING:
    from audit._pass import Progress
    from audit.engines import Plan
    from audit.run_folder import RunFolder
    from audit.settings import RunSettings

_LOG = logging.getLogger(__name__)


def with_trust(
    result: AuditResult, plan: Plan, folder: RunFolder, settings: RunSettings, progress: Progress | None
) -> tuple[AuditResult, dict[str, Any] | None]:
    """The result with what was found, or why not; and seconds and passes for the record, None: not looked into."""
    if settings.checked == 0 or (plan.mapper is None and settings.trust is None):
        return result, None
    begun = time.monotonic()
    found, passes = check_maps(
        plan,
        decisions=class_numbers(folder.read(["decision"])["decision"], plan.output.classes),
        subjects=subject_codes(plan.probe.table),
        images=settings.checked,
        seed=settings.seed,
        alpha=settings.alpha,
        progress=progress,
    )
    took = {"seconds": round(time.monotonic() - begun, 3), "passes": passes}
    if isinstance(found, Skipped):
        _LOG.info("skipped %s: %s", found.measure, found.reason)
        return dataclasses.replace(result, skipped=(*result.skipped, found)), took
    _LOG.info("the maps are %s: %s (%d passes, %.1f s)", found.state, found.because, passes, took["seconds"])
    return dataclasses.replace(result, trust=found), took
