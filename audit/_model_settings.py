"""How one model is fed and read: what its file says, what lies beside it, what was typed; later ones win."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import _toml
from audit._toml import Kind
from audit.errors import SettingsError
from audit.inputs import COLORS, FITS, LAYOUTS, PRESETS, RESIZES

if TYPE_CHECKING:
    from audit.settings import RunSettings

TASKS = ("classification", "generation", "detection", "features")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """How to feed and read one model: the file's metadata, `MODEL.toml`, Hugging Face files beside it, flags.

    `input` holds only the fields of `InputSpec` that somebody stated; `notes` are sentences about what was stated and
    can be had only roughly.
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
    notes: tuple[str, ...] = ()


def _positive_name() -> Kind:
    """A class name; where classes have no names, their number."""

    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise ValueError
        return str(value)

    return Kind("a class name or number", check)


def _facts() -> Kind:
    def plain(value: Any) -> bool:
        if isinstance(value, list):
            return all(plain(v) for v in value)
        return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(plain(v) for v in value.values()):
            raise ValueError
        return dict(value)

    return Kind("texts, numbers, true and false, and lists of them", check)


def _size() -> Kind:
    pair = _toml.wholes("[height, width] in pixels, 1 to 4096", (1, 2), 1, 4096)
    return dataclasses.replace(pair, check=lambda value: (pair.check(value) * 2)[:2])  # one number: a square


_INPUT: Mapping[str, Kind] = {
    "size": _size(),
    "color": _toml.choice(*COLORS),
    "scale": _toml.number("a number above 0", lambda x: x > 0),
    "mean": _toml.numbers("one number a channel", (1, 3)),
    "std": _toml.numbers("one number above 0 a channel", (1, 3), lambda x: x > 0),
    "resize": _toml.choice(*RESIZES),
    "fit": _toml.choice(*FITS),
    "margin": _toml.number("a number from 0 to 4", lambda x: 0 <= x <= 4),
    "fill": _toml.wholes("one whole number a channel, 0 to 255", (1, 3), 0, 255),
    "layout": _toml.choice(*LAYOUTS),
}


def _input() -> Kind:
    return Kind("a table", lambda value: value)  # its keys are checked one by one, for their key paths


_MODEL: Mapping[str, Kind] = {
    "task": _toml.choice(*TASKS),
    "output": _toml.text(),
    "classes": _toml.names(),
    "positive": _positive_name(),
    "threshold": _toml.number("a number from 0 to 1", lambda x: 0 <= x <= 1),
    "abstain_below": _toml.number("a number from 0 up to, not including, 1", lambda x: 0 <= x < 1),
    "input": _input(),
    "facts": _facts(),
}
_TYPED = ("task", "output", "classes", "positive", "threshold", "abstain_below")


def settings_file(model: Path) -> Path:
    """Where a model's settings stand: `model.onnx.toml` beside `model.onnx`."""
    return model.with_name(model.name + ".toml")


def read_model_settings(model: Path, metadata: Mapping[str, str], settings: RunSettings) -> ModelSettings:
    """What is known about a model: its own metadata, then Hugging Face files beside it, then `MODEL.toml`, then what
    was typed. A preset replaces scale, mean and std only. Raises SettingsError with the key path."""
    found: dict[str, Any] = {}
    fed: dict[str, Any] = {}
    sources: list[Path] = []
    notes: list[str] = []
    beside = (_from_hugging_face(model.parent), _from_toml(settings_file(model)))
    for table, files in ((_from_metadata(metadata), ()), *beside):
        fed |= table.pop("input", {})
        notes += table.pop("notes", ())
        found |= table
        sources += files
    found |= {k: getattr(settings, k) for k in _TYPED if getattr(settings, k) not in (None, ())}
    if settings.preprocess is not None:
        fed |= PRESETS[settings.preprocess]
    return ModelSettings(**found, input=fed, sources=tuple(sources), notes=tuple(notes))


def _from_toml(path: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    if not path.is_file():
        return {}, ()
    tables = _toml.read_toml(path)
    for name in tables:
        if name != "model":
            raise SettingsError("unknown table", value=name, allowed="[model]", where=path)
    found = _toml.table_of(tables.get("model", {}), _MODEL, f"{path}: [model]")
    if "input" in found:
        found["input"] = _toml.table_of(found["input"], _INPUT, f"{path}: [model.input]")
    return found, (path,)


def _from_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """`bias_audit.classes`, `bias_audit.input.size` and so on hold JSON; class names also stand under the keys that
    common exporters use, and are passed over where they can't be read."""
    found: dict[str, Any] = {}
    for key in ("names", "id2label", "labels", "classes"):
        classes = _class_list(_literal(metadata.get(key)))
        if classes:
            found["classes"] = classes
    for key, value in metadata.items():
        if not key.startswith("bias_audit."):
            continue
        name = key.removeprefix("bias_audit.")
        fed = name.startswith("input.")
        where = f"the model's metadata: [bias_audit{'.input' if fed else ''}]"
        table = _toml.table_of({name.removeprefix("input."): _literal(value)}, _INPUT if fed else _MODEL, where)
        if fed:
            found.setdefault("input", {}).update(table)
        else:
            found |= table
    return found


def _literal(words: str | None) -> Any:
    """JSON, or a Python literal as some exporters write; otherwise the text itself."""
    if words is None:
        return None
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return read(words)
    return words


def _class_list(value: Any) -> tuple[str, ...] | None:
    """Class names from a list, or from a dictionary by number; placeholders (`LABEL_0`) name nothing."""
    if isinstance(value, Mapping):
        numbered = {str(k): v for k, v in value.items()}
        value = [numbered.get(str(k)) for k in range(len(numbered))]
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
        return None
    if len(set(value)) < len(value) or all(v == f"LABEL_{k}" for k, v in enumerate(value)):
        return None
    return tuple(value)


# Pillow's numbers for its filters, as `preprocessor_config.json` holds them.
_RESAMPLE = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "area"}


def _from_hugging_face(folder: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    processor, config = folder / "preprocessor_config.json", folder / "config.json"
    found: dict[str, Any] = {}
    if config.is_file():
        classes = _class_list(_read_json(config).get("id2label"))
        if classes:
            found["classes"] = classes
    if processor.is_file():
        said = _read_json(processor)
        fed = {k: v for k, v in _hugging_face_input(said).items() if v is not None}
        found["input"] = _toml.table_of(fed, _INPUT, f"{processor}:")
        found["notes"] = tuple(_hugging_face_notes(said, processor.name))
    return found, tuple(path for path, used in ((config, "classes"), (processor, "input")) if used in found)


def _hugging_face_input(said: Mapping[str, Any]) -> dict[str, Any]:
    """The processor's keys in our words. A missing `do_…` means yes, as in the library's own defaults."""
    crop = bool(said.get("do_center_crop"))
    size = said.get("crop_size") if crop else said.get("size")
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = [size.get("height", edge), size.get("width", edge)]
    rescaled = said.get("do_rescale", True)
    normalized = said.get("do_normalize", True)
    resample = said.get("resample")
    factor = said.get("rescale_factor", 1 / 255)
    return {
        "size": size,
        "scale": (round(1 / factor, 9) if isinstance(factor, float) and factor else factor) if rescaled else 1.0,
        "mean": said.get("image_mean") if normalized else None,
        "std": said.get("image_std") if normalized else None,
        "resize": None if resample is None else _RESAMPLE.get(resample, "bicubic"),
        "fit": "crop" if crop else None,
    }


def _hugging_face_notes(said: Mapping[str, Any], name: str) -> Iterator[str]:
    if said.get("do_center_crop"):
        yield (
            f"{name} cuts the middle out of the resized picture; here the largest middle part with the input's "
            "proportions is cut out and then resized, which shows a little more of the border."
        )
    if said.get("resample", 2) not in _RESAMPLE:
        yield f"{name} resizes with Pillow's filter {said['resample']}, which we don't have; bicubic is used."


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_toml.read_bytes(path))
    except (ValueError, RecursionError) as trouble:
        raise SettingsError(f"malformed JSON: {trouble}", where=path) from trouble
    if not isinstance(value, dict):
        raise SettingsError("must hold a JSON object", where=path)
    return value
