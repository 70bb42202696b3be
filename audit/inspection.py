"""What can be done with a model, before it is audited: `bias-audit inspect`."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from audit._answers import coverage, words_without_label
from audit._trials import Trial, as_toml, trials
from audit.cams import CAMS, CamChoice, can_work, choose
from audit.errors import SettingsError, nearest, printable
from audit.inputs import NO_INPUT, InputSpec
from audit.probes import ProbeOptions, read_probe
from audit.runtimes import Answers, Description, Model, TensorSpec, default_layers, open_model
from audit.settings import ModelSettings, RunSettings, input_spec, read_model_settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a model file takes, gives and lets us look at.

    `spec` and `description` are None where nothing says how large its pictures are; `trouble` then says so.
    """

    path: Path
    format: str
    provider: str
    batch: int | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    said: ModelSettings
    spec: InputSpec | None
    notes: tuple[str, ...]
    trouble: str | None
    description: Description | None
    trials: tuple[Trial, ...] = ()

    @property
    def picked(self) -> frozenset[str]:
        """Layers that an audit looks at unless told otherwise."""
        return (
            frozenset(layer.name for layer in default_layers(self.description.layers))
            if self.description
            else frozenset()
        )

    @property
    def toml(self) -> str | None:
        several = self.said.output is not None or len(self.outputs) > 1
        return as_toml(self.trials, self.path, several_outputs=several) if self.trials else None

    def cams(self) -> Iterator[tuple[str, str, str | None]]:
        """Output, CAM method, and why it can't be had (None: it can)."""
        if self.description is None:
            return
        for output in self._read_outputs():
            for name, method in CAMS.items():
                yield output, name, can_work(method, self.description, output)

    def _read_outputs(self) -> tuple[str, ...]:
        names = tuple(o.name for o in self.outputs)
        return (self.said.output,) if self.said.output in names else names

    def to_json(self) -> dict[str, Any]:
        layers = self.description.layers if self.description else ()
        return {
            "model": self.path.name,
            "format": self.format,
            "provider": self.provider,
            "batch": self.batch,
            "inputs": [_tensor(t) for t in self.inputs],
            "outputs": [_tensor(t) for t in self.outputs],
            "classes": list(self.said.classes),
            "input": self.spec.to_json() if self.spec else None,
            "sources": [str(p) for p in self.said.sources],
            "layers": [
                {**dataclasses.asdict(x), "shape": list(x.shape), "picked": x.name in self.picked} for x in layers
            ],
            "cams": [{"output": output, "method": name, "reason": reason} for output, name, reason in self.cams()],
            "answers": _answers_json(self.description.answers) if self.description else None,
            "gradients": self.description.gradients if self.description else self.trouble,
            "notes": list(self.notes),
            "trials": [
                {
                    "right": t.right,
                    "pictures": t.pictures,
                    "output": t.output,
                    "classes": list(t.classes),
                    "name": t.name,
                    "input": t.spec.to_json(),
                }
                for t in self.trials
            ],
        }

    def text(self) -> str:
        """The same for a person, at most 80 columns but for long names."""
        return "\n".join(_wrapped(printable(line)) for line in _lines(self))


def inspect_model(path: Path, settings: RunSettings, *, probe: Path | None = None) -> Inspection:
    """Open a model and look at it; with a probe set also try how it wants to be fed.

    Raises AuditError as an audit would, but a model whose picture size nobody states is still described as far as
    its file goes (not with a probe set: then the size is needed).
    """
    model = open_model(path, device=settings.device)
    try:
        return _inspect(model, settings, probe)
    finally:
        model.close()


def _inspect(model: Model, settings: RunSettings, probe: Path | None) -> Inspection:
    said = read_model_settings(model.path, model.metadata, settings)
    notes: tuple[str, ...] = ()
    spec, trouble, description = None, None, None
    try:
        if model.inputs:
            spec, notes = input_spec(said, model.inputs[0], model.path)
        description = model.describe((spec or NO_INPUT).shape(1))
    except SettingsError as problem:
        if probe is not None:
            raise
        trouble = str(problem)
    outputs = description.outputs if description else model.outputs
    names = [o.name for o in outputs]
    if said.output is not None and said.output not in names:
        hint = nearest(said.output, names)
        raise SettingsError("the model has no such output", value=said.output, allowed=names, hint=hint)
    tried: tuple[Trial, ...] = ()
    if probe is not None and description is not None:
        options = ProbeOptions(label=settings.label, layout=settings.layout, seed=settings.seed)
        if spec is not None:
            tried = trials(model, description, said, spec, read_probe(probe, options), settings.seed)
        elif description.answers is not None:
            pictures, answers = read_probe(probe, options), description.answers
            labels = sorted({label for label in pictures.table["label"] if label is not None})
            notes = words_without_label(answers, said.classes, labels)
            notes += coverage(answers, pictures, model.path)
    return Inspection(
        path=model.path,
        format=model.format,
        provider=model.provider,
        batch=model.batch,
        inputs=model.inputs,
        outputs=outputs,
        said=said,
        spec=spec,
        notes=(*notes, *model.notes, *(description.notes if description else ()), *_installation()),
        trouble=trouble,
        description=description,
        trials=tried,
    )


def _installation() -> Iterator[str]:
    """The two wheels of onnxruntime share one import name, and the one installed last wins."""
    there = {d.name.lower() for d in distributions() if d.name}
    if {"onnxruntime", "onnxruntime-gpu"} <= there:
        yield (
            "onnxruntime and onnxruntime-gpu are both installed and break each other: uninstall both, then install the "
            "one you want."
        )


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 80, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)


def _lines(seen: Inspection) -> Iterator[str]:
    if seen.description is not None and seen.description.answers is not None:
        yield f"{seen.path.name}: a table of predictions"
        yield from _answers_lines(seen.description.answers)
        yield f"  inside         nothing: {seen.description.closed}"
        yield from (f"  note           {note}" for note in seen.notes)
        return
    fixed = f", batch fixed at {seen.batch}" if seen.batch else ""
    yield f"{seen.path.name}: {seen.format}, runs on {seen.provider}{fixed}"
    for kind, tensors in (("input ", seen.inputs), ("output", seen.outputs)):
        yield from (f"  {kind}  {t.name}  {_shape(t)} {t.dtype}" for t in tensors)
    yield ""
    yield from _settings_lines(seen)
    if seen.description is not None:
        yield ""
        yield from _layer_lines(seen, seen.description)
        yield ""
        yield from _cam_lines(seen, seen.description)


def _settings_lines(seen: Inspection) -> Iterator[str]:
    yield "Settings: " + (", ".join(p.name for p in seen.said.sources) or "nothing found beside the model")
    if seen.said.output:
        yield f"  output      {seen.said.output}"
    if seen.said.classes:
        shown = seen.said.classes
        yield "  classes     " + ", ".join(shown[:8]) + (f", … ({len(shown)})" if len(shown) > 8 else "")
    if seen.spec is not None:
        spec = seen.spec
        yield f"  picture     {spec.size[0]} x {spec.size[1]} {spec.color}, {spec.layout}, {spec.resize}, {spec.fit}"
        yield f"  pixels      (pixel / {spec.scale:g} - {_list(spec.mean)}) / {_list(spec.std)}"
    yield from (f"  note        {note}" for note in seen.notes)
    if seen.trouble:
        yield f"  layers and maps are not known: {seen.trouble}"


def _answers_lines(answers: Answers) -> Iterator[str]:
    missing = answers.scores_missing(answers.classes)
    yield f"  pictures       {len(answers.paths):,}, the first {next(iter(answers.paths))}"
    more = "" if answers.complete else ", and the labels of the probe set"
    yield f"  classes        {', '.join(answers.classes[:12])}{', …' if len(answers.classes) > 12 else ''}{more}"
    yield f"  decisions      {'as they stand in the table' if answers.decided else 'made from the probabilities'}"
    yield f"  probabilities  {'none: ' + missing if missing else 'one a class'}"


def _layer_lines(seen: Inspection, description: Description) -> Iterator[str]:
    layers = description.layers
    yield f"Layers ({len(layers)}; * looked at by default):"
    width = max((len(layer.name) for layer in layers), default=0)
    for layer in layers:
        mark = "*" if layer.name in seen.picked else " "
        shape = " x ".join(str(n) for n in layer.shape)
        line = f"{mark} {layer.depth:4.2f}  {layer.name:<{width}}  {layer.kind:<8} {shape}"
        yield line.rstrip() + (f"  can't be tapped: {layer.reason}" if layer.reason else "")


def _cam_lines(seen: Inspection, description: Description) -> Iterator[str]:
    yield "Class activation maps:"
    outputs = seen._read_outputs()  # noqa: SLF001  the same room
    for output, name, reason in seen.cams():
        of = f" of {output}" if len(outputs) > 1 else ""
        yield f"  {name}{of}: " + ("can be made" if reason is None else f"no: {reason}")
    for output in outputs:
        choice = choose("auto", description, output)
        if isinstance(choice, CamChoice):
            of = f" for {output}" if len(outputs) > 1 else ""
            yield f"  auto{of} takes {choice.method.name} at {choice.layer}: {choice.reason}"


def _answers_json(answers: Answers | None) -> dict[str, Any] | None:
    if answers is None:
        return None
    return {
        "pictures": len(answers.paths),
        "classes": list(answers.classes),
        "decided": answers.decided,
        "scored": list(answers.scored),
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype}


def _shape(tensor: TensorSpec) -> str:
    return "[" + ", ".join("any" if n is None else str(n) for n in tensor.shape) + "]"


def _list(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "[" + ", ".join(f"{v:g}" for v in values) + "]"
