"""A copy of an ONNX model with the weights of its last layers drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ModelError
from audit.runtimes._onnx_graph import Graph
from audit.runtimes._onnx_safety import bodies, external_files, nested_nodes
from audit.runtimes._redraw import NO_WEIGHTS, is_weight, last_places, new_order

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

MULTIPLYING = {"Gemm", "MatMul", "Conv", "ConvTranspose", "QLinearConv", "QLinearMatMul", "ConvInteger"}
MULTIPLYING |= {"MatMulInteger", "FusedConv", "FusedMatMul", "FusedGemm"}


def redrawn(model: ModelProto, path: Path, share: float, seed: int) -> tuple[ModelProto, int, int]:
    """The changed copy, in how many layers it differs, and how many have weights.

    Initializers and Constant nodes are changed alike, tensors stored beside the file are read first.

    Raises:
        ModelError: there is nothing to change, or the file's data can't be read.
    """
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    if external_files(changed, path):
        try:
            onnx.load_external_data_for_model(changed, str(path.parent.resolve()))
        except Exception as error:
            raise ModelError("a data file of the model can't be read", where=path) from error
    places = _places(changed)
    if not places:
        raise ModelError(NO_WEIGHTS, where=path)
    chosen = last_places((place for place, _ in places.values()), share)
    for number, (place, tensor) in enumerate(places.values()):
        if place in chosen:
            _shuffle(tensor, seed, number)
    return changed, len(chosen), len({place for place, _ in places.values()})


def serialized(model: ModelProto, path: Path) -> bytes:
    """The bytes of a changed copy. Raises ModelError beyond 2 GB, where protobuf ends."""
    try:
        data: bytes = model.SerializeToString()
    except Exception as error:
        raise ModelError("the model is too large to be changed in memory", where=path) from error
    return data


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


def _shuffle(tensor: TensorProto, seed: int, number: int) -> None:
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    shuffled = array.reshape(-1)[new_order(array.size, seed, number)].reshape(array.shape)
    tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
