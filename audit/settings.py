"""Settings, frozen: from flags, the environment, TOML files and defaults, in that order.

An error names the key path, the value, and what is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What was asked of a run, the same from the command line and from Python. None: decided by what is there."""

    # the probe set
    label: str | None = None
    subject: str | None = None
    groups: tuple[str, ...] = ()
    bands: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    layout: str | None = None
    limit: int | None = None
    # the model
    task: str | None = None
    output: str | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float | None = None
    abstain_below: float | None = None
    preprocess: str | None = None
    layers: tuple[str, ...] = ()
    cam: str = "auto"
    # the statistics
    seed: int = 0
    alpha: float = 0.05
    min_subjects: int = 30
    accept_chance: bool = False
    # the machine: no effect on the figures, so these stand in the record's `run` block
    device: str = "auto"
    batch_size: int = 32
    workers: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """How to feed and read one model: the file's metadata, `MODEL.toml`, Hugging Face files beside it, flags.

    `input` holds only the fields of `InputSpec` that somebody stated; `assumed` says in sentences what nobody did.
    """

    task: str = "classification"
    output: str | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    abstain_below: float = 0.0
    input: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sources: tuple[Path, ...] = ()


# CONTRACT (bodies to be written):
#   read_run_settings(flags: Mapping[str, Any], *, folder: Path = Path("."), environ: Mapping[str, str] = os.environ)
#       -> RunSettings           # flags hold only what was typed; [run] of ./bias-audit.toml or [tool.bias-audit]
#   read_model_settings(model: Path, metadata: Mapping[str, str], settings: RunSettings) -> ModelSettings
#   input_spec(stated: ModelSettings, spec: TensorSpec-like (name, shape, dtype)) -> tuple[InputSpec, tuple[str, ...]]
#       # merges what the file fixes (size, layout, dtype, channels) with what was stated; the second value is the
#       # sentences about what had to be assumed; contradictions (stated size against a fixed one) are UsageError
