"""Settings, frozen: from flags, the environment, TOML files and defaults, in that order.

An error names the key path, the value, and what is allowed. How a model is fed and read
has its own private files; their names are offered here, so that a reader has one place to look.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit import _toml
from audit._input_spec import classes_or_assumed, input_spec
from audit._model_settings import ModelSettings, read_model_settings, settings_file
from audit._toml import Kind
from audit.errors import SettingsError, nearest
from audit.inputs import PRESETS

__all__ = [
    "CommandSettings",
    "ModelSettings",
    "RunSettings",
    "checked_settings",
    "classes_or_assumed",
    "input_spec",
    "read_command_settings",
    "read_model_settings",
    "read_run_settings",
    "settings_file",
]

FORMATS = ("html", "pdf", "md", "json", "junit")  # ours; plug-ins add others


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
    trust: int | None = None  # pictures that the maps are checked on afterwards; 0: they are not
    # the statistics
    seed: int = 0
    alpha: float = 0.05
    min_subjects: int = 30
    within: tuple[str, ...] = ()
    accept_chance: bool = False
    # the machine: no effect on the figures, so these stand in the record's `run` block
    device: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    threads: int | None = None

    @property
    def checked(self) -> int:
        """On how many pictures the maps are checked, where there are any."""
        return 32 if self.trust is None else self.trust


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """What the command line does around a run: where it writes, what it judges by, how it ends."""

    out: str | None = None
    policy: str | None = None
    inconclusive: str = "3"
    exit_zero: bool = False
    formats: tuple[str, ...] = ()
    faces: bool = False


_RUN: Mapping[str, Kind] = {
    "label": _toml.text(),
    "subject": _toml.text(),
    "groups": _toml.names(),
    "bands": _toml.bands(),
    "layout": _toml.text(),
    "limit": _toml.whole(1),
    "task": _toml.text(),
    "output": _toml.text(),
    "classes": _toml.names(),
    "positive": _toml.text(),
    "threshold": _toml.number("a number from 0 to 1", lambda x: 0 <= x <= 1),
    "abstain_below": _toml.number("a number from 0 up to, not including, 1", lambda x: 0 <= x < 1),
    "preprocess": _toml.choice(*PRESETS),
    "layers": _toml.names(),
    "cam": _toml.text(),
    "trust": _toml.whole(8, 32, off=0),  # fewer than 8 can't be checked, and more are over the budget
    "seed": _toml.whole(0),
    "alpha": _toml.number("a number above 0 and up to 0.5", lambda x: 0 < x <= 0.5),
    "min_subjects": _toml.whole(2),
    "within": _toml.names(),
    "accept_chance": _toml.flag(),
    "device": _toml.choice("auto", "cpu", "cuda"),
    "batch_size": _toml.whole(1),
    "workers": _toml.whole(1),
    "threads": _toml.whole(1, 1024),
}


_COMMAND: Mapping[str, Kind] = {
    "out": _toml.text(),
    "policy": _toml.text(),
    "inconclusive": _toml.choice("3", "fail", "pass"),
    "exit_zero": _toml.flag(),
    "formats": _toml.names(),  # whether a report is called so is the command line's to say: only it knows reports
    "faces": _toml.flag(),
}

_KINDS = {**_RUN, **_COMMAND}
# The flag is typed once for each group and band, so it has the singular.
_FLAGS = {"groups": "--group", "bands": "--band"}
_PREFIX = "BIAS_AUDIT_"


def read_run_settings(
    flags: Mapping[str, Any], *, folder: Path | None = Path(), environ: Mapping[str, str] = os.environ
) -> RunSettings:
    """The settings of a run.

    Args:
        flags: what was typed, by field name: texts, or values of the field's own type. Keys of `CommandSettings` may
            stand among them.
        folder: where `bias-audit.toml` and `pyproject.toml` are looked for; None looks nowhere.
        environ: environment variables; `BIAS_AUDIT_BATCH_SIZE` is the field `batch_size`.

    Raises:
        SettingsError: an unknown key, or a value that can't be used, with its key path.
    """
    found = _merged(flags, folder, environ)
    return RunSettings(**{k: v for k, v in found.items() if k in _RUN})


def checked_settings(settings: RunSettings | None, options: Mapping[str, Any]) -> RunSettings:
    """Single fields over settings, for a call from Python, with the checks that the command line makes."""
    known = [field.name for field in dataclasses.fields(RunSettings)]
    for name in options:
        if name not in known:
            raise SettingsError("unknown setting", value=name, allowed=known, hint=nearest(name, known))
    by_hand = {name: getattr(settings, name) for name in known} if settings else {}
    stated = {name: value for name, value in by_hand.items() if value != getattr(RunSettings, name, {})}
    return read_run_settings({**stated, **options}, folder=None, environ={})


def read_command_settings(
    flags: Mapping[str, Any], *, folder: Path | None = Path(), environ: Mapping[str, str] = os.environ
) -> CommandSettings:
    """The settings around a run, from the same places as `read_run_settings`."""
    found = _merged(flags, folder, environ)
    return CommandSettings(**{k: v for k, v in found.items() if k in _COMMAND})


def _merged(flags: Mapping[str, Any], folder: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    return {**_from_file(folder), **_from_environment(environ), **_from_flags(flags)}


def _from_file(folder: Path | None) -> dict[str, Any]:
    """`[run]` of bias-audit.toml; where that file is missing, `[tool.bias-audit]` of pyproject.toml."""
    if folder is None:
        return {}
    own, project = folder / "bias-audit.toml", folder / "pyproject.toml"
    if own.is_file():
        tables = _toml.read_toml(own)
        known = ("run", "probe", "regions")  # a probe folder's own tables: read with the probe set
        for name in tables:
            if name not in known:
                raise SettingsError("unknown table", value=name, allowed=known, where=own, hint=nearest(name, known))
        if "run" in tables:
            return _toml.table_of(tables["run"], _KINDS, f"{own}: [run]")
    if project.is_file():
        tool = _toml.read_toml(project).get("tool", {})
        return _toml.table_of(tool.get("bias-audit", {}), _KINDS, f"{project}: [tool.bias-audit]")
    return {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(_PREFIX) or not value:
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name in _KINDS:
            found[name] = _KINDS[name].read(value, variable, text=True)
            continue
        close = nearest(name.upper(), [known.upper() for known in _KINDS])
        if close is not None:  # a slip of the pen; anything else is somebody's own variable
            hint = close.replace(" mean ", f" mean {_PREFIX}").replace(" or ", f" or {_PREFIX}")
            raise SettingsError("unknown environment variable", value=variable, hint=hint)
    return found


def _from_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in flags.items():
        if name not in _KINDS:
            raise SettingsError("unknown setting", value=name, allowed=sorted(_KINDS), hint=nearest(name, _KINDS))
        where = _FLAGS.get(name, "--" + name.replace("_", "-"))
        found[name] = _KINDS[name].read(value, where, text=isinstance(value, str))
    return found
