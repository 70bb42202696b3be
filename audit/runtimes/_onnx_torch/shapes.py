"""Operators that move, cut, join and make values, and compute with shapes."""

# ruff: noqa: ARG001  every function of the table is given its node

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.operators import Call, axes_of, operator, pairs, whole


@operator("Reshape")
def reshape(call: Call, x: Any, shape: Any) -> Any:
    wanted = whole(shape)
    if not call.get("allowzero", 0):
        wanted = [x.shape[at] if n == 0 else n for at, n in enumerate(wanted)]
    return torch.reshape(x, wanted)


@operator("Flatten")
def flatten(call: Call, x: Any) -> Any:
    axis = call.get("axis", 1)
    axis += x.dim() if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Squeeze")
def squeeze(call: Call, x: Any, axes: Any = None) -> Any:
    over = axes_of(call, axes, x.dim())
    return x.squeeze(over) if over else x.squeeze()


@operator("Unsqueeze")
def unsqueeze(call: Call, x: Any, axes: Any = None) -> Any:
    given = call.get("axes", []) if axes is None else whole(axes)
    for axis in sorted(axis % (x.dim() + len(given)) for axis in given):
        x = x.unsqueeze(axis)
    return x


@operator("Transpose")
def transpose(call: Call, x: Any) -> Any:
    return x.permute(call.get("perm") or list(range(x.dim()))[::-1])


@operator("Expand")
def expand(call: Call, x: Any, shape: Any) -> Any:
    return x.expand(torch.broadcast_shapes(x.shape, whole(shape)))


@operator("Tile")
def tile(call: Call, x: Any, repeats: Any) -> Any:
    return x.repeat(whole(repeats))


@operator("Concat")
def concat(call: Call, *parts: Any) -> Any:
    return torch.cat(parts, call.get("axis"))


@operator("Split")
def split(call: Call, x: Any, sizes: Any = None) -> Sequence[Any]:
    axis = call.get("axis", 0)
    given: list[int] | None = call.get("split") if sizes is None else whole(sizes)
    if given is None:
        each = math.ceil(x.shape[axis] / call.get("num_outputs", call.outputs))
        given = [each] * (x.shape[axis] // each)
        given += [x.shape[axis] - sum(given)] * (len(given) < call.outputs)
    parts: Sequence[Any] = x.split(given, axis)
    return parts


@operator("Slice")
def cut(call: Call, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    begin, end = whole(starts), whole(ends)
    over = list(range(len(begin))) if axes is None else whole(axes)
    stride = [1] * len(begin) if steps is None else whole(steps)
    for axis, first, last, step in zip(over, begin, end, stride, strict=True):
        kept = range(*slice(first, last, step).indices(x.shape[axis]))
        if step == 1:
            x = x.narrow(axis, kept.start, len(kept))
        else:
            x = x.index_select(axis, torch.tensor(list(kept), dtype=torch.int64, device=x.device))
    return x


@operator("Gather")
def gather(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0) % x.dim()
    at = indices.long() % x.shape[axis]
    shape = [*x.shape[:axis], *at.shape, *x.shape[axis + 1 :]]
    return torch.reshape(x.index_select(axis, at.reshape(-1)), shape)


@operator("GatherElements")
def gather_elements(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0)
    return x.gather(axis, indices.long() % x.shape[axis])


@operator("GatherND")
def gather_many(call: Call, x: Any, indices: Any) -> Any:
    if call.get("batch_dims", 0):
        raise call.refuse("with batch dimensions")
    return x[tuple(indices.long().unbind(-1))]


@operator("ScatterND")
def scatter_many(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    kind = call.get("reduction", "none")
    if kind not in {"none", "add"}:
        raise call.refuse(f"with the reduction {kind}")
    return x.index_put(tuple(indices.long().unbind(-1)), updates, accumulate=kind == "add")


@operator("ScatterElements")
def scatter_elements(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    kind, axis = call.get("reduction", "none"), call.get("axis", 0)
    if kind not in {"none", "add"}:
        raise call.refuse(f"with the reduction {kind}")
    at = indices.long() % x.shape[axis]
    return x.scatter(axis, at, updates) if kind == "none" else x.scatter_add(axis, at, updates)


@operator("Pad")
def pad(call: Call, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Any:
    given = whole(pads)
    over = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in whole(axes)]
    begin, end = [0] * x.dim(), [0] * x.dim()
    for at, axis in enumerate(over):
        begin[axis], end[axis] = given[at], given[at + len(over)]
    mode = call.get("mode", "constant")
    if mode == "constant":
        return functional.pad(x, pairs(begin, end), value=0.0 if value is None else value.item())
    for axis in range(x.dim()):
        if begin[axis] < 0 or end[axis] < 0:  # what is cut off is not there to be repeated
            x = x.narrow(axis, max(0, -begin[axis]), x.shape[axis] + min(begin[axis], 0) + min(end[axis], 0))
            begin[axis], end[axis] = max(0, begin[axis]), max(0, end[axis])
        size = x.shape[axis]
        at = torch.arange(-begin[axis], size + end[axis], device=x.device)
        if mode == "edge":
            at = at.clamp(0, size - 1)
        elif mode == "reflect":
            at = (size - 1) - ((at % max(2 * size - 2, 1)) - (size - 1)).abs()
        x = x.index_select(axis, at % size)
    return x


@operator("DepthToSpace")
def depth_to_space(call: Call, x: Any) -> Any:
    batch, channels, height, width = x.shape
    size = call.get("blocksize")
    if call.get("mode", "DCR") == "DCR":
        parts = x.reshape(batch, size, size, channels // size**2, height, width).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(batch, channels // size**2, size, size, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(batch, channels // size**2, height * size, width * size)


@operator("SpaceToDepth")
def space_to_depth(call: Call, x: Any) -> Any:
    batch, channels, height, width = x.shape
    size = call.get("blocksize")
    parts = x.reshape(batch, channels, height // size, size, width // size, size).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(batch, channels * size**2, height // size, width // size)


@operator("Shape")
def shape_of(call: Call, x: Any) -> Any:
    return torch.tensor(x.shape[call.get("start", 0) : call.get("end")], dtype=torch.int64)


@operator("Size")
def size_of(call: Call, x: Any) -> Any:
    return torch.tensor(x.numel(), dtype=torch.int64)


@operator("ConstantOfShape")
def constant_of_shape(call: Call, shape: Any) -> Any:
    value = call.get("value")
    return torch.zeros(whole(shape)) if value is None else value.reshape(-1)[0].expand(whole(shape)).clone()


@operator("Constant")
def constant(call: Call) -> Any:
    ((name, value),) = call.attributes.items()
    if name == "value":
        return value
    if name in {"value_float", "value_floats"}:
        return torch.tensor(value, dtype=torch.float32)
    if name in {"value_int", "value_ints"}:
        return torch.tensor(value, dtype=torch.int64)
    raise call.refuse(f"of the kind {name}")


@operator("Range")
def count(call: Call, start: Any, limit: Any, delta: Any) -> Any:
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@operator("Cast")
def cast(call: Call, x: Any) -> Any:
    return x.to(call.get("to"))


@operator("CastLike")
def cast_like(call: Call, x: Any, like: Any) -> Any:
    return x.to(like.dtype)


@operator("Dropout")
def dropout(call: Call, x: Any, ratio: Any = None, training: Any = None) -> Any:
    if training is not None and bool(training) and (ratio is None or float(ratio) > 0):
        raise call.refuse("in training mode")
    return x, torch.ones_like(x, dtype=torch.bool)


@operator("Trilu")
def triangle(call: Call, x: Any, k: Any = None) -> Any:
    diagonal = 0 if k is None else int(k)
    return x.triu(diagonal) if call.get("upper", 1) else x.tril(diagonal)


@operator("CumSum")
def running_sum(call: Call, x: Any, axis: Any) -> Any:
    if call.get("exclusive", 0) or call.get("reverse", 0):
        raise call.refuse("reversed or exclusive")
    return x.cumsum(int(axis))


@operator("TopK")
def top(call: Call, x: Any, k: Any) -> Any:
    found = x.topk(int(k), call.get("axis", -1), bool(call.get("largest", 1)), bool(call.get("sorted", 1)))
    return found.values, found.indices


@operator("OneHot")
def one_hot(call: Call, indices: Any, depth: Any, values: Any) -> Any:
    """An index out of range marks no place."""
    count = int(depth)
    at = torch.where(indices < 0, indices + count, indices)
    hot = at[..., None] == torch.arange(count, device=at.device)
    return torch.where(hot.movedim(-1, call.get("axis", -1)), values[1], values[0])


@operator("NonZero")
def non_zero(call: Call, x: Any) -> Any:
    return x.nonzero().T
