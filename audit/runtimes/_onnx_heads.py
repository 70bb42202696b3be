"""From a pooled map to the logits: the one matrix and offset that several linear nodes amount to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audit.runtimes._onnx_graph import Graph
from audit.runtimes._onnx_operators import ACTIVATIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import NodeProto

FINALS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
POOLS = {"GlobalAveragePool", "AveragePool", "ReduceMean"}
UNCHANGED = {"Identity", "Dropout", "Cast"}
RESHAPING = {*UNCHANGED, "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose"}
AFFINE = {"Gemm", "MatMul", "Conv", "BatchNormalization", "Add", "Sub", "Mul", "Div"}


class NotLinear(Exception):
    """The way from a map to the logits is not a pool and a linear layer; says why not."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """The nodes between an output and the map it is read from, as far as they can be followed."""

    output: str
    logits: str  # the value before a final softmax or sigmoid
    final: str | None
    pool: NodeProto | None
    source: str | None  # the pooled map
    steps: tuple[NodeProto, ...]  # from the pool to the logits, in order of execution
    blocked: str | None  # why there is no pool


def trace(graph: Graph, output: str) -> Route:
    """Follow an output back to the pooled map, if there is one."""
    final, logits, name = None, output, output
    steps: list[NodeProto] = []
    pool = source = blocked = None
    while pool is None and blocked is None:
        node = graph.producer.get(name)
        sources = [] if node is None else graph.variables(node)
        if node is not None and node.op_type in RESHAPING:
            sources = sources[:1]  # the shape asked for may come from the picture's own
        if node is None or not sources:
            blocked = f"no pooling stands before the output {output!r}"
        elif node.op_type in FINALS and final is None and all(step.op_type in RESHAPING for step in steps):
            final, logits, name, steps = FINALS[node.op_type], sources[0], sources[0], []
        elif node.op_type in POOLS:
            pool, source = node, _laid_out(graph, sources[0])
        elif node.op_type in RESHAPING | AFFINE and len(sources) == 1:
            steps.insert(0, node)
            name = sources[0]
        elif node.op_type in ACTIVATIONS:
            blocked = f"the non-linearity {node.op_type} stands before the output {output!r}, with no pooling behind it"
        else:
            blocked = (
                f"the way to the output {output!r} goes through {node.op_type}, which is no pooling and not linear"
            )
            if node.op_type.startswith("Q") or any(one.op_type == "DynamicQuantizeLinear" for one in graph.nodes):
                blocked += "; the file is quantized (int8), and the one that it was quantized from may allow it"
    return Route(
        output=output, logits=logits, final=final, pool=pool, source=source, steps=tuple(steps), blocked=blocked
    )


def by_picture(route: Route, shapes: Mapping[str, tuple[int, ...]]) -> Route:
    """The route, with logits in which one row is one picture: an old softmax over the letters of a line of text works
    on a table with one row a letter, and then the output itself is all there is to go by."""
    if shapes[route.logits][:1] == shapes[route.output][:1]:
        return route
    return dataclasses.replace(route, logits=route.output, final=None)


def answers(graph: Graph, output: str) -> set[str]:
    """The values that are an output, but for their shape and a final softmax or sigmoid."""
    found, name = {output}, output
    while name in graph.producer and graph.producer[name].op_type in {*RESHAPING, *FINALS}:
        name = graph.producer[name].input[0]
        found.add(name)
    return found


def compose(
    graph: Graph, route: Route, shapes: Mapping[str, tuple[int, ...]], constants: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight [K, C] and bias [K] with logits = weight @ mean over space of the map + bias.

    Args:
        shapes: shapes of the values on the route for a batch of one.
        constants: values of the constants that its nodes use.

    Raises:
        NotLinear: it is not that kind of head.
    """
    import numpy as np

    for node in route.steps:
        shape = shapes[graph.variables(node)[0]]
        if len(shape) == 4 and min(math.prod(shape[2:]), math.prod(shape[1:3])) > 1:
            raise NotLinear(_unpooled(node, route.output, shape))
    if route.pool is None or route.source is None:
        raise NotLinear(route.blocked)
    pooled, seen = math.prod(shapes[route.pool.output[0]][1:]), shapes.get(route.source, ())
    channels = {3: seen[2:], 4: seen[1::2]}.get(len(seen), ())  # of tokens, of a map in either order
    if pooled not in channels:
        raise NotLinear(f"the pooling before the output {route.output!r} does not average a whole map to one number")
    weight, bias = np.eye(pooled), np.zeros(pooled)
    for node in route.steps:
        if node.op_type in AFFINE:
            weight, bias = _apply(graph, node, weight, bias, constants)
        if math.prod(shapes[node.output[0]][1:]) != len(bias):
            raise NotLinear(f"{node.op_type} before the output {route.output!r} mixes pictures with channels")
    return weight.astype(np.float32), bias.astype(np.float32)


def _laid_out(graph: Graph, name: str) -> str:
    """The value before operators that only give its axes another order or shape: where a map of tokens is made."""
    while name in graph.producer and graph.producer[name].op_type in RESHAPING:
        name = graph.producer[name].input[0]
    return name


def _unpooled(node: NodeProto, output: str, shape: tuple[int, ...]) -> str:
    if node.op_type in RESHAPING - UNCHANGED:
        size = " x ".join(map(str, shape[1:]))
        return f"the linear layer before the output {output!r} reads the flattened map of {size}, not a pooled one"
    return f"no pooling stands between the last convolution and the output {output!r}"


def _apply(
    graph: Graph,
    node: NodeProto,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    constants: Mapping[str, NDArray[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The affine map behind `node`, given the one before it."""
    import numpy as np

    refused = NotLinear(f"{node.op_type} is used in a way that can't be read as a linear layer")
    values = [constants[name].astype(np.float64) for name in node.input if name in constants]
    first = node.input[0] not in constants
    if node.op_type == "BatchNormalization":
        scale, shift, mean, variance = values
        factor = scale / np.sqrt(variance + (_number(graph, node, "epsilon", 1e-5)))
        return weight * factor[:, None], (bias - mean) * factor + shift
    if node.op_type in {"Gemm", "MatMul", "Conv"}:
        matrix = values[0]
        if node.op_type == "Conv":
            matrix = matrix.reshape(matrix.shape[:2]) if matrix.size == math.prod(matrix.shape[:2]) else matrix
        elif not (node.op_type == "Gemm" and graph.attribute(node, "transB")):
            matrix = matrix.T
        if not first or matrix.ndim != 2 or matrix.shape[1] != len(bias) or graph.attribute(node, "transA"):
            raise refused
        matrix = matrix * _number(graph, node, "alpha", 1.0)
        offset = values[1].reshape(-1) * _number(graph, node, "beta", 1.0) if len(values) > 1 else 0.0
        return matrix @ weight, matrix @ bias + offset
    other = values[0].reshape(-1)
    if other.size not in (1, len(bias)) or (node.op_type == "Div" and not first):
        raise refused
    if node.op_type in {"Add", "Sub"}:
        sign = -1.0 if node.op_type == "Sub" else 1.0
        return (weight, bias + sign * other) if first else (sign * weight, other + sign * bias)
    factor = np.broadcast_to(other if node.op_type == "Mul" else 1 / other, bias.shape)
    return weight * factor[:, None], bias * factor


def _number(graph: Graph, node: NodeProto, name: str, default: float) -> float:
    value = graph.attribute(node, name)
    return value if isinstance(value, float) else default
