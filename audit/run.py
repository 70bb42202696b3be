"""The pipeline: read, open, plan, one pass over the images, summarize, judge. It knows contracts only."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit.analyses import ANALYSES
from audit.engines import ENGINES
from audit.errors import AuditError, Interrupted, MachineError, ProbeError
from audit.evaluation import evaluate
from audit.files import sha256
from audit.gate import Policy, check_bounds, check_names, judge, read_policy
from audit.planning import Prepared, prepare, probe_options
from audit.probes import read_probe
from audit.provenance import fingerprint, machine_block, model_hash
from audit.records import TABLE
from audit.result import AuditResult, Skipped
from audit.run_folder import RunFolder
from audit.runtimes import open_model
from audit.settings import RunSettings, checked_settings

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]

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
    import pandas as pd

    begun = time.monotonic()
    started = dt.datetime.now(dt.UTC).replace(microsecond=0)
    wanted = checked_settings(settings, options)
    rules = policy if policy is None or isinstance(policy, Policy) else read_policy(Path(policy))
    with contextlib.ExitStack() as stack:
        probe_set = read_probe(probe, probe_options(wanted))
        opened = open_model(model, device=wanted.device)
        stack.callback(opened.close)
        prepared = prepare(opened, probe_set, wanted)
        if rules is not None:
            measures = [m.name for m in prepared.plan.measures] + [s.measure for s in prepared.skipped]
            named = [*measures, *ANALYSES.names()]
            check_names(rules, named, [g.name for g in prepared.plan.groupings])
            check_bounds(rules, ((m.name, m.unit) for m in prepared.plan.measures))
        block = {**prepared.model, "sha256": model_hash(opened.files)}
        columns = [m.column for m in prepared.plan.measures]
        mark = fingerprint(block, prepared, wanted)
        folder = RunFolder(
            Path(out) if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory())),
            mark,
            columns,
            force=force or out is None,
            resume=resume,
        )
        stack.enter_context(folder.logging())
        _log_start(prepared)
        passed = _pass(folder, prepared, progress)
        reason = folder.shards.nothing_read()
        if reason is not None:
            folder.abandon()
            raise ProbeError("no picture of the probe set can be read", where=probe, hint=reason)
        mean_maps = folder.collect()
        records = folder.read(["path", "image_sha256", "status", "reason", "label"])
        seconds = time.monotonic() - begun
        result = evaluate(prepared, folder, records, wanted, block)
        result, took = _with_trust(result, prepared, folder, wanted, trust_progress)
        folder.keep_differences(result.difference_maps)
        result = dataclasses.replace(
            result,
            notes=(*result.notes, *opened.notes),
            mean_maps=mean_maps,
            records=folder.folder / TABLE if out is not None else pd.read_parquet(folder.folder / TABLE),
            files={name: f"sha256 {sha256(folder.folder / name)}" for name in folder.files()},
            run={
                "started": started.isoformat().replace("+00:00", "Z"),
                "seconds": round(seconds, 3),
                "images_per_second": round(passed / max(seconds, 1e-9), 1),
                "trust": took,
                "model": str(model),
                "probe": str(probe),
                "fingerprint": mark,
                **machine_block(prepared.plan),
            },
        )
        if rules is not None:
            result = dataclasses.replace(result, verdict=judge(result, rules).to_json())
        _log_end(records, result)
        if out is not None:
            folder.finish(result)
    return result


def _with_trust(
    result: AuditResult, prepared: Prepared, folder: RunFolder, settings: RunSettings, progress: Progress | None
) -> tuple[AuditResult, dict[str, Any] | None]:
    """The second stage, on a sample: whether the maps can be trusted. Gives its time and passes for the record, too."""
    from audit.groups import subject_codes
    from audit.tasks import class_numbers
    from audit.trust import check_maps

    plan = prepared.plan
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


def _pass(folder: RunFolder, prepared: Prepared, progress: Progress | None) -> int:
    """Every image that has no shard yet goes through the model once; gives how many that were."""
    import numpy as np

    total = len(prepared.plan.probe)
    done = folder.shards.done()
    if len(done):
        _LOG.info("going on after %d of %d images", len(done), total)
    rows = np.setdiff1d(np.arange(total, dtype=np.int64), done)
    seen = len(done)
    if len(rows) == 0:  # what the first batch says of the taps belongs to the record of a resumed run, too
        with contextlib.closing(ENGINES.get("local").shards(prepared.plan, np.arange(min(total, 16)))) as shards:
            next(shards, None)
    if progress:
        progress(seen, total)
    try:
        with contextlib.closing(ENGINES.get("local").shards(prepared.plan, rows)) as shards:
            for shard in shards:
                folder.shards.add(shard)
                seen += len(shard.rows)
                if progress:
                    progress(seen, total)
        folder.shards.flush()
        return len(rows)
    except KeyboardInterrupt:
        folder.shards.flush()
        _LOG.warning("interrupted after %d of %d images", seen, total)
        raise Interrupted(
            f"interrupted after {seen} of {total} images; what was done is kept in {folder.folder}",
            hint="Go on with the same command and --resume",
        ) from None
    except MemoryError:
        raise MachineError("out of memory", hint="Try a smaller --batch-size, then go on with --resume") from None
    except MachineError:
        raise  # the disk is full: the shards that fitted are kept for --resume
    except AuditError:
        folder.abandon()
        raise
