"""What is in an ONNX model: the graph says what might be a layer or a head, one run says what is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audit.runtimes import Description, Head, TensorSpec
from audit.runtimes._agreement import HALF_TOLERANCE
from audit.runtimes._cost import shares
from audit.runtimes._layers import INSIDE, grids_of, judged, layers_of, layout_of
from audit.runtimes._onnx_candidates import candidates, routes_of
from audit.runtimes._onnx_cost import needed, work_of
from audit.runtimes._onnx_gradients import no_gradients
from audit.runtimes._onnx_graph import Graph, Place
from audit.runtimes._onnx_heads import by_picture
from audit.runtimes._onnx_measured import heads_of, shapes_of
from audit.runtimes._onnx_onward import tolerance_of
from audit.runtimes._onnx_trials import Run, try_tails
from audit.runtimes._onnx_weights import Weights

if TYPE_CHECKING:
    from onnx import ModelProto

_HIDDEN = "{} operators inside branches and loops of the model can't be looked into."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A description, and where in the graph its layers are."""

    description: Description
    graph: Graph
    logits: Mapping[str, str]  # by output: the value before a final softmax or sigmoid
    places: Mapping[str, Place]  # by name of the layer
    vectors: frozenset[str]  # layers whose value is [N, C]


def look_inside(
    model: ModelProto,
    run: Run,
    *,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    half: bool,
    unlifted: str | None,
    batch: int,
    weights: Weights,
) -> Seen:
    """Describe the model.

    Args:
        model: the graph as it will be tapped.
        run: runs a changed copy of it on pictures of noise.
        inputs: as the file has them.
        outputs: as the file has them.
        half: whether it computes in float16.
        unlifted: why nothing in it can be tapped, if so.
        batch: how many pictures of noise `run` feeds.
        weights: its constants.
    """
    found = candidates(model, [spec.name for spec in outputs])
    shapes = shapes_of(found.graph, model, run, found.places, found.routes, needed(found.whole))
    routes = [by_picture(route, shapes) for route in found.routes]
    places = _laid_out(found.places, shapes)
    tolerance = tolerance_of(model)
    checked = HALF_TOLERANCE if half else tolerance
    heads, missing = heads_of(found.graph, model, run, places, routes, shapes, checked, integers=found.integers)
    if unlifted:
        heads, missing = {}, dict.fromkeys((route.output for route in routes), unlifted)
    named = {place.name: place for place in sorted([*places, *found.unreached], key=found.position)}
    layers = layers_of(
        ((p, () if p.inside else shapes[p.tensor], INSIDE if p.inside else unlifted) for p in named.values()),
        pooled={head.layer for head in heads.values()},
        answers=found.answers,
        batch=batch,
    )
    logits = {route.output: route.logits for route in routes}
    mapped = [(layer, named[layer.name]) for layer in layers]
    tried = try_tails(found.whole, model, run, mapped, list(logits.values()), tolerance=tolerance, batch=batch)
    costs = shares([found.position(place) for _, place in mapped], work_of(found.whole, shapes))
    layers = judged(layers, tried.unread, costs)
    return Seen(
        description=Description(
            inputs=inputs,
            outputs=tuple(dataclasses.replace(s, shape=(None, *shapes[s.name][1:])) for s in outputs),
            layers=layers,
            heads=heads,
            heads_missing=missing,
            final={route.output: route.final for route in routes},
            gradients=no_gradients(tried, layers, heads, missing, weights, tolerance),
            tail=tried.tail,
            notes=(_HIDDEN.format(found.hidden),) if found.hidden else (),
        ),
        graph=found.whole,
        logits=logits,
        places=named,
        vectors=frozenset(place.name for place in places if len(shapes[place.tensor]) == 2),
    )


def look_again(model: ModelProto, run: Run, seen: Seen, *, half: bool) -> Seen:
    """What is in the same network with other weights: only its heads are read anew, from two runs; none is looked for
    where there was none."""
    heads: Mapping[str, Head] = {}
    if seen.description.heads:
        graph, routes = routes_of(model, list(seen.logits))
        places = [place for place in seen.places.values() if not place.inside]
        shapes = shapes_of(graph, model, run, places, routes, set())
        tolerance = HALF_TOLERANCE if half else tolerance_of(model)
        heads, _ = heads_of(graph, model, run, places, routes, shapes, tolerance)
    return dataclasses.replace(seen, graph=Graph(model), description=dataclasses.replace(seen.description, heads=heads))


def _laid_out(places: Sequence[Place], shapes: Mapping[str, tuple[int, ...]]) -> list[Place]:
    """The places with tokens laid out on the grids of the network's own maps."""
    grids = grids_of((shapes[place.tensor], place.layout.last) for place in places)
    return [dataclasses.replace(p, layout=layout_of(shapes[p.tensor], last=p.layout.last, grids=grids)) for p in places]
