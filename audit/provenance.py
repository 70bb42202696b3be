"""Where a record's figures come from: hashes, versions, what the probe set held, and the fingerprint of a run."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audit
from audit.engines import Plan
from audit.files import sha256
from audit.planning import Prepared
from audit.probes import ProbeSet
from audit.settings import RunSettings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from audit.groups import Grouping

_MACHINE = ("device", "batch_size", "workers", "threads")  # how fast, not what: these stand in the record's `run` block
_VERSIONS = ("numpy", "pandas", "pillow", "onnx", "onnxruntime", "torch", "scipy")


def probe_block(
    probe: ProbeSet, groupings: tuple[Grouping, ...], records: pd.DataFrame, subjects: NDArray[np.int64]
) -> dict[str, Any]:
    """The record's `probe`: what was looked at, cell by cell, and the hashes that tie it to the files."""
    import numpy as np

    status = records["status"].to_numpy()
    lines = "".join(
        f"{p}\t{h}\n" for p, h in sorted(zip(records["path"], records["image_sha256"].fillna(""), strict=True))
    )
    cells = []
    for grouping in groupings:
        for code, key in enumerate(grouping.keys):
            inside = grouping.codes == code
            cells.append(
                {
                    "attributes": dict(key),
                    "images": int(inside.sum()),
                    "subjects": len(np.unique(subjects[inside])),
                    "unreadable": int((status[inside] == "unreadable").sum()),
                    "failed": int((status[inside] == "failed").sum()),
                }
            )
    return {
        "manifest_sha256": probe.manifest_sha256,
        "images_sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "images": len(probe),
        "total": probe.total,
        "sampled": probe.sampled,
        "unreadable": int((status == "unreadable").sum()),
        "failed": int((status == "failed").sum()),
        "unlabeled": int(records["label"].isna().sum()),
        "subjects": len(np.unique(subjects)),
        "subject": probe.subject,
        "label": probe.label,
        "attributes": sorted({a for g in probe.groupings for a in g}),
        "groupings": [g.name for g in groupings],
        "regions": list(probe.regions),
        "aligned": "stated" if probe.aligned else "landmarks" if probe.alignment is not None else None,
        "files": {name: f"sha256 {digest}" for name, digest in probe.files.items()},
        "cells": cells,
    }


def model_hash(files: tuple[Path, ...]) -> str:
    """SHA-256 of the model file; with external data, of the files' hashes in order."""
    hashes = [sha256(path) for path in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def settings_block(settings: RunSettings) -> dict[str, Any]:
    """The record's `settings`: what was asked for and decides the figures."""
    asked = {**dataclasses.asdict(settings), "trust": settings.checked}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asked.items() if k not in _MACHINE}


def fingerprint(block: dict[str, Any], prepared: Prepared, settings: RunSettings) -> str:
    """What decides the figures of the pass: same fingerprint, same figures. Pictures count by size and time of change,
    so that a run is not gone on with over others than it began with."""
    probe = prepared.plan.probe
    decides = {
        "version": audit.__version__,
        "model": block,
        "probe": [
            probe.manifest_sha256,
            dict(probe.files),
            [_stat(probe.folder / path) for path in probe.table["path"]],
        ],
        "settings": settings_block(dataclasses.replace(settings, trust=0)),  # a stage after the pass
        "measures": [m.column for m in prepared.plan.measures],
        "groupings": [g.name for g in prepared.plan.groupings],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def machine_block(plan: Plan, threads: int | None) -> dict[str, Any]:
    """The part of the record's `run` that says what computed the figures; read after the pass, for the guard's sake.

    `threads` are those that the model was opened with, None: as many as there are cores.
    """
    guard = plan.model.guard
    return {
        "device": plan.model.device,
        "provider": plan.model.provider,
        "batch_size": plan.batch_size,
        "workers": plan.workers,
        "threads": threads or os.cpu_count(),
        "tap_guard": guard if guard is None or math.isfinite(guard) else "not finite",
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of what computed the figures, as far as it is installed."""
    found = {"python": platform.python_version(), "bias-audit": audit.__version__}
    for name in _VERSIONS:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
