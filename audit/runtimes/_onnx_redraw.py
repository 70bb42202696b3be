"""A copy of an ONNX model with the weights of its last layers drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.runtimes._onnx_graph import Graph
from audit.runtimes._onnx_safety import bodies, nested_nodes
from audit.runtimes._onnx_weights import Weights, may_stand_aside, refer
from audit.runtimes._redraw import NO_WEIGHTS, is_weight, last_places, new_order

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

MULTIPLYING = {"Gemm", "MatMul", "Conv", "ConvTranspose", "QLinearConv", "QLinearMatMul", "ConvInteger"}
MULTIPLYING |= {"MatMulInteger", "FusedConv", "FusedMatMul", "FusedGemm"}


def redrawn(
    model: ModelProto, weights: Weights, path: Path, share: float, seed: int
) -> tuple[ModelProto, Weights, int, int]:
    """The changed copy, the weights that it refers to, in how many layers it differs, and how many have weights.

    Initializers and Constant nodes are changed alike, wherever their numbers are kept.

    Raises:
        ModelError: there is nothing to change, or the file's data can't be read.
    """
    from onnx import ModelProto, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    places = _places(changed)
    if not places:
        raise ModelError(NO_WEIGHTS, where=path)
    chosen = last_places((place for place, _ in places.values()), share)
    outermost = {id(tensor): tensor for tensor in changed.graph.initializer}
    aside: dict[str, NDArray[Any]] = {}
    for number, (place, tensor) in enumerate(places.values()):
        if place not in chosen:
            continue
        array = _shuffled(weights, tensor, path, seed, number)
        if id(tensor) in outermost and may_stand_aside(tensor, array.nbytes):
            aside[tensor.name] = array
            refer(tensor)
        else:
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return changed, weights.changed(aside), len(chosen), len({place for place, _ in places.values()})


def _places(model: ModelProto) -> dict[int, tuple[int, TensorProto]]:
    """The weights, and the last node that computes with each; by identity, for in branches names repeat."""
    graph = Graph(model)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in graph.nodes:
        held.update((node.output[0], tensor) for tensor in _own(node))
    found: dict[int, tuple[int, TensorProto]] = {}
    for place, node in enumerate(graph.nodes):
        if set(node.output) <= graph.constants:
            continue  # it only hands weights on
        for inner in nested_nodes([node]):
            inside = [tensor for body in bodies(inner) for tensor in body.initializer]
            if inner is not node:
                inside += _own(inner)
            read = [tensor for name in inner.input for tensor in _sources(graph, held, name)]
            for tensor in [*read, *inside]:
                if _changeable(tensor) and is_weight(tensor.dims, multiplied=inner.op_type in MULTIPLYING):
                    found[id(tensor)] = (place, tensor)
    return found


def _own(node: NodeProto) -> list[TensorProto]:
    """The tensor that a Constant node holds."""
    return [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]


def _sources(graph: Graph, held: Mapping[str, TensorProto], name: str) -> Iterator[TensorProto]:
    """The tensors of the file that a constant is made from, through transpositions, casts and scales."""
    if name in held:
        yield held[name]
    elif name in graph.constants and name in graph.producer:
        for source in graph.producer[name].input:
            yield from _sources(graph, held, source)


def _changeable(tensor: TensorProto) -> bool:
    """Numbers that are weighed with: floats and what stands for them in a quantized file, not places in a table."""
    from onnx import TensorProto

    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    return tensor.data_type in (*kinds, TensorProto.INT8, TensorProto.UINT8)


def _shuffled(weights: Weights, tensor: TensorProto, path: Path, seed: int, number: int) -> NDArray[Any]:
    try:
        array = weights.array(tensor)
    except Exception as error:
        raise ModelError("a data file of the model can't be read", where=path) from error
    return array.reshape(-1)[new_order(array.size, seed, number)].reshape(array.shape)
