"""Resize: along each axis the new values are a matrix times the old ones, whatever the way of interpolating."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.operators import Call, operator, whole

_KEEP = 1e-6


@operator("Resize")
def resize(call: Call, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None) -> Any:  # noqa: ARG001
    over = [axis % x.dim() for axis in call.get("axes", range(x.dim()))]
    given = scales is not None and scales.numel() > 0
    if given:
        factors = [float(factor) for factor in scales.tolist()]
        lengths = [math.floor(x.shape[axis] * factor + _KEEP) for axis, factor in zip(over, factors, strict=True)]
    else:
        lengths = whole(sizes)
        factors = [length / x.shape[axis] for axis, length in zip(over, lengths, strict=True)]
        lengths, factors = _in_proportion(call, x, over, lengths, factors)
    if lengths == [x.shape[axis] for axis in over]:
        return x
    for axis, factor, length in zip(over, factors, lengths, strict=True):
        if factor != 1 or length != x.shape[axis]:
            matrix = _matrix(call, x.shape[axis], length, factor).to(x)
            x = torch.movedim(torch.matmul(torch.movedim(x, axis, -1), matrix.T), -1, axis)
    return x


def _in_proportion(
    call: Call, x: Any, over: list[int], lengths: list[int], factors: list[float]
) -> tuple[list[int], list[float]]:
    """Sizes that keep the proportions of the picture, where the node asks for them."""
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return lengths, factors
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(x.shape[axis] * factor + 0.5) for axis in over], [factor] * len(over)


def _matrix(call: Call, old: int, new: int, factor: float) -> Any:
    """[new, old]: what each new cell takes from the old ones."""
    mode = call.get("mode", "nearest")
    at = _places(call, old, new, factor)
    if mode == "nearest":
        return functional.one_hot(_nearest(call, at).clamp(0, old - 1).long(), old).double()
    stretch = max(1.0, 1 / factor) if call.get("antialias", 0) else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) * stretch)
    cells = torch.arange(-reach, old + reach, dtype=torch.float64)  # those off the edge stand for the one at it
    distance = (at[:, None] - cells[None]).abs() / stretch
    weights = (1 - distance).clamp(min=0) if mode == "linear" else _cubic(distance, call.get("cubic_coeff_a", -0.75))
    if call.get("exclude_outside", 0):
        weights = weights * ((cells >= 0) & (cells <= old - 1))
    weights = weights / weights.sum(1, keepdim=True)
    edge = cells.clamp(0, old - 1).long()
    return torch.zeros((new, old), dtype=torch.float64).index_add(1, edge, weights)


def _places(call: Call, old: int, new: int, factor: float) -> Any:
    """Where the middle of each new cell lies among the old ones.

    In float32 and in this order of operations, as in onnxruntime: between two cells the last digit decides which one is
    the nearest. Not by torch, which may divide by multiplying.
    """
    mode, to = call.get("coordinate_transformation_mode", "half_pixel"), np.arange(new, dtype=np.float32)
    scale, half = np.float32(factor), np.float32(0.5)
    if mode == "asymmetric":
        at = to / scale
    elif mode == "align_corners":
        at = to * np.float32(old - 1) / np.float32(new - 1) if new > 1 else to * 0
    elif mode == "pytorch_half_pixel" and new == 1:
        at = to * 0
    elif mode in {"half_pixel", "pytorch_half_pixel"}:
        at = (to + half) / scale - half
    elif mode == "half_pixel_symmetric":
        offset = np.float32(old) / 2 * (1 - np.float32(new) / (scale * np.float32(old)))
        at = (float(offset) + (to + 0.5).astype(np.float64) / float(scale) - 0.5).astype(np.float32)
    else:
        raise call.refuse(f"with the coordinates {mode}")
    return torch.from_numpy(at.astype(np.float64))


def _nearest(call: Call, at: Any) -> Any:
    """The number of the nearest cell."""
    way = call.get("nearest_mode", "round_prefer_floor")
    if way == "floor":
        return torch.floor(at)
    if way == "ceil":
        return torch.ceil(at)
    # What float32 makes of a half is one still.
    return torch.ceil(at - 0.5 - _KEEP) if way == "round_prefer_floor" else torch.floor(at + 0.5 + _KEEP)


def _cubic(distance: Any, a: float) -> Any:
    """Keys' kernel."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(distance)))


@operator("GridSample")
def grid_sample(call: Call, x: Any, grid: Any) -> Any:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(word := call.get("mode", "linear"), word)
    corners = bool(call.get("align_corners", 0))
    return functional.grid_sample(x, grid, mode, call.get("padding_mode", "zeros"), corners)
