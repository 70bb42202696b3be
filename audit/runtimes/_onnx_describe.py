"""What is in an ONNX model: the graph says what might be a layer or a head, one run says what is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.runtimes import Description, Head, TensorSpec
from audit.runtimes._agreement import HALF_TOLERANCE
from audit.runtimes._cost import shares
from audit.runtimes._layers import INSIDE, PLAIN, UniqueNames, grids_of, layers_of, layout_of
from audit.runtimes._onnx_cost import needed, work_of
from audit.runtimes._onnx_gradients import no_gradients
from audit.runtimes._onnx_graph import ACTIVATIONS, Graph, Place
from audit.runtimes._onnx_heads import NotLinear, Route, answers, compose, trace
from audit.runtimes._onnx_integers import Floated, floated
from audit.runtimes._onnx_names import Names
from audit.runtimes._onnx_onward import tolerance_of
from audit.runtimes._onnx_safety import bodies, nested_nodes
from audit.runtimes._onnx_taps import Taps
from audit.runtimes._onnx_trials import Run, try_tails

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A description, and where in the graph its layers are."""

    description: Description
    graph: Graph
    logits: Mapping[str, str]  # by output: the value before a final softmax or sigmoid
    places: Mapping[str, Place]  # by name of the layer
    vectors: frozenset[str]  # layers whose value is [N, C]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What heads are read from and checked with."""

    shapes: Mapping[str, tuple[int, ...]]  # by value
    constants: Mapping[str, NDArray[Any]]  # by value
    means: Mapping[str, NDArray[Any]]  # by pooled value: mean over space
    logits: Mapping[str, NDArray[Any]]  # by output


def look_inside(
    model: ModelProto,
    run: Run,
    *,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    half: bool,
    unlifted: str | None,
    batch: int,
    folder: Path,
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
        folder: where data outside of the file lies.
    """
    whole, read = Graph(model), floated(model.graph)
    graph = Graph(model, read.nodes)
    places = graph.places()
    routes = [trace(graph, spec.name) for spec in outputs]
    known = {place.tensor for place in places}
    names = Names(graph.nodes, [])
    pooled = {route.source for route in routes if route.source is not None and route.source in graph.producer}
    extra = [graph.place(tensor, _spoken(graph.producer[tensor].op_type), names) for tensor in sorted(pooled - known)]
    places = sorted([*places, *_renamed(extra, places)], key=lambda place: graph.position[place.tensor])
    final = set().union(*(answers(graph, spec.name) for spec in outputs))
    final = {place.name for place in places if place.tensor in final}
    places, routes = [_held(place, read) for place in places], [_held_source(route, read) for route in routes]
    shapes = _shapes(graph, model, run, places, routes, needed(whole))
    grids = grids_of((shapes[place.tensor], place.layout.last) for place in places)
    places = [
        dataclasses.replace(p, layout=layout_of(shapes[p.tensor], last=p.layout.last, grids=grids)) for p in places
    ]
    found = _values(graph, model, run, places, routes, shapes)
    within = HALF_TOLERANCE if half else tolerance_of(model)
    heads, missing = _heads(graph, routes, places, found, within, integers=read.integers)
    if unlifted:
        heads, missing = {}, dict.fromkeys((route.output for route in routes), unlifted)
    unreached = _inside(graph, names, {place.name for place in places})
    places = sorted([*places, *unreached], key=lambda place: whole.position[place.tensor])
    layers = layers_of(
        ((p, () if p.inside else shapes[p.tensor], INSIDE if p.inside else unlifted) for p in places),
        pooled={head.layer for head in heads.values()},
        answers=final,
        batch=batch,
    )
    named = {place.name: place for place in places}
    logits = {route.output: route.logits for route in routes}
    seen = [(layer, named[layer.name]) for layer in layers]
    tolerance = tolerance_of(model)
    tried = try_tails(whole, model, run, seen, list(logits.values()), tolerance=tolerance, batch=batch)
    costs = shares([whole.position[named[layer.name].tensor] for layer in layers], work_of(whole, shapes))
    layers = tuple(
        dataclasses.replace(layer, unread=layer.name in tried.unread, cost=cost)
        for layer, cost in zip(layers, costs, strict=True)
    )
    hidden = sum(1 for _ in nested_nodes(graph.nodes)) - len(graph.nodes)
    note = f"{hidden} operators inside branches and loops of the model can't be looked into."
    return Seen(
        description=Description(
            inputs=inputs,
            outputs=tuple(dataclasses.replace(s, shape=(None, *shapes[s.name][1:])) for s in outputs),
            layers=layers,
            heads=heads,
            heads_missing=missing,
            final={route.output: route.final for route in routes},
            gradients=no_gradients(tried, layers, heads, missing, folder, tolerance),
            tail=tried.tail,
            notes=(note,) if hidden else (),
        ),
        graph=whole,
        logits=logits,
        places=named,
        vectors=frozenset(place.name for place in places if not place.inside and len(shapes[place.tensor]) == 2),
    )


def look_again(model: ModelProto, run: Run, seen: Seen, *, half: bool) -> Seen:
    """What is in the same network with other weights: only its heads are read anew, from two runs; none is looked for
    where there was none."""
    read = floated(model.graph)
    graph = Graph(model, read.nodes)
    heads: Mapping[str, Head] = {}
    if seen.description.heads:
        routes = [_held_source(trace(graph, output), read) for output in seen.logits]
        places = [place for place in seen.places.values() if not place.inside]
        shapes = _shapes(graph, model, run, places, routes, set())
        found = _values(graph, model, run, places, routes, shapes)
        heads, _ = _heads(graph, routes, places, found, HALF_TOLERANCE if half else tolerance_of(model))
    return dataclasses.replace(seen, graph=Graph(model), description=dataclasses.replace(seen.description, heads=heads))


def _held(place: Place, read: Floated) -> Place:
    """The place where a value is kept: of a network in integers that is what the next layers read, and taking it from
    there leaves together what onnxruntime computes in one piece."""
    tensor, quantized = read.held.get(place.tensor, (place.tensor, ()))
    return dataclasses.replace(place, tensor=tensor, quantized=quantized)


def _held_source(route: Route, read: Floated) -> Route:
    return dataclasses.replace(route, source=read.held.get(str(route.source), (route.source, ()))[0])


def _spoken(operator: str) -> str:
    """`layer_norm` for LayerNormalization, `cat` for Concat: as torch's files call it."""
    words = re.findall(r"[A-Z][a-z]*|\d+", operator.replace("Normalization", "Norm").replace("Concat", "Cat"))
    return "_".join(words).lower()


def _inside(graph: Graph, names: Names, taken: set[str]) -> list[Place]:
    """The non-linearities in the bodies of branches and loops, to be told of: at the place of the node around them."""
    unique = UniqueNames(taken)
    return [
        Place(
            tensor=outer.output[0],
            name=unique(names.name(node)),
            kind=ACTIVATIONS[node.op_type],
            convolution=False,
            non_negative=False,
            layout=PLAIN,
            inside=True,
        )
        for outer in graph.nodes
        for body in bodies(outer)
        for node in nested_nodes(list(body.node))
        if node.op_type in ACTIVATIONS
    ]


def _renamed(extra: list[Place], places: list[Place]) -> list[Place]:
    taken = {place.name for place in places}
    return [dataclasses.replace(place, name=place.tensor if place.name in taken else place.name) for place in extra]


def _on_the_way(routes: list[Route]) -> list[NodeProto]:
    """The nodes of all heads."""
    return [node for route in routes for node in (*route.steps, *([route.pool] if route.pool else ()))]


def _shapes(
    graph: Graph, model: ModelProto, run: Run, places: list[Place], routes: list[Route], more: set[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all values that matter, and of some more, by value, without keeping the values."""
    taps = Taps(model)
    values = {
        *(place.tensor for place in places),
        *(route.output for route in routes),
        *more,
        *(name for node in _on_the_way(routes) for name in (node.output[0], *graph.variables(node))),
    }
    shapes = {value: taps.shape(value) for value in sorted(values)}
    got = run(taps.finished(), list(shapes.values()))
    return {value: tuple(int(n) for n in shape) for value, shape in zip(shapes, got, strict=True)}


def _values(
    graph: Graph,
    model: ModelProto,
    run: Run,
    places: list[Place],
    routes: list[Route],
    shapes: Mapping[str, tuple[int, ...]],
) -> _Found:
    """What heads are read from and checked with, from another pass: now it is known how maps lie in memory."""
    taps = Taps(model)
    maps = {place.tensor: place for place in places if len(shapes[place.tensor]) == 4 or place.layout.grid}
    used = {name for node in _on_the_way(routes) for name in node.input if name in graph.constants}
    constants = {name: taps.copy(name) for name in sorted(used)}
    means = {route.source: taps.mean(maps[route.source]) for route in routes if route.source in maps}
    logits = {route.output: taps.copy(route.logits) for route in routes}
    wanted = [*constants.values(), *means.values(), *logits.values()]
    got = dict(zip(wanted, run(taps.finished(), wanted), strict=True))
    return _Found(
        shapes=shapes,
        constants={value: got[name] for value, name in constants.items()},
        means={str(value): got[name] for value, name in means.items()},
        logits={output: got[name] for output, name in logits.items()},
    )


def _heads(
    graph: Graph, routes: list[Route], places: list[Place], found: _Found, tolerance: float, *, integers: bool = False
) -> tuple[dict[str, Head], dict[str, str]]:
    """Heads by output, each checked against the run; for the other outputs why they have none."""
    import numpy as np

    names = {place.tensor: place.name for place in places}
    heads, missing = {}, {}
    otherwise = _ROUNDED if integers else _MORE
    for route in routes:
        source = str(route.source)
        try:
            with np.errstate(all="ignore"):  # what is not finite fails the check
                weight, bias = compose(graph, route, found.shapes, found.constants)
                _check(weight, bias, found.means.get(source), found.logits[route.output][0], tolerance, otherwise)
            heads[route.output] = Head(layer=names[source], weight=weight, bias=bias)
        except NotLinear as reason:
            missing[route.output] = str(reason)
    return heads, missing


_MORE = (
    "the weights of the linear layer and the mean of the map do not give the model's own output, so the last layers do "
    "more than pool and weigh"
)
_ROUNDED = (
    "the file is quantized (int8), and what its last layers round or cut off takes its output too far from what its "
    "weights and the mean of the map give; the file that it was quantized from may allow it"
)


def _check(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    means: NDArray[Any] | None,
    logits: NDArray[Any],
    tolerance: float,
    otherwise: str,
) -> None:
    import numpy as np

    if means is None:
        raise NotLinear("what is averaged before the linear layer is not laid out as a map")
    mean = means[0].reshape(-1)

    expected = logits.astype(np.float64).reshape(-1)
    if weight.shape != (expected.size, mean.size):
        raise NotLinear("the linear layer and the pooled map do not fit together")
    difference = np.abs(weight @ mean.astype(np.float64) + bias - expected).max() / max(1.0, np.abs(expected).max())
    if not difference <= tolerance:
        raise NotLinear(otherwise)
