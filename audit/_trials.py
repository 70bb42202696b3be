"""Finding out how a model wants to be fed: the usual preprocessings and class orders on a few pictures."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import AuditError, ProbeError
from audit.inputs import PRESETS, InputSpec
from audit.probes import ProbeSet, batches
from audit.runtimes import Description, Model, Request, TensorSpec
from audit.settings import ModelSettings, classes_or_assumed, settings_file
from audit.tasks import TASKS, OutputSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PICTURES = 64
_SCALING = ("scale", "mean", "std")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How often one way to feed and read the model was right."""

    name: str  # "imagenet rgb"
    output: str
    classes: tuple[str, ...]
    spec: InputSpec
    right: int
    pictures: int


def trials(
    model: Model, description: Description, said: ModelSettings, base: InputSpec, probe: ProbeSet, seed: int
) -> tuple[Trial, ...]:
    """Every usual way, best first; equally good ones in the order of the presets. One forward pass a picture and
    preprocessing: class orders are read off the same outputs.

    Raises:
        SettingsError: no output has as many classes as the probe set has labels.
        ProbeError: no picture can be read.
    """
    rows = sample_rows(probe, seed)
    found: list[Trial] = []
    for output, orders in _outputs(description, said, probe):
        model.prepare(Request(output=output.name))
        for name, spec in ways_to_feed(said, base):
            found += _tried(model, description, said, output, orders, name, spec, probe, rows)
    if not any(trial.pictures for trial in found):
        raise ProbeError("none of the pictures that were tried can be read", where=probe.folder)
    return tuple(sorted(found, key=lambda trial: -trial.right))


def sample_rows(probe: ProbeSet, seed: int) -> NDArray[np.int64]:
    """Rows of up to 64 pictures, as even over the labels as they allow, in the manifest's order."""
    import numpy as np

    rng = np.random.default_rng(seed)
    labels = probe.table["label"]
    piles = [
        list(rng.permutation(np.flatnonzero(labels.to_numpy() == label))) for label in sorted(labels.dropna().unique())
    ]
    taken: list[int] = []
    while len(taken) < PICTURES and any(piles):
        for pile in piles:
            if pile and len(taken) < PICTURES:
                taken.append(pile.pop())
    return np.sort(np.array(taken, dtype=np.int64))


def ways_to_feed(said: ModelSettings, base: InputSpec) -> Iterator[tuple[str, InputSpec]]:
    """What was stated, then the presets, each with both orders of the color channels."""
    colors = ("gray",) if base.color == "gray" else ("rgb", "bgr")
    ways: dict[str, dict[str, Any]] = {
        name: {k: _fitted(v, base) for k, v in preset.items()} for name, preset in PRESETS.items()
    }
    if base.dtype == "uint8":
        ways = {"raw": ways["raw"]}
    if any(key in said.input for key in _SCALING):
        ways = {"as stated": {k: getattr(base, k) for k in _SCALING}, **ways}
    seen = set()
    for name, scaling in ways.items():
        for color in colors:
            spec = dataclasses.replace(base, color=color, **scaling)
            if spec.digest() not in seen:
                seen.add(spec.digest())
                yield f"{name} {color}", spec


def _fitted(value: float | tuple[float, ...], base: InputSpec) -> float | tuple[float, ...]:
    """A preset's color statistics on a gray picture are their average."""
    return (sum(value) / len(value),) if isinstance(value, tuple) and base.channels == 1 else value


def _outputs(
    description: Description, said: ModelSettings, probe: ProbeSet
) -> Iterator[tuple[TensorSpec, tuple[tuple[str, ...], ...]]]:
    """The outputs that may hold the classes, with the class orders worth trying."""
    labels = probe.labels
    task = TASKS.get("classification")
    wanted = [o for o in description.outputs if said.output in (None, o.name)]
    problems: list[AuditError] = []
    for output in wanted:
        try:
            stated, _ = classes_or_assumed(said.classes, labels, task.columns(output.shape))
        except AuditError as problem:
            problems.append(problem)
            continue
        orders = (stated, tuple(sorted(stated)), *([tuple(reversed(stated))] if len(stated) == 2 else []))
        yield output, tuple(dict.fromkeys(orders))
    if len(problems) == len(wanted) and problems:
        raise problems[0]


def _tried(
    model: Model,
    description: Description,
    said: ModelSettings,
    output: TensorSpec,
    orders: tuple[tuple[str, ...], ...],
    name: str,
    spec: InputSpec,
    probe: ProbeSet,
    rows: NDArray[np.int64],
) -> list[Trial]:
    import numpy as np

    outputs, labels = [], []
    for batch in batches(probe, spec, rows, batch_size=32, workers=2):
        if len(batch.rows):
            outputs.append(model.run(batch.images).outputs)
            labels += [probe.table["label"].iloc[row] for row in batch.rows]
    if not outputs:
        return [Trial(name=name, output=output.name, classes=order, spec=spec, right=0, pictures=0) for order in orders]
    together = np.concatenate(outputs)
    final = description.final.get(output.name)
    if final is None and bool(np.all((together >= 0) & (together <= 1))):
        final = "probabilities"
    task = TASKS.get("classification")
    read = OutputSpec(classes=orders[0], final=final, threshold=said.threshold)
    decisions = task.decide(together, read).decisions
    return [
        Trial(
            name=name,
            output=output.name,
            classes=order,
            spec=spec,
            right=sum(d >= 0 and order[d] == label for d, label in zip(decisions, labels, strict=True)),
            pictures=len(labels),
        )
        for order in orders
    ]


def as_toml(found: tuple[Trial, ...], model: Path, *, several_outputs: bool) -> str:
    """A ready MODEL.toml of the best way, all of them above it as comments."""
    best = found[0]
    lines = [f"# {model.name}, tried on {best.pictures} pictures; right, best first:"]
    lines += [f"#   {t.right:2d} of {t.pictures}  {_way(t, several_outputs=several_outputs)}" for t in found[:12]]
    alike = _alike(found)
    if alike > 1:
        lines.append(f"# {best.pictures} pictures can't tell the first {alike} apart: ask who trained the model.")
    lines += [f"# Save it as {settings_file(model).name} beside the model.", "[model]", 'task = "classification"']
    if several_outputs:
        lines.append(f"output = {_text(best.output)}")
    spec = best.spec
    lines += [f"classes = [{', '.join(_text(c) for c in best.classes)}]", "", "[model.input]"]
    lines += [f"size = {list(spec.size)}", f"color = {_text(spec.color)}", f"scale = {spec.scale!r}"]
    lines += [f"mean = {list(spec.mean)}", f"std = {list(spec.std)}"]
    lines += [f"resize = {_text(spec.resize)}", f"fit = {_text(spec.fit)}"]
    if spec.margin:
        lines += [f"margin = {spec.margin!r}", f"fill = {list(spec.fill)}"]
    return "\n".join(lines) + "\n"


def _alike(found: tuple[Trial, ...]) -> int:
    """How many are within the chance of the draw of the best: two standard errors of its share."""
    best = found[0]
    share = best.right / best.pictures
    margin = 2 * math.sqrt(best.pictures * share * (1 - share))
    return sum(trial.right >= best.right - margin for trial in found)


def _way(trial: Trial, *, several_outputs: bool) -> str:
    shown = ", ".join(_text(c) for c in trial.classes[:4]) + (", …" if len(trial.classes) > 4 else "")
    output = f", output {_text(trial.output)}" if several_outputs else ""
    return f"{trial.name}, classes {shown}{output}"


def _text(words: str) -> str:
    """A TOML string: JSON's, but TOML wants the delete character escaped as well."""
    return json.dumps(words, ensure_ascii=False).replace("\x7f", "\\u007F")
