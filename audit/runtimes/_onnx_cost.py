"""Multiply-adds of an ONNX graph's operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.runtimes._cost import attention, convolution, einsum, product, transposed
from audit.runtimes._onnx_graph import Graph
from audit.runtimes._onnx_safety import bodies, nested_nodes

if TYPE_CHECKING:
    from onnx import NodeProto

Shapes = Mapping[str, tuple[int, ...]]

# Which inputs hold what is multiplied.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}  # the weight
_PRODUCTS = {"Gemm": 0, "FusedGemm": 0, "MatMul": 0, "FusedMatMul": 0, "MatMulInteger": 0, "QLinearMatMul": 0}
_PRODUCTS |= {"QGemm": 0}
_COUNTED = {*_CONVOLUTIONS, *_PRODUCTS, "ConvTranspose", "Einsum", "Attention", "MultiHeadAttention"}
# What works as hard and can't be counted from its shapes alone.
_UNCOUNTED = ("Conv", "Gemm", "MatMul", "Attention", "LSTM", "GRU", "RNN")


def needed(graph: Graph) -> set[str]:
    """The values whose shapes tell the work."""
    return {name for node in _working(graph) for name in (*node.input, node.output[0]) if name}


def work_of(graph: Graph, shapes: Shapes) -> dict[int, int]:
    """Multiply-adds by position of the node; none where some can't be counted, so that no share is wrong."""
    if any(_uncounted(node) for node in graph.nodes):
        return {}
    return {graph.position[node.output[0]]: _work(graph, node, shapes) for node in _working(graph)}


def _working(graph: Graph) -> list[NodeProto]:
    return [n for n in graph.nodes if n.op_type in _COUNTED and n.output and n.output[0] not in graph.constants]


def _uncounted(node: NodeProto) -> bool:
    inner = nested_nodes([n for body in bodies(node) for n in body.node])
    packed = node.op_type == "Attention" and node.domain == "com.microsoft"
    if any(n.op_type.endswith(_UNCOUNTED) or n.op_type in _COUNTED for n in inner) or packed:
        return True
    return node.op_type not in _COUNTED and any(word in node.op_type for word in _UNCOUNTED)


def _work(graph: Graph, node: NodeProto, shapes: Shapes) -> int:
    into = [shapes.get(name, ()) for name in node.input]
    out = shapes[node.output[0]]
    if node.op_type in _CONVOLUTIONS:
        return convolution(out, into[_CONVOLUTIONS[node.op_type]])
    if node.op_type == "ConvTranspose":
        return transposed(into[0], into[1])
    if node.op_type in _PRODUCTS:
        flipped = bool(graph.attribute(node, "transA"))
        return product(into[0][-2 if flipped else -1], out)
    if node.op_type == "Einsum":
        equation = graph.attribute(node, "equation")
        return einsum(equation.decode() if isinstance(equation, bytes) else "", into)
    query, key, value = into[0], into[1], into[2]
    return attention(query, key, value)
