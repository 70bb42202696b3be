"""Multiply-adds of the operators in a graph of torch."""

from __future__ import annotations

import re
from typing import Any

from audit.runtimes._cost import attention, convolution, einsum, product, transposed
from audit.runtimes._torch_program import Program, operator, walk

_CONVOLUTIONS = {"convolution", "conv2d"}
_TRANSPOSED = {"convolution": 6}  # which input says that it is one
_PRODUCTS = {"linear": 0, "matmul": 0, "mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}  # the left factor
_ATTENTION = "scaled_dot_product_attention"
_COUNTED = {*_CONVOLUTIONS, *_PRODUCTS, "conv_transpose2d", "einsum", _ATTENTION}
# What works as hard and can't be counted from its shapes alone; an upsampling is "bilinear".
_UNCOUNTED = re.compile(
    r"conv[\d_]|convolution|(?<![a-z])linear|matmul|addmm|attention|lstm|gru|rnn|transformer_encoder"
)

Shapes = dict[int, tuple[int, ...]]


def work_of(program: Program, images: Any) -> dict[int, int]:
    """Multiply-adds by place, from a trial run; none where some can't be counted, so that no share is wrong."""
    nodes = {place: node for place, node in enumerate(program.nodes) if operator(node) in _COUNTED}
    if any(_uncounted(node) for node in program.nodes):
        return {}
    asked = {v.unique(): v for node in nodes.values() for v in (*_factors(node), node.outputsAt(0))}
    held = {unique: program.attribute(value) for unique, value in asked.items()}
    computed = [value for unique, value in asked.items() if held[unique] is None and value is not program.image]
    try:
        values = program.tapped(values=computed)(images).values
    except RuntimeError:
        return {}
    shapes: Shapes = {unique: tuple(one.shape) for unique, one in held.items() if one is not None}
    shapes[program.image.unique()] = tuple(images.shape)
    shapes |= {value.unique(): tuple(one.shape) for value, one in zip(computed, values, strict=True)}
    return {place: _work(program, node, shapes) for place, node in nodes.items()}


def _uncounted(node: Any) -> bool:
    inner = [operator(n) for block in node.blocks() for n in walk(block)]
    kind = operator(node)
    own = [] if kind in _COUNTED or kind.startswith("prim::") else [kind]
    return any(_UNCOUNTED.search(name) for name in (*inner, *own))


def _factors(node: Any) -> list[Any]:
    """What is multiplied, as far as it is tensors."""
    inputs = list(node.inputs())
    if operator(node) == "einsum":
        return list(inputs[1].node().inputs())
    return [value for value in inputs[:3] if str(value.type()) == "Tensor"]


def _work(program: Program, node: Any, shapes: Shapes) -> int:
    kind, inputs = operator(node), list(node.inputs())
    into = [shapes[value.unique()] for value in _factors(node)]
    out = shapes[node.outputsAt(0).unique()]
    if kind == "conv_transpose2d" or (kind in _TRANSPOSED and program.attribute(inputs[_TRANSPOSED[kind]])):
        return transposed(into[0], into[1])
    if kind in _CONVOLUTIONS:
        return convolution(out, into[1])
    if kind in _PRODUCTS:
        return product(into[_PRODUCTS[kind]][-1], out)
    return attention(into[0], into[1], into[2]) if kind == _ATTENTION else _einsum(program, inputs[0], into)


def _einsum(program: Program, equation: Any, into: list[tuple[int, ...]]) -> int:
    return einsum(str(program.attribute(equation)), into)
