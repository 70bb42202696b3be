"""The pipeline: read, open, plan, one pass over the images, summarize, judge. It knows contracts only."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit._pass import Progress, one_pass
from audit._policy import check_bounds, check_names
from audit._second_stage import with_trust
from audit.analyses import ANALYSES, crossed
from audit.errors import ProbeError
from audit.evaluation import evaluate
from audit.gate import Policy, judge, read_policy
from audit.planning import Prepared, prepare, probe_options
from audit.probes import read_probe
from audit.provenance import fingerprint, machine_block, model_hash
from audit.result import AuditResult, MeanMap
from audit.run_folder import RunFolder
from audit.runtimes import open_model
from audit.settings import RunSettings, checked_settings

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)


def run_audit(
    model: str | Path,
    *,
    probe: str | Path,
    out: str | Path | None = None,
    policy: Policy | str | Path | None = None,
    settings: RunSettings | None = None,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    trust_progress: Progress | None = None,
    **options: Any,
) -> AuditResult:
    """Audit a model file on a labelled probe set.

    Args:
        model: an ONNX, TorchScript or torch.export file, or a table of predictions.
        probe: the probe set's folder.
        out: where to leave `audit.json`, `records.parquet` and `tallies.npz`; None keeps everything in memory.
        policy: rules to judge by.
        settings: everything else; single fields can be given as `options` (`groups=["skin"]`, `seed=1`).
        force: replace what an earlier audit left in `out`.
        resume: go on from an interrupted run in `out`.
        progress: called after each batch with images done and images in all.
        trust_progress: the same for the passes of the second stage, which looks into whether the maps can be trusted.

    Raises:
        AuditError: with the exit status that the command line ends in.
    """
    clock = _Clock()
    wanted = checked_settings(settings, options)
    rules = policy if policy is None or isinstance(policy, Policy) else read_policy(Path(policy))
    with contextlib.ExitStack() as stack:
        prepared = stack.enter_context(_prepared(model, probe, wanted, rules))
        plan = prepared.plan
        block = {**prepared.model, "sha256": model_hash(plan.model.files)}
        mark = fingerprint(block, prepared, wanted)
        folder = stack.enter_context(_opened_folder(out, mark, prepared, force=force, resume=resume))
        _log_start(prepared)
        passed = one_pass(plan, folder, progress)
        mean_maps = _collected(folder, probe)
        records = folder.read(["path", "image_sha256", "status", "reason", "label"])
        figures = clock.figures(passed)
        result = evaluate(prepared, folder, records, wanted, block)
        result, took = with_trust(result, plan, folder, wanted, trust_progress)
        folder.keep_differences(result.difference_maps)
        said = {"trust": took, "model": str(model), "probe": str(probe), "fingerprint": mark}
        result = dataclasses.replace(
            result,
            notes=(*result.notes, *plan.model.notes),
            mean_maps=mean_maps,
            records=folder.table(keep=out is not None),
            files=folder.hashes(),
            run={**figures, **said, **machine_block(plan, wanted.threads)},
        )
        if rules is not None:
            result = dataclasses.replace(result, verdict=judge(result, rules).to_json())
        _log_end(records, result)
        if out is not None:
            folder.finish(result)
    return result


@contextlib.contextmanager
def _prepared(model: str | Path, probe: str | Path, settings: RunSettings, rules: Policy | None) -> Iterator[Prepared]:
    """Probe set and model opened, what to measure planned, the rules held against that; closes the model at the end."""
    probe_set = read_probe(probe, probe_options(settings))
    with contextlib.closing(open_model(model, device=settings.device, threads=settings.threads)) as opened:
        prepared = prepare(opened, probe_set, settings)
        if rules is not None:
            _check_rules(rules, prepared)
        yield prepared


class _Clock:
    """How long a run takes, from its first line on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._started = dt.datetime.now(dt.UTC).replace(microsecond=0)

    def figures(self, images: int) -> dict[str, Any]:
        """For the record, when so many images have gone through the model."""
        seconds = time.monotonic() - self._begun
        return {
            "started": self._started.isoformat().replace("+00:00", "Z"),
            "seconds": round(seconds, 3),
            "images_per_second": round(images / max(seconds, 1e-9), 1),
        }


def _check_rules(rules: Policy, prepared: Prepared) -> None:
    """Whether each rule speaks of something that this run measures, before its hours of work."""
    measures = prepared.plan.measures
    named = [*(m.name for m in measures), *(s.measure for s in prepared.skipped), *ANALYSES.names(), *crossed()]
    check_names(rules, named, [g.name for g in prepared.plan.groupings], crossed())
    check_bounds(rules, ((m.name, m.unit) for m in measures))


@contextlib.contextmanager
def _opened_folder(
    out: str | Path | None, mark: str, prepared: Prepared, *, force: bool, resume: bool
) -> Iterator[RunFolder]:
    """The output folder with its log; without one a folder that is gone at the end."""
    with contextlib.ExitStack() as stack:
        where = Path(out) if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        columns = [m.column for m in prepared.plan.measures]
        folder = RunFolder(where, mark, columns, force=force or out is None, resume=resume)
        stack.enter_context(folder.logging())
        yield folder


def _collected(folder: RunFolder, probe: str | Path) -> tuple[MeanMap, ...]:
    """Shards brought together, unless no picture could be read."""
    reason = folder.shards.nothing_read()
    if reason is not None:
        folder.abandon()
        raise ProbeError("no picture of the probe set can be read", where=probe, hint=reason)
    return folder.collect()


def _log_start(prepared: Prepared) -> None:
    plan = prepared.plan
    _LOG.info("bias-audit %s: %s on %s", audit.__version__, plan.model.path.name, plan.probe.folder.name)
    for note in (*prepared.notes, *(f"skipped {s.measure}: {s.reason}" for s in prepared.skipped)):
        _LOG.info("%s", note)


def _log_end(records: pd.DataFrame, result: AuditResult) -> None:
    unread = records[records["status"] == "unreadable"]
    for path, reason in zip(unread["path"], unread["reason"], strict=True):
        _LOG.warning("unreadable: %s: %s", path, reason)
    verdict = (result.verdict or {}).get("status", "none asked for")
    _LOG.info("measured %d images in %.1f s; verdict: %s", len(records), result.run["seconds"], verdict)
