"""Operators that make fewer values of many: pools and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.layers import paddings
from audit.runtimes._onnx_torch.operators import Call, axes_of, operator, pairs

_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_MAXIMUM = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_GLOBAL = {3: functional.adaptive_max_pool1d, 4: functional.adaptive_max_pool2d, 5: functional.adaptive_max_pool3d}
_SUM = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def _windows(call: Call, x: Any) -> tuple[list[int], list[int], list[int], list[int], list[int], list[int]]:
    """Kernel, strides, dilations, padding at the beginning and at the end, and what rounding up adds to the end."""
    kernel = list(call.get("kernel_shape"))
    dims, size = len(kernel), list(x.shape[2:])
    strides, spread = list(call.get("strides", [1] * dims)), list(call.get("dilations", [1] * dims))
    begin, end = paddings(call, size, kernel)
    more = [0] * dims
    if call.get("ceil_mode", 0):
        for at in range(dims):
            reach = (kernel[at] - 1) * spread[at] + 1
            room = size[at] + begin[at] + end[at]
            steps = math.ceil((room - reach) / strides[at])
            if steps * strides[at] >= size[at] + begin[at]:  # a window has to begin inside
                steps -= 1
            more[at] = max(0, steps * strides[at] + reach - room)
    return kernel, strides, spread, begin, end, more


@operator("MaxPool")
def max_pool(call: Call, x: Any) -> Any:
    if call.outputs > 1:
        raise call.refuse("with indices")
    kernel, strides, spread, begin, end, more = _windows(call, x)
    simple = begin == end and not any(more) and all(2 * p <= k for p, k in zip(begin, kernel, strict=True))
    if not simple:
        after = [a + b for a, b in zip(end, more, strict=True)]
        x, begin = functional.pad(x, pairs(begin, after), value=-math.inf), [0] * len(kernel)
    return _MAXIMUM[len(kernel)](x, kernel, strides, begin, spread)


@operator("AveragePool")
def average_pool(call: Call, x: Any) -> Any:
    kernel, strides, spread, begin, end, more = _windows(call, x)
    dims, padded = len(kernel), bool(call.get("count_include_pad", 0))
    if begin == end and not any(more) and set(spread) == {1} and all(2 * p <= k for p, k in zip(begin, kernel)):  # noqa: B905
        return _AVERAGE[dims](x, kernel, strides, begin, count_include_pad=padded)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    counted = functional.pad(counted, pairs(begin, end), value=float(padded))
    x = functional.pad(x, pairs(begin, [a + b for a, b in zip(end, more, strict=True)]))
    counted = functional.pad(counted, pairs([0] * dims, more))
    one = torch.ones((1, 1, *kernel), dtype=x.dtype, device=x.device)
    sums = _SUM[dims](x.flatten(0, 1)[:, None], one, None, strides, 0, spread)
    return sums.reshape(*x.shape[:2], *sums.shape[2:]) / _SUM[dims](counted, one, None, strides, 0, spread)


@operator("GlobalAveragePool")
def global_average_pool(call: Call, x: Any) -> Any:  # noqa: ARG001
    return x.mean(list(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(call: Call, x: Any) -> Any:  # noqa: ARG001
    return _GLOBAL[x.dim()](x, 1)


_REDUCED: dict[str, Callable[[Any, list[int], bool], Any]] = {
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
}


@operator(*_REDUCED)
def reduce(call: Call, x: Any, axes: Any = None) -> Any:
    over, keep = axes_of(call, axes, x.dim()), bool(call.get("keepdims", 1))
    if not over and call.get("noop_with_empty_axes", 0):  # each value by itself: of -2 the sum of squares is 4
        x, over, keep = x[..., None], [-1], False
    return _REDUCED[call.operator](x, over or list(range(x.dim())), keep)


@operator("ReduceProd")
def reduce_product(call: Call, x: Any, axes: Any = None) -> Any:
    over, keep = axes_of(call, axes, x.dim()), bool(call.get("keepdims", 1))
    if not over and call.get("noop_with_empty_axes", 0):
        return x
    for axis in sorted(over or range(x.dim()), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


@operator("ArgMax", "ArgMin")
def extreme(call: Call, x: Any) -> Any:
    axis, keep = call.get("axis", 0), bool(call.get("keepdims", 1))
    find = torch.argmax if call.operator == "ArgMax" else torch.argmin
    if call.get("select_last_index", 0):
        return x.shape[axis] - 1 - find(x.flip(axis), axis, keepdim=keep)
    return find(x, axis, keepdim=keep)
