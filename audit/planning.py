"""Before the first batch: what this model and this probe set can give together, and why the rest can't be had."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from audit._answers import check_settings, classes_of, coverage, words_without_label
from audit._map_plan import EVIDENCE, asked_in_vain, cam_block, cost, fitted, no_rivals
from audit._prior import sample_rows
from audit.cams import CAMS, CamChoice, Mapper, can_work, choose
from audit.engines import Plan
from audit.errors import SettingsError, UsageError, nearest
from audit.inputs import NO_INPUT
from audit.measures import TARGETS, Context, plan
from audit.probes import ProbeOptions, ProbeSet, batches
from audit.result import Skipped
from audit.runtimes import REDUCTIONS, Description, Layer, Model, Request, TensorSpec, default_layers
from audit.settings import ModelSettings, RunSettings, classes_or_assumed, input_spec, read_model_settings
from audit.tasks import TASKS, OutputSpec, Task

if TYPE_CHECKING:
    from audit.inputs import InputSpec

_LOOK = 16  # images looked at when the file does not say whether its output is a probability


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan, and what the record says of the model and of what can't be had."""

    plan: Plan
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    model: dict[str, Any]  # the record's block, without the hash


def probe_options(settings: RunSettings) -> ProbeOptions:
    """The part of the settings that the probe set is read with."""
    return ProbeOptions(
        label=settings.label,
        subject=settings.subject,
        groups=settings.groups,
        bands=settings.bands,
        within=settings.within,
        layout=settings.layout,
        limit=settings.limit,
        seed=settings.seed,
    )


def prepare(model: Model, probe: ProbeSet, settings: RunSettings) -> Prepared:
    """Bring model, probe set and settings together, and set the model up for one pass that gives everything.

    Raises UsageError (a name that was typed does not exist), ModelError, ProbeError (a label the model can't say).
    """
    from audit.features import drawn
    from audit.groups import make_groupings, subject_codes

    said = read_model_settings(model.path, model.metadata, settings)
    spec, assumed = input_spec(said, model.inputs[0], model.path) if model.inputs else (NO_INPUT, ())
    description = model.describe(spec.shape(1))
    output = _output(said.output, description.outputs)
    task = _task(said)
    labels = sorted({label for label in probe.table["label"] if label is not None})
    answers = description.answers
    covered: tuple[str, ...] = ()
    if answers is None:
        classes, guessed = classes_or_assumed(said.classes, labels, task.columns(output.shape))
    else:
        check_settings(answers, said, settings)
        covered = words_without_label(answers, said.classes, labels)
        classes, guessed = classes_of(answers, said.classes, labels, model.path), None
        covered += coverage(answers, probe, model.path)
    _check_threshold(said.threshold, classes)
    unscored = answers.scores_missing(classes) if answers is not None else None
    layers = _layers(settings.layers, description)
    cam = choose(settings.cam, description, output.name)
    chosen = cam if isinstance(cam, CamChoice) else None
    rivals_missing = no_rivals(chosen, output, task) if chosen else None
    evidence_missing = can_work(CAMS.get(EVIDENCE), description, output.name)
    measures, skipped = plan(
        Context(
            label=probe.label,
            classes=classes,
            positive=_positive(said.positive, classes),
            layers=layers,
            layers_missing=None if layers else _no_layers(description),
            regions=probe.regions,
            cam=chosen.method.name if chosen else None,
            cam_missing=cam.reason if isinstance(cam, Skipped) else None,
            rivals_missing=rivals_missing,
            evidence_missing=evidence_missing,
            scores_missing=unscored,
            asked_elsewhere=answers is not None,
        )
    )
    model.prepare(
        Request(
            output=output.name,
            classes=classes,
            reductions={layer.name: REDUCTIONS for layer in layers},
            cam_layer=chosen.layer if chosen else None,
            gradients=chosen is not None and chosen.head is None and "gradients" in chosen.method.needs,
            tail=chosen is not None and chosen.head is None and "tail" in chosen.method.needs,
        )
    )
    final, looked = _final(output.name, description, model, probe, spec)
    mapper = Mapper(method=chosen.method, head=chosen.head, final=final) if chosen else None
    sample = sample_rows(probe, classes, settings.seed) if mapper and mapper.method.fit else {}
    if mapper is not None:
        mapper = fitted(mapper, model, probe, spec, sample)
    mean_maps = chosen is not None and (probe.aligned or probe.alignment is not None)
    if chosen is not None and not mean_maps:
        skipped += (Skipped(measure="mean_map", reason=_NOT_ALIGNED),)
    groupings = make_groupings(probe.table, probe.groupings)
    return Prepared(
        plan=Plan(
            model=model,
            probe=probe,
            input=spec,
            task=task,
            output=OutputSpec(classes=classes, final=final, threshold=said.threshold, abstain_below=said.abstain_below),
            measures=measures,
            mapper=mapper,
            evidence=Mapper(method=CAMS.get(EVIDENCE), head=chosen.head)
            if chosen and evidence_missing is None and probe.regions
            else None,
            rivals=chosen is not None and rivals_missing is None,
            targets=TARGETS,
            regions=probe.regions if chosen else (),
            groupings=groupings,
            mean_maps=mean_maps,
            sample=drawn([g.codes for g in groupings], subject_codes(probe.table), settings.seed),
            batch_size=settings.batch_size,
            workers=settings.workers or min(os.cpu_count() or 1, 8),
        ),
        skipped=skipped,
        notes=(
            *(*covered, *assumed, *([guessed] if guessed else []), *looked, *probe.notes, *description.notes),
            *(cost(cam, sample) if isinstance(cam, CamChoice) else asked_in_vain(cam, description, output.name)),
        ),
        model=_model_block(model, said, spec, description, output, classes, final if unscored is None else None, layers)
        | {"cam": cam_block(chosen, {classes[k]: len(rows) for k, rows in sample.items()}) if chosen else None},
    )


_NOT_ALIGNED = (
    "mean maps by group need faces that stand at the same place in every picture: "
    "say so with `aligned = true` in [probe] of bias-audit.toml, or give landmarks68.csv"
)


def _task(said: ModelSettings) -> Task:
    if said.task not in TASKS:
        raise UsageError(
            "models for this task can't be audited in this version",
            value=said.task,
            allowed=TASKS.names(),
            where=", ".join(map(str, said.sources)) or "--task",
            hint="`bias-audit inspect MODEL` shows what can be seen in it all the same",
        )
    return TASKS.get(said.task)


def _check_threshold(threshold: float, classes: tuple[str, ...]) -> None:
    if threshold != 0.5 and len(classes) != 2:
        raise SettingsError(
            f"a threshold is for models of two classes; this one has {len(classes)}",
            value=threshold,
            where="threshold",
        )


def _output(wanted: str | None, outputs: tuple[TensorSpec, ...]) -> TensorSpec:
    names = [o.name for o in outputs]
    if wanted is not None:
        found = next((o for o in outputs if o.name == wanted), None)
        if found is None:
            raise UsageError("the model has no such output", value=wanted, allowed=names, hint=nearest(wanted, names))
        return found
    if len(outputs) > 1:
        shown = ", ".join(f"{o.name} {list(o.shape[1:])}" for o in outputs)
        raise UsageError(
            f"the model has {len(outputs)} outputs ({shown})",
            hint="Say which one holds the classes: --output NAME, or output = in [model] of MODEL.toml",
        )
    return outputs[0]


def _positive(name: str | None, classes: tuple[str, ...]) -> int | None:
    if name is None:
        return None
    if name not in classes:
        raise UsageError("the positive class is no class of the model", value=name, allowed=classes)
    return classes.index(name)


def _layers(wanted: tuple[str, ...], description: Description) -> tuple[Layer, ...]:
    """The layers to tap: those asked for, in the network's order, else the default ones."""
    if not wanted:
        return default_layers(description.layers)
    if description.closed is not None:
        raise UsageError(description.closed, value=", ".join(wanted), where="--layers", hint="Leave it out")
    known = {layer.name: layer for layer in description.layers}
    for name in wanted:
        if name not in known:
            raise UsageError("no such layer", value=name, allowed=known, hint=nearest(name, known))
        if known[name].reason is not None:
            raise UsageError(f"the layer {name} can't be tapped: {known[name].reason}", where="--layers")
    return tuple(layer for layer in description.layers if layer.name in wanted)


def _no_layers(description: Description) -> str:
    if description.closed is not None:
        return description.closed
    reasons = {layer.reason for layer in description.layers if layer.reason}
    return (
        "; ".join(sorted(reasons))
        or "no layer was found between the picture and the answer, neither a convolution nor a non-linearity"
    )


def _final(
    output: str, description: Description, model: Model, probe: ProbeSet, spec: InputSpec
) -> tuple[str | None, tuple[str, ...]]:
    """What the last step of the network is. Where the file does not show it, look at the first few outputs."""
    import numpy as np

    stated = description.final.get(output)
    if stated is not None or output in description.heads:  # a head without a last step gives logits
        return stated, ()
    rows = np.arange(len(probe), dtype=np.int64)
    with contextlib.closing(batches(probe, spec, rows, batch_size=_LOOK, workers=1, quality=False)) as stream:  # type: ignore[type-var]
        images = next((batch.images for batch in stream if len(batch.rows)), None)
    if images is None:
        return None, ()
    seen = model.run(images).outputs.astype(np.float64)
    seen = seen[np.isfinite(seen).all(axis=1)]
    bounded = len(seen) > 0 and bool(np.all((seen >= 0) & (seen <= 1)))
    if bounded and (seen.shape[1] == 1 or np.allclose(seen.sum(axis=1), 1, atol=1e-3)):
        return "probabilities", ("The model's outputs look like probabilities and are taken as such.",)
    return None, ()


def _model_block(
    model: Model,
    said: ModelSettings,
    spec: InputSpec,
    description: Description,
    output: TensorSpec,
    classes: tuple[str, ...],
    final: str | None,
    layers: tuple[Layer, ...],
) -> dict[str, Any]:
    tapped = {layer.name for layer in layers}
    decided = description.answers is not None and description.answers.decided
    return {
        "file": model.path.name,
        "format": model.format,
        "task": said.task,
        "classes": list(classes),
        "positive": said.positive,
        "threshold": None if decided else said.threshold,
        "abstain_below": None if decided else said.abstain_below,
        "output": output.name,
        "final": final,
        "input": {**spec.to_json(), "sha256": spec.digest()} if model.inputs else None,
        "facts": dict(said.facts),
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(layer.shape),
                "depth": layer.depth,
                "tapped": layer.name in tapped,
                "clipped_at_zero": not layer.non_negative,
                "reason": layer.reason,
            }
            for layer in description.layers
        ],
    }
