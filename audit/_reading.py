"""How a model is fed and what its answers mean: what the file says, what was stated, and what the probe set adds."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from audit._answers import classes_and_notes
from audit.errors import SettingsError, UsageError, nearest
from audit.inputs import NO_INPUT
from audit.probes import ProbeSet, batches
from audit.runtimes import Description, Model, TensorSpec
from audit.settings import ModelSettings, RunSettings, classes_or_assumed, input_spec, read_model_settings
from audit.tasks import TASKS, OutputSpec, Task

if TYPE_CHECKING:
    from audit.inputs import InputSpec

_LOOK = 16  # images looked at when the file does not say whether its output is a probability


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """One model on one probe set, and how it is read there; nothing inside it is asked for yet."""

    model: Model
    probe: ProbeSet
    settings: RunSettings
    said: ModelSettings
    input: InputSpec
    description: Description
    task: Task
    tensor: TensorSpec  # the output that holds the classes
    classes: tuple[str, ...]
    positive: int | None
    scores_missing: str | None  # why the model gives no probabilities; None: it does
    notes: tuple[str, ...]  # what was assumed


def read_model(model: Model, probe: ProbeSet, settings: RunSettings) -> Reading:
    """Bring together what the file says, what was stated, and the labels of the probe set.

    Raises UsageError, SettingsError, ModelError, ProbeError (a label the model can't say).
    """
    said = read_model_settings(model.path, model.metadata, settings)
    spec, assumed = input_spec(said, model.inputs[0], model.path) if model.inputs else (NO_INPUT, ())
    description = model.describe(spec.shape(1))
    tensor = _output(said.output, description.outputs)
    task = _task(said)
    answers = description.answers
    if answers is None:
        classes, guessed = classes_or_assumed(said.classes, probe.labels, task.columns(tensor.shape))
        notes = (*assumed, *([guessed] if guessed else []))
    else:
        classes, notes = classes_and_notes(answers, said, settings, probe, model.path)
    _check_threshold(said.threshold, classes)
    return Reading(
        model=model,
        probe=probe,
        settings=settings,
        said=said,
        input=spec,
        description=description,
        task=task,
        tensor=tensor,
        classes=classes,
        positive=_positive(said.positive, classes),
        scores_missing=answers.scores_missing(classes) if answers is not None else None,
        notes=notes,
    )


def output_spec(reading: Reading) -> tuple[OutputSpec, tuple[str, ...]]:
    """How outputs become answers, and what had to be assumed for it. The model is prepared."""
    said, (final, looked) = reading.said, _last_step(reading)
    spec = OutputSpec(classes=reading.classes, final=final, threshold=said.threshold, abstain_below=said.abstain_below)
    return spec, looked


def _last_step(reading: Reading) -> tuple[str | None, tuple[str, ...]]:
    """What the last step of the network is. Where the file does not show it, look at the first few outputs."""
    import numpy as np

    name, description = reading.tensor.name, reading.description
    stated = description.final.get(name)
    if stated is not None or name in description.heads:  # a head without a last step gives logits
        return stated, ()
    rows = np.arange(len(reading.probe), dtype=np.int64)
    stream = batches(reading.probe, reading.input, rows, batch_size=_LOOK, workers=1, quality=False)
    with contextlib.closing(stream):  # type: ignore[type-var]
        images = next((batch.images for batch in stream if len(batch.rows)), None)
    if images is None:
        return None, ()
    seen = reading.model.run(images).outputs.astype(np.float64)
    seen = seen[np.isfinite(seen).all(axis=1)]
    bounded = len(seen) > 0 and bool(np.all((seen >= 0) & (seen <= 1)))
    if bounded and (seen.shape[1] == 1 or np.allclose(seen.sum(axis=1), 1, atol=1e-3)):
        return "probabilities", ("The model's outputs look like probabilities and are taken as such.",)
    return None, ()


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


def _check_threshold(threshold: float, classes: tuple[str, ...]) -> None:
    if threshold != 0.5 and len(classes) != 2:
        raise SettingsError(
            f"a threshold is for models of two classes; this one has {len(classes)}",
            value=threshold,
            where="threshold",
        )


def _positive(name: str | None, classes: tuple[str, ...]) -> int | None:
    if name is None:
        return None
    if name not in classes:
        raise UsageError("the positive class is no class of the model", value=name, allowed=classes)
    return classes.index(name)
