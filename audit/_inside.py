"""What is looked at inside a model: the layers to tap, the method of the maps and its layer; or why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from audit._map_plan import EVIDENCE
from audit.cams import CAMS, CamChoice, can_work, choose
from audit.errors import UsageError, nearest
from audit.result import Skipped
from audit.runtimes import REDUCTIONS, Description, Layer, Request, default_layers

if TYPE_CHECKING:
    from audit._reading import Reading


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inside:
    """Layers and maps of one run. A field named `missing` says why there is none, None: there is."""

    layers: tuple[Layer, ...]
    layers_missing: str | None
    cam: CamChoice | None
    cam_missing: str | None
    rivals_missing: str | None  # maps of two classes, to be compared
    evidence_missing: str | None  # maps in logits


def look_inside(reading: Reading) -> Inside:
    """What can be had of what was asked for. Raises UsageError: no such layer or method."""
    description, output, settings = reading.description, reading.tensor.name, reading.settings
    layers = _layers(settings.layers, description)
    cam = choose(settings.cam, description, output)
    chosen = cam if isinstance(cam, CamChoice) else None
    return Inside(
        layers=layers,
        layers_missing=None if layers else _no_layers(description),
        cam=chosen,
        cam_missing=cam.reason if isinstance(cam, Skipped) else None,
        rivals_missing=_no_rivals(chosen, reading) if chosen else None,
        evidence_missing=can_work(CAMS.get(EVIDENCE), description, output),
    )


def request(reading: Reading, inside: Inside) -> Request:
    """Everything wanted from a forward pass."""
    cam = inside.cam
    # An exact head gives gradients and the tail by itself.
    needs: frozenset[str] = frozenset() if cam is None or cam.head is not None else cam.method.needs
    return Request(
        output=reading.tensor.name,
        classes=reading.classes,
        reductions={layer.name: REDUCTIONS for layer in inside.layers},
        cam_layer=cam.layer if cam else None,
        gradients="gradients" in needs,
        tail="tail" in needs,
        logits=cam is not None and "forward" in cam.method.needs,
    )


def asked_in_vain(reading: Reading, inside: Inside) -> Iterator[str]:
    """A method that was asked for by name and can't be had is told of, and what could be had in its place."""
    name = reading.settings.cam
    if inside.cam_missing is None or name == "auto":
        return
    other = choose("auto", reading.description, reading.tensor.name)
    hint = f"; --cam auto would take {other.method.title}" if isinstance(other, CamChoice) else ""
    yield f"The maps that --cam {name} asked for can't be made: {inside.cam_missing}{hint}."


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


def _no_rivals(chosen: CamChoice, reading: Reading) -> str | None:
    """Why the maps of two classes can't be compared; None: they can."""
    method, shape = chosen.method, reading.tensor.shape
    if not method.by_class:
        return f"the map of {method.title} is the same for every class"
    if (shape[1] if len(shape) > 1 else 1) in method.opposite:
        return (
            f"with {method.title} and {reading.task.columns(shape)} classes, what speaks for one speaks against the "
            "other: their maps share no place"
        )
    return None
