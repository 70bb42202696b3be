"""The maps of a run before the first batch: made ready, what they cost, what can be compared, what is recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audit._prior import sample_activations
from audit.cams import CamChoice, choose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.cams import Mapper
    from audit.inputs import InputSpec
    from audit.probes import ProbeSet
    from audit.result import Skipped
    from audit.runtimes import Description, Model, TensorSpec
    from audit.tasks import Task

EVIDENCE = "infocam"  # the method whose cells add up to logits


def fitted(
    mapper: Mapper, model: Model, probe: ProbeSet, spec: InputSpec, sample: Mapping[int, NDArray[np.int64]]
) -> Mapper:
    """The method made ready: how pictures lie in memory, and what it learns from a sample of them."""
    fit, head = mapper.method.fit, mapper.head
    learned = fit(sample_activations(model, probe, spec, sample), head) if fit is not None and head else None
    return dataclasses.replace(mapper, channels_last=spec.layout == "NHWC", fitted=learned)


def cost(chosen: CamChoice, sample: Mapping[int, NDArray[np.int64]]) -> Iterator[str]:
    """What a map takes beside the one pass that every picture goes through."""
    method = chosen.method
    if chosen.extra_passes:
        yield (
            f"{method.title} runs {method.repeats} once more for every channel of the layer {chosen.layer}: "
            f"{chosen.extra_passes:,} times a picture."
        )
    if sample:
        pictures = sum(map(len, sample.values()))
        yield f"{method.title} learned from {pictures:,} pictures of the probe set, looked at before the run."


def asked_in_vain(missing: Skipped, description: Description, output: str) -> Iterator[str]:
    """A method that was asked for by name and can't be had is told of, and what could be had in its place."""
    name = missing.parameters["cam"]
    if name == "auto":
        return
    other = choose("auto", description, output)
    hint = f"; --cam auto would take {other.method.title}" if isinstance(other, CamChoice) else ""
    yield f"The maps that --cam {name} asked for can't be made: {missing.reason}{hint}."


def no_rivals(chosen: CamChoice, output: TensorSpec, task: Task) -> str | None:
    """Why the maps of two classes can't be compared; None: they can."""
    method, logits = chosen.method, output.shape[1] if len(output.shape) > 1 else 1
    if not method.by_class:
        return f"the map of {method.title} is the same for every class"
    if logits in method.opposite:
        classes = task.columns(output.shape)
        return (
            f"with {method.title} and {classes} classes, what speaks for one speaks against the other: "
            "their maps share no place"
        )
    return None


def cam_block(chosen: CamChoice, sample: dict[str, int]) -> dict[str, Any]:
    method = chosen.method
    return {
        "method": method.name,
        "title": method.title,
        "layer": chosen.layer,
        "reason": chosen.reason,
        "formula": method.formula,
        "source": method.source,
        "signed": method.signed,
        "extra_passes": chosen.extra_passes,
        "sample": sample or None,
    }
