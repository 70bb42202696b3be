"""What might be a layer or a head of an ONNX network, as far as its graph says it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.runtimes._layers import PLAIN, UniqueNames
from audit.runtimes._onnx_graph import Graph, Place
from audit.runtimes._onnx_heads import Route, answers, trace
from audit.runtimes._onnx_integers import Floated, floated
from audit.runtimes._onnx_names import Names
from audit.runtimes._onnx_norms import joined
from audit.runtimes._onnx_operators import ACTIVATIONS
from audit.runtimes._onnx_safety import bodies, nested_nodes

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """Places and routes, by the graph alone: shapes and values are for a run to tell."""

    whole: Graph
    graph: Graph  # the same as if it computed in floating point
    places: tuple[Place, ...]  # in order of execution, each where its value is kept
    unreached: tuple[Place, ...]  # inside branches and loops
    routes: tuple[Route, ...]  # from each output back
    answers: frozenset[str]  # names of places that are an output, but for its shape and a softmax or sigmoid
    integers: bool  # the file computes in integers
    hidden: int  # how many operators stand inside branches and loops

    def position(self, place: Place) -> int:
        """In the order of execution."""
        return self.whole.position[place.tensor]


def candidates(model: ModelProto, outputs: Sequence[str]) -> Candidates:
    """All there are in a model with these outputs."""
    read = floated(model.graph)
    graph = Graph(model, joined(read.nodes))
    routes = [trace(graph, output) for output in outputs]
    names, places = Names(graph.nodes, []), graph.places()
    pooled = {route.source for route in routes if route.source is not None and route.source in graph.producer}
    more = sorted(pooled - {place.tensor for place in places})
    extra = [graph.place(tensor, _kind(graph, tensor), names) for tensor in more]
    places = sorted([*places, *_renamed(extra, places)], key=lambda place: graph.position[place.tensor])
    final = set().union(*(answers(graph, output) for output in outputs))
    return Candidates(
        whole=Graph(model),
        graph=graph,
        places=tuple(_held(place, read) for place in places),
        unreached=tuple(_inside(graph, names, {place.name for place in places})),
        routes=tuple(_held_source(route, read) for route in routes),
        answers=frozenset(place.name for place in places if place.tensor in final),
        integers=read.integers,
        hidden=sum(1 for _ in nested_nodes(graph.nodes)) - len(graph.nodes),
    )


def routes_of(model: ModelProto, outputs: Sequence[str]) -> tuple[Graph, list[Route]]:
    """The graph as if it computed in floating point, and the routes alone."""
    read = floated(model.graph)
    graph = Graph(model, joined(read.nodes))
    return graph, [_held_source(trace(graph, output), read) for output in outputs]


def _held(place: Place, read: Floated) -> Place:
    """The place where a value is kept: of a network in integers that is what the next layers read, and taking it from
    there leaves together what onnxruntime computes in one piece."""
    tensor, quantized = read.held.get(place.tensor, (place.tensor, ()))
    return dataclasses.replace(place, tensor=tensor, quantized=quantized)


def _held_source(route: Route, read: Floated) -> Route:
    return dataclasses.replace(route, source=read.held.get(str(route.source), (route.source, ()))[0])


def _kind(graph: Graph, tensor: str) -> str:
    """The operator that makes a value; before operator set 17 a layer normalization is spelled out, and known by its
    end: (x - mean) / spread * weight + bias."""
    plain = _spoken(graph.producer[tensor].op_type)
    names = [tensor]
    for operator in ("Add", "Mul", "Div", "Sub"):
        node = graph.producer.get(names[0]) if names else None
        if node is None or node.op_type != operator:
            return plain
        names = graph.variables(node)
    mean = graph.producer.get(names[-1]) if len(names) == 2 else None
    return "layer_norm" if mean is not None and mean.op_type == "ReduceMean" else plain


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
