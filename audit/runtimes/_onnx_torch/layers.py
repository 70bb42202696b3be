"""Operators with weights: convolutions, products, normalizations."""

# ruff: noqa: ARG001  every function of the table is given its node

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.operators import MICROSOFT, OPERATORS, Call, along, operator, pairs

_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TUNED = {"LeakyRelu": ["alpha"], "HardSigmoid": ["alpha", "beta"]}  # what fused non-linearities are given
_UNFOLD = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def paddings(call: Call, size: list[int], kernel: list[int]) -> tuple[list[int], list[int]]:
    """Padding at the beginning and at the end of each axis of space, for windows that move over it."""
    dims = len(size)
    strides, spread = call.get("strides", [1] * dims), call.get("dilations", [1] * dims)
    auto = call.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        given = call.get("pads", [0] * 2 * dims)
        return list(given[:dims]), list(given[dims:])
    if auto == "VALID":
        return [0] * dims, [0] * dims
    wanted = [math.ceil(n / s) for n, s in zip(size, strides, strict=True)]
    both = [
        max(0, (w - 1) * s + (k - 1) * d + 1 - n)
        for w, s, k, d, n in zip(wanted, strides, kernel, spread, size, strict=True)
    ]
    less, more = [n // 2 for n in both], [n - n // 2 for n in both]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


@operator("Conv")
def convolution(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    dims = weight.dim() - 2
    begin, end = paddings(call, list(x.shape[2:]), list(weight.shape[2:]))
    if begin != end:
        x, begin = functional.pad(x, pairs(begin, end)), [0] * dims
    strides, spread = call.get("strides", [1] * dims), call.get("dilations", [1] * dims)
    return _CONVOLVE[dims](x, weight, bias, strides, begin, spread, call.get("group", 1))


@operator("FusedConv", domain=MICROSOFT)
def fused_convolution(call: Call, x: Any, weight: Any, bias: Any = None, more: Any = None) -> Any:
    """With a sum and a non-linearity behind it, whose parameters stand in a row."""
    made = convolution(call, x, weight, bias)
    made = made if more is None else made + more
    function, given = call.get("activation", "Identity"), call.get("activation_params", [])
    names = _TUNED.get(function, [])
    if ("", function) not in OPERATORS or (given and function != "Clip" and len(given) != len(names)):
        raise call.refuse(f"with {function} behind it")
    behind = Call(operator=function, attributes=dict(zip(names, given, strict=False)), opset=call.opset)
    bounds = [torch.tensor(bound) for bound in given] if function == "Clip" else []
    return OPERATORS["", function](behind, made, *bounds)


@operator("ConvTranspose")
def transposed_convolution(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    """Without padding first; padding then cuts off what it makes at the edges."""
    dims = weight.dim() - 2
    strides, spread = call.get("strides", [1] * dims), call.get("dilations", [1] * dims)
    more = call.get("output_padding", [0] * dims)
    made = _UNFOLD[dims](x, weight, None, strides, 0, 0, call.get("group", 1), spread)
    made = functional.pad(made, pairs([0] * dims, more))
    auto, wanted = call.get("auto_pad", "NOTSET"), call.get("output_shape")
    if auto in {"SAME_UPPER", "SAME_LOWER"} and wanted is None:
        wanted = [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
    if wanted is None:
        given = call.get("pads", [0] * 2 * dims) if auto == "NOTSET" else [0] * 2 * dims
        begin, end = given[:dims], given[dims:]
    else:
        both = [n - w for n, w in zip(made.shape[2:], wanted[-dims:], strict=True)]
        less, rest = [n // 2 for n in both], [n - n // 2 for n in both]
        begin, end = (less, rest) if auto == "SAME_UPPER" else (rest, less)
    made = functional.pad(made, pairs([-n for n in begin], [-n for n in end]))
    return made if bias is None else made + along(bias, 1, made.dim())


@operator("Gemm")
def general_product(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    a = a.transpose(0, 1) if call.get("transA", 0) else a
    b = b.transpose(0, 1) if call.get("transB", 0) else b
    product = call.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + call.get("beta", 1.0) * c


@operator("FusedGemm", domain=MICROSOFT)
def fused_product(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    """With a non-linearity behind it, whose parameters stand by name."""
    function = call.get("activation", "Identity")
    if ("", function) not in OPERATORS:
        raise call.refuse(f"with {function} behind it")
    given = {name: call.get(f"activation_{name}") for name in _TUNED.get(function, [])}
    told = {name: value for name, value in given.items() if value is not None}
    behind = Call(operator=function, attributes=told, opset=call.opset)
    return OPERATORS["", function](behind, general_product(call, a, b, c))


@operator("MatMul")
def product(call: Call, a: Any, b: Any) -> Any:
    return torch.matmul(a, b)


@operator("FusedMatMul", domain=MICROSOFT)
def scaled_product(call: Call, a: Any, b: Any) -> Any:
    if call.get("transBatchA", 0) or call.get("transBatchB", 0):
        raise call.refuse("with transposed batches")
    a = a.transpose(-1, -2) if call.get("transA", 0) else a
    b = b.transpose(-1, -2) if call.get("transB", 0) else b
    return call.get("alpha", 1.0) * torch.matmul(a, b)


@operator("Einsum")
def einsum(call: Call, *terms: Any) -> Any:
    return torch.einsum(call.get("equation").replace(" ", ""), *terms)


@operator("Attention")
def attention(call: Call, q: Any, k: Any, v: Any, mask: Any = None, *past: Any) -> Any:
    """[N, heads, T, C], or [N, T, heads times C] with the numbers of heads as attributes."""
    if any(one is not None for one in past) or call.get("softcap", 0.0) or call.outputs > 1:
        raise call.refuse("with a cache, a soft cap or further outputs")
    flat = q.dim() == 3
    if flat:
        heads, others = call.get("q_num_heads"), call.get("kv_num_heads")
        q, k, v = (x.unflatten(2, (n, -1)).transpose(1, 2) for x, n in ((q, heads), (k, others), (v, others)))
    made = functional.scaled_dot_product_attention(
        q, k, v, mask, is_causal=bool(call.get("is_causal", 0)), scale=call.get("scale"), enable_gqa=True
    )
    return made.transpose(1, 2).flatten(2) if flat else made


@operator("BatchNormalization")
def batch_norm(call: Call, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    if call.get("training_mode", 0):
        raise call.refuse("in training mode")
    return functional.batch_norm(x, mean, variance, scale, bias, eps=call.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def instance_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    # Of one cell the torch function refuses to take a variance.
    normal = functional.group_norm(x, x.shape[1], eps=call.get("epsilon", 1e-5))
    return normal * along(scale, 1, x.dim()) + along(bias, 1, x.dim())


@operator("GroupNormalization")
def group_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    groups = call.get("num_groups")
    normal = functional.group_norm(x, groups, eps=call.get("epsilon", 1e-5))
    if call.opset < 21:  # a scale a group, before
        scale, bias = (one.repeat_interleave(x.shape[1] // groups) for one in (scale, bias))
    return normal * along(scale, 1, x.dim()) + along(bias, 1, x.dim())


@operator("LayerNormalization")
def layer_norm(call: Call, x: Any, scale: Any, bias: Any = None) -> Any:
    axis, eps = call.get("axis", -1) % x.dim(), call.get("epsilon", 1e-5)
    normal = functional.layer_norm(x, x.shape[axis:], eps=eps) * scale
    made = normal if bias is None else normal + bias
    if call.outputs == 1:
        return made
    over = list(range(axis, x.dim()))
    return made, x.mean(over, keepdim=True), torch.rsqrt(x.var(over, unbiased=False, keepdim=True) + eps)


@operator("RMSNormalization", "SimplifiedLayerNormalization")
def root_mean_square_norm(call: Call, x: Any, scale: Any) -> Any:
    axes = list(range(call.get("axis", -1) % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + call.get("epsilon", 1e-5)) * scale


@operator("LpNormalization")
def vector_norm(call: Call, x: Any) -> Any:
    axis, p = call.get("axis", -1), call.get("p", 2)
    size = torch.linalg.vector_norm(x, ord=p, dim=axis, keepdim=True)
    return x / torch.where(size == 0, torch.ones_like(size), size)


@operator("MeanVarianceNormalization")
def mean_variance_norm(call: Call, x: Any) -> Any:
    axes = call.get("axes", [0, 2, 3])
    centered = x - x.mean(axes, keepdim=True)
    return centered / (centered.square().mean(axes, keepdim=True).sqrt() + 1e-9)


@operator("LRN")
def local_response_norm(call: Call, x: Any) -> Any:
    """Over a window of channels; of an even size it reaches one further behind."""
    size, half = call.get("size"), (call.get("size") - 1) // 2
    squares = functional.pad(x.square().flatten(2), (0, 0, half, size - 1 - half))
    sums = squares.unfold(1, size, 1).sum(-1).reshape(x.shape)
    return x / (call.get("bias", 1.0) + call.get("alpha", 1e-4) / size * sums) ** call.get("beta", 0.75)
