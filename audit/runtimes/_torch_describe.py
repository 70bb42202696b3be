"""What is in a network of torch: its graph says what might be a layer or a head, a trial run says what is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from audit.runtimes import Description, Head, TensorSpec
from audit.runtimes._cost import shares
from audit.runtimes._layers import grids_of, judged, layers_of, layout_of
from audit.runtimes._steadiness import CHANGING, unsteady
from audit.runtimes._torch_capture import channels_first
from audit.runtimes._torch_cost import work_of
from audit.runtimes._torch_heads import HALF_TOLERANCE, TOLERANCE, Tail, answers, find_tail, matrices
from audit.runtimes._torch_layers import Found, find_layers
from audit.runtimes._torch_program import Program, operator
from audit.runtimes._torch_trials import ASSEMBLED, reason_of, try_taps, untouched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COARSE = "The file computes in bfloat16, which carries two to three digits: so do all figures read inside it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A description, and where in the graph its layers and logits are."""

    description: Description
    found: Mapping[str, Found]
    tails: Mapping[str, Tail]


def look_inside(program: Program, images: Any, inputs: tuple[TensorSpec, ...], *, fixed: bool) -> Seen:
    """Describe the model from a trial run on a few pictures of noise.

    Args:
        program: the model.
        images: a tensor [B, ...] that it is known to take.
        inputs: what it wants to be fed.
        fixed: whether B is the only batch size it takes.
    """
    tails = {n: find_tail(program, v) for n, v in program.outputs.items() if v is not None}
    found = find_layers(program, _pooled(program, tails))
    reach = [layer for layer in found if layer.reason is None]
    returned = untouched(program, images)
    alike = images[:1].expand_as(images).contiguous()
    shaky = unsteady(lambda some: _answers(program, some), images, alike, half=images.element_size() < 4)
    failure, values = _trial(program, images, reach, tails)
    failure = "it gives other answers when it is asked the same again" if shaky == CHANGING else failure
    shapes = dict(zip((layer.name for layer in reach), values["layers"], strict=False)) if failure is None else {}
    found = _laid_out(found, shapes)
    heads, missing = _heads(program, returned, tails, values, found) if failure is None else ({}, {})
    pooled = {head.layer for head in heads.values()}
    final = set().union(*(answers(program, value) for value in program.outputs.values() if value is not None))
    layers = layers_of(
        ((one, shapes.get(one.name, ()), one.reason or failure) for one in found),
        pooled=pooled,
        answers={one.name for one in found if one.place in final},
        batch=len(images),
    )
    batches = [images, images if fixed else images[:1], images]
    tried = try_taps(program, batches, layers, {layer.name: layer for layer in found}, tails)
    places = {layer.name: layer.place for layer in found}
    costs = shares([places[layer.name] for layer in layers], work_of(program, images))
    layers = judged(layers, tried.unread, costs)
    broken, no_gradients, no_tail = failure or tried.broken, tried.no_gradients, tried.no_tail
    if broken:
        reason = f"this file can't be looked into: {broken}"
        layers = tuple(replace(layer, reason=layer.reason or reason) for layer in layers)
        heads, missing = {}, dict.fromkeys(returned, reason)
    return Seen(
        description=Description(
            inputs=inputs,
            outputs=tuple(
                TensorSpec(name=name, shape=(None, *value.shape[1:]), dtype=str(value.dtype).removeprefix("torch."))
                for name, value in returned.items()
            ),
            layers=layers,
            heads=heads,
            heads_missing={name: missing.get(name, ASSEMBLED) for name in returned if name not in heads},
            final={name: tails[name].final if name in tails else None for name in returned},
            gradients=None if no_gradients is None else f"this file gives no gradients: {no_gradients}",
            tail=None if no_tail is None else f"this file can't be run on from a layer: {no_tail}",
            notes=(*((COARSE,) if str(images.dtype) == "torch.bfloat16" else ()), *((shaky,) if shaky else ())),
        ),
        found={layer.name: layer for layer in found},
        tails=tails,
    )


def look_again(program: Program, images: Any, seen: Seen) -> Seen:
    """What is in the same network with other weights: only its heads are read anew, from one run."""
    tails = {n: find_tail(program, v) for n, v in program.outputs.items() if v is not None}
    failure, values = _trial(program, images, [], tails)
    heads = {} if failure else _heads(program, dict.fromkeys(tails), tails, values, list(seen.found.values()))[0]
    return replace(seen, description=replace(seen.description, heads=heads), tails=tails)


def _pooled(program: Program, tails: Mapping[str, Tail]) -> set[int]:
    """Where the maps that heads read are made."""
    places = (program.maker(tail.values[0]) for tail in tails.values() if tail.values)
    return {p for p in places if p is not None and not operator(program.nodes[p]).startswith("prim::")}


def _laid_out(found: list[Found], shapes: Mapping[str, tuple[int, ...]]) -> list[Found]:
    """The layers with tokens laid out on the grids of the network's own maps."""
    grids = grids_of((shapes.get(one.name, ()), one.layout.last) for one in found)
    return [
        replace(one, layout=layout_of(shapes.get(one.name, ()), last=one.layout.last, grids=grids)) for one in found
    ]


def _trial(
    program: Program, images: Any, reach: list[Found], tails: Mapping[str, Tail]
) -> tuple[str | None, dict[str, Any]]:
    """Shapes of the layers, and for each output its logits and the values of its head."""
    wanted = [program.nodes[layer.place].outputsAt(0) for layer in reach]
    parts = [(name, value) for name, tail in tails.items() for value in (tail.logits, *tail.values)]
    try:
        values = program.tapped(values=[*wanted, *(value for _, value in parts)])(images).values
    except RuntimeError as error:
        return reason_of(error), {}
    heads: dict[str, list[Any]] = {name: [] for name in tails}
    for (name, _), value in zip(parts, values[len(wanted) :], strict=True):
        heads[name].append(value.detach())
    return None, {"layers": [tuple(value.shape) for value in values[: len(wanted)]], "heads": heads}


def _heads(
    program: Program, returned: Mapping[str, Any], tails: Mapping[str, Tail], values: dict[str, Any], found: list[Found]
) -> tuple[dict[str, Head], dict[str, str]]:
    """Heads by output, each checked against the trial run; for the other outputs why they have none."""
    known = {layer.place: layer for layer in found if layer.reason is None}
    heads, missing = {}, {}
    for output in returned:
        if output not in tails:
            missing[output] = ASSEMBLED
            continue
        tail = tails[output]
        place = program.maker(tail.values[0]) if tail.values else None
        logits, *parts = values["heads"][output]
        if place not in known or not parts:
            missing[output] = tail.reason or "what is pooled before the linear layer can't be tapped"
            continue
        layout = known[place].layout
        pooled = channels_first(parts[0], layout) if parts[0].dim() == 4 or layout.grid else _array(parts[0])
        tolerance = HALF_TOLERANCE.get(str(logits.dtype), TOLERANCE)
        table = _array(logits.reshape(len(logits), -1))
        got = matrices(tail.steps, [pooled, *map(_array, parts[1:])], table, tolerance)
        if isinstance(got, str):
            missing[output] = got
        else:
            heads[output] = Head(layer=known[place].name, weight=got[0], bias=got[1])
    return heads, missing


def _answers(program: Program, images: Any) -> list[NDArray[np.float32]]:
    return [_array(value) for value in untouched(program, images).values() if value.shape[:1] == images.shape[:1]]


def _array(value: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = value.float().cpu().numpy()
    return array
