"""Operators of int8 networks. Rounding is passed straight through by gradients, as in training that knows of it; whole
numbers are kept as floating ones, or there would be nothing to pass.

Bengio, Leonard, Courville: Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation,
2013 (the straight-through estimator).
"""

# ruff: noqa: ARG001  every function of the table is given its node

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.elementwise import leaky_relu
from audit.runtimes._onnx_torch.layers import convolution
from audit.runtimes._onnx_torch.operators import MICROSOFT, Call, along, operator
from audit.runtimes._onnx_torch.pooling import average_pool

_RANGES = {torch.int8: (-128, 127), torch.int16: (-32768, 32767), torch.uint16: (0, 65535)}
_NAMED = {5: torch.int16, 4: torch.uint16, 3: torch.int8, 2: torch.uint8}  # numbers of types in ONNX


def dequantized(x: Any, scale: Any, zero: Any = None, axis: int = 1) -> Any:
    scale, zero = along(scale, axis, x.dim()), along(zero, axis, x.dim())
    return (x.float() if zero is None else x.float() - zero.float()) * scale


def quantized(x: Any, scale: Any, zero: Any = None, axis: int = 1, kind: Any = torch.uint8) -> Any:
    low, high = _RANGES.get(kind if zero is None else zero.dtype, (0, 255))
    scale, zero = along(scale, axis, x.dim()), along(zero, axis, x.dim())
    steps = x / scale
    steps = steps + (torch.round(steps) - steps).detach()
    return torch.clamp(steps if zero is None else steps + zero.float(), low, high)


def _blocks(call: Call, x: Any, values: Any, axis: int) -> Any:
    """Scales of blocks, one for each element."""
    if values is None or not call.get("block_size", 0):
        return values
    return values.repeat_interleave(call.get("block_size"), axis).narrow(axis, 0, x.shape[axis])


@operator("QuantizeLinear")
@operator("QuantizeLinear", domain=MICROSOFT)
def quantize(call: Call, x: Any, scale: Any, zero: Any = None) -> Any:
    if call.get("block_size", 0):
        raise call.refuse("in blocks")
    return quantized(x, scale, zero, call.get("axis", 1), _NAMED.get(call.get("output_dtype", 0), torch.uint8))


@operator("DequantizeLinear")
@operator("DequantizeLinear", domain=MICROSOFT)
def dequantize(call: Call, x: Any, scale: Any, zero: Any = None) -> Any:
    axis = call.get("axis", 1)
    if call.get("block_size", 0):
        scale, zero = _blocks(call, x, scale, axis), _blocks(call, x, zero, axis)
        return (x.float() if zero is None else x.float() - zero.float()) * scale
    return dequantized(x, scale, zero, axis)


@operator("DynamicQuantizeLinear")
def quantize_by_range(call: Call, x: Any) -> Any:
    low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.round(-low / scale).clamp(0, 255).to(torch.uint8)
    return quantized(x, scale, zero), scale, zero


@operator("MatMulInteger")
def integer_product(call: Call, a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    left = a.float() if a_zero is None else a.float() - along(a_zero, -2, a.dim()).float()
    right = b.float() if b_zero is None else b.float() - along(b_zero, -1, b.dim()).float()
    return left @ right


@operator("ConvInteger")
def integer_convolution(call: Call, x: Any, weight: Any, x_zero: Any = None, w_zero: Any = None) -> Any:
    picture = x.float() if x_zero is None else x.float() - x_zero.float()
    kernel = weight.float() if w_zero is None else weight.float() - along(w_zero, 0, weight.dim()).float()
    return convolution(call, picture, kernel)


@operator("QLinearConv")
def quantized_convolution(
    call: Call, x: Any, xs: Any, xz: Any, w: Any, ws: Any, wz: Any, ys: Any, yz: Any, bias: Any = None
) -> Any:
    offset = None if bias is None else bias.float() * (xs * ws).reshape(-1)
    return quantized(convolution(call, dequantized(x, xs, xz), dequantized(w, ws, wz, 0), offset), ys, yz)


@operator("QLinearMatMul")
def quantized_product(call: Call, a: Any, as_: Any, az: Any, b: Any, bs: Any, bz: Any, ys: Any, yz: Any) -> Any:
    return quantized(dequantized(a, as_, az, -2) @ dequantized(b, bs, bz, -1), ys, yz)


@operator("QGemm", domain=MICROSOFT)
def quantized_general_product(
    call: Call, a: Any, as_: Any, az: Any, b: Any, bs: Any, bz: Any, c: Any = None, ys: Any = None, yz: Any = None
) -> Any:
    rows = 0 if call.get("transB", 0) else 1
    left, right = dequantized(a, as_, az), dequantized(b, bs, bz, rows)
    left = left.T if call.get("transA", 0) else left
    made = call.get("alpha", 1.0) * (left @ (right.T if call.get("transB", 0) else right))
    if c is not None:
        made = made + c.float() * call.get("alpha", 1.0) * (as_ * bs).reshape(-1)
    return made if ys is None else quantized(made, ys, yz)


@operator("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def quantized_pair(call: Call, a: Any, as_: Any, az: Any, b: Any, bs: Any, bz: Any, ys: Any, yz: Any = None) -> Any:
    left, right = dequantized(a, as_, az), dequantized(b, bs, bz)
    return quantized(left + right if call.operator == "QLinearAdd" else left * right, ys, yz)


@operator("QLinearConcat", domain=MICROSOFT)
def quantized_concat(call: Call, ys: Any, yz: Any, *parts: Any) -> Any:
    values = [dequantized(*parts[at : at + 3]) for at in range(0, len(parts), 3)]
    return quantized(torch.cat(values, call.get("axis")), ys, yz)


@operator("QLinearGlobalAveragePool", domain=MICROSOFT)
def quantized_pool(call: Call, x: Any, xs: Any, xz: Any, ys: Any, yz: Any) -> Any:
    axes = [1, 2] if call.get("channels_last", 0) else list(range(2, x.dim()))
    return quantized(dequantized(x, xs, xz).mean(axes, keepdim=True), ys, yz)


@operator("QLinearAveragePool", domain=MICROSOFT)
def quantized_average_pool(call: Call, x: Any, xs: Any, xz: Any, ys: Any, yz: Any = None) -> Any:
    if call.get("channels_last", 0):
        raise call.refuse("with channels last")
    return quantized(average_pool(call, dequantized(x, xs, xz)), ys, yz)


@operator("QLinearLeakyRelu", domain=MICROSOFT)
def quantized_leaky_relu(call: Call, x: Any, xs: Any, xz: Any, ys: Any, yz: Any = None) -> Any:
    return quantized(leaky_relu(call, dequantized(x, xs, xz)), ys, yz)


@operator("QLinearSigmoid", domain=MICROSOFT)
def quantized_sigmoid(call: Call, x: Any, xs: Any, xz: Any, ys: Any, yz: Any = None) -> Any:
    return quantized(torch.sigmoid(dequantized(x, xs, xz)), ys, yz)


@operator("QLinearSoftmax", domain=MICROSOFT)
def quantized_softmax(call: Call, x: Any, xs: Any, xz: Any, ys: Any, yz: Any = None) -> Any:
    return quantized(functional.softmax(dequantized(x, xs, xz), call.get("axis", -1)), ys, yz)
