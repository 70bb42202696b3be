"""What can be done with a model, before it is audited: `bias-audit inspect`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from audit._answers import coverage, words_without_label
from audit._inspection_text import as_text, shape_text
from audit._trials import Trial, as_toml, trials
from audit.cams import CAMS, CamChoice, CamMethod, can_work, choose
from audit.errors import SettingsError, nearest
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
        for output in self.read_outputs:
            for name, method in CAMS.items():
                yield output.name, name, _no_scores(output, method) or can_work(method, self.description, output.name)

    def auto(self, output: TensorSpec) -> CamChoice | None:
        """What `--cam auto` takes for an output; None: nothing."""
        if self.description is None or not _is_scores(output):
            return None
        choice = choose("auto", self.description, output.name)
        return choice if isinstance(choice, CamChoice) else None

    @property
    def read_outputs(self) -> tuple[TensorSpec, ...]:
        """The output that an audit would read, all where nothing says which."""
        chosen = tuple(o for o in self.outputs if o.name == self.said.output)
        return chosen or self.outputs

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
        return as_text(self)


def inspect_model(path: Path, settings: RunSettings, *, probe: Path | None = None) -> Inspection:
    """Open a model and look at it; with a probe set also try how it wants to be fed.

    Raises AuditError as an audit would, but a model whose picture size nobody states is still described as far as
    its file goes (not with a probe set: then the size is needed).
    """
    model = open_model(path, device=settings.device, threads=settings.threads)
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
            notes = words_without_label(answers, said.classes, pictures.labels)
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


def _is_scores(output: TensorSpec) -> bool:
    """Whether it is one number a class, or may be."""
    return len(output.shape) <= 2 or all(n in (1, None) for n in output.shape[2:])


def _no_scores(output: TensorSpec, method: CamMethod) -> str | None:
    if _is_scores(output) or not (method.by_class or method.needs):
        return None
    return f"the output {output.name!r} is {shape_text(output)}, not one score a class"
