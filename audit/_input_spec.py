"""How pictures are fed and answers are named: what the model file fixes joined with what was stated, and in sentences
what had to be assumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit._model_settings import ModelSettings, settings_file
from audit.errors import ModelError, ProbeError, SettingsError, nearest
from audit.inputs import DTYPES, PRESETS, InputSpec

if TYPE_CHECKING:
    from audit.runtimes import TensorSpec

_SCALING = ("scale", "mean", "std")


def input_spec(stated: ModelSettings, spec: TensorSpec, model: Path) -> tuple[InputSpec, tuple[str, ...]]:
    """How pictures are fed: what the file fixes (size, layout, dtype, channels) joined with what was stated, and the
    sentences about what had to be assumed.

    Raises:
        SettingsError: nothing says the size; what was stated contradicts the file.
        ModelError: the input is no picture.
    """
    shape = spec.shape or (None, None, None, None)
    if len(shape) != 4:
        raise ModelError(
            f"the input {spec.name} takes {len(shape)} dimensions {list(shape)}, so it is no batch of pictures",
            allowed="[N, C, H, W] or [N, H, W, C]",
            where=model,
        )
    if spec.dtype not in DTYPES:
        raise ModelError(
            f"the input {spec.name} has a type we can't feed", value=spec.dtype, allowed=DTYPES, where=model
        )
    layout, channels = _channels(shape, stated.input.get("layout"), spec.name, model)
    color = _color(channels, stated.input.get("color"), model)
    notes = list(stated.notes)
    fed: dict[str, Any] = {k: v for k, v in stated.input.items() if k in ("resize", "fit", "margin")}
    fed["size"] = _fixed_size(shape, layout, stated.input.get("size"), model)
    count = 1 if color == "gray" else 3
    fed["fill"] = _per_channel("fill", stated.input.get("fill", (0,)), count, model)
    scaling, assumed = _scaling(stated, spec.dtype, model)
    for name in ("mean", "std"):
        scaling[name] = _per_channel(name, scaling[name], count, model)
    notes += assumed
    return InputSpec(**fed, **scaling, color=color, layout=layout, dtype=spec.dtype), tuple(notes)


def _channels(shape: Sequence[int | None], stated: str | None, name: str, model: Path) -> tuple[str, int | None]:
    """Layout, and channels where the file fixes them."""
    fits = [layout for layout, axis in (("NCHW", 1), ("NHWC", 3)) if shape[axis] in (1, 3)]
    open_ = [layout for layout, axis in (("NCHW", 1), ("NHWC", 3)) if shape[axis] is None]
    possible = fits or open_
    if not possible or (stated and stated not in (*fits, *open_)):
        raise ModelError(
            f"the input {name} is {list(shape)}, which has no axis for 1 or 3 color channels",
            allowed="[N, C, H, W] or [N, H, W, C]",
            where=model,
        )
    layout = stated or possible[0]
    return layout, shape[1] if layout == "NCHW" else shape[3]


def _color(channels: int | None, stated: str | None, model: Path) -> str:
    color = stated or ("gray" if channels == 1 else "rgb")
    if channels is not None and channels != (1 if color == "gray" else 3):
        raise SettingsError(
            f"the model takes {channels} color channel{'s' if channels > 1 else ''}",
            value=color,
            allowed="gray" if channels == 1 else ("rgb", "bgr"),
            where=f"{settings_file(model)}: [model.input] color",
        )
    return color


def _fixed_size(shape: Sequence[int | None], layout: str, stated: Any, model: Path) -> tuple[int, int]:
    held = (shape[2], shape[3]) if layout == "NCHW" else (shape[1], shape[2])
    height, width = (h or s for h, s in zip(held, stated or held, strict=True))
    path = settings_file(model)
    if height is None or width is None:
        raise SettingsError(
            "nothing says how large the model wants its pictures",
            where=model,
            hint=f"Create {path} with the line `[model.input]` and below it, with the right height and width, "
            f"`size = [{height or 224}, {width or 224}]`",
        )
    size = (height, width)
    if stated is not None and tuple(stated) != size:
        raise SettingsError(
            "contradicts the size that the model file fixes",
            value=list(stated),
            allowed=str(list(size)),
            where=f"{path}: [model.input] size",
        )
    return size


def _scaling(stated: ModelSettings, dtype: str, model: Path) -> tuple[dict[str, Any], list[str]]:
    said = {k: v for k, v in stated.input.items() if k in _SCALING}
    if dtype == "uint8":
        plain = PRESETS["raw"]
        wrong = next((k for k, v in said.items() if _values(v) != _values(plain[k])), None)
        if wrong is not None:
            raise SettingsError(
                "the model takes pixels as they are (uint8), so there is nothing to scale",
                value=said[wrong],
                where=f"{settings_file(model)}: [model.input] {wrong}",
                hint="Leave scale, mean and std out, or say --preprocess raw",
            )
        return dict(plain), []
    if said:
        return {**PRESETS["unit"], **said}, []
    sentence = (
        "Nothing says how the model wants its pixels: they are scaled to 0..1 (`--preprocess unit` is assumed). "
        "If that is wrong, every figure is."
    )
    return dict(PRESETS["unit"]), [sentence]


def _values(value: float | tuple[float, ...]) -> set[float]:
    return set(value) if isinstance(value, tuple) else {value}


def _per_channel(name: str, values: Sequence[Any], count: int, model: Path) -> tuple[Any, ...]:
    """One value a channel: a single one is repeated, equal ones are folded into one."""
    if len(values) == count:
        return tuple(values)
    if len(set(values)) == 1:
        return (values[0],) * count
    if tuple(values) in (PRESETS["imagenet"]["mean"], PRESETS["imagenet"]["std"]):
        return (sum(values) / len(values),)  # color statistics on a gray picture: their average
    raise SettingsError(
        f"the model takes {count} color channel{'s' if count > 1 else ''}",
        value=list(values),
        allowed=f"{count} value{'s' if count > 1 else ''}",
        where=f"{settings_file(model)}: [model.input] {name}",
    )


def classes_or_assumed(
    stated: Sequence[str], labels: Iterable[str], columns: int
) -> tuple[tuple[str, ...], str | None]:
    """The classes in the order of the outputs, and the sentence to print when they had to be assumed.

    Args:
        stated: what the settings say, or nothing.
        labels: the probe set's labels.
        columns: how many classes the output tells apart.

    Raises:
        SettingsError: the counts disagree.
        ProbeError: the probe set holds a label that the model can't say.
    """
    seen = tuple(sorted(set(labels)))
    if not stated:
        if len(seen) != columns:
            raise SettingsError(
                f"the model tells {columns} classes apart, the probe set has {len(seen)} labels ({_some(seen)}), and "
                "nothing says which class is which",
                hint="Name the classes in the order of the outputs: --classes a,b or `classes` in MODEL.toml",
            )
        return seen, (
            f"Nothing says in which order the model's classes stand: {', '.join(seen)} is assumed (alphabetical). "
            "If that is wrong, every figure is."
        )
    if len(stated) != columns:
        raise SettingsError(
            f"the model tells {columns} classes apart, but classes names {len(stated)}",
            value=", ".join(stated),
            hint="Name one class for each output; for one sigmoid output the negative, then the positive",
        )
    for label in seen:
        if label not in stated:
            raise ProbeError(
                "the probe set holds a label that the model can't say",
                value=label,
                allowed=stated,
                hint=nearest(label, stated)
                or "Name the model's classes with --classes, or the right column with --label",
            )
    return tuple(stated), None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
