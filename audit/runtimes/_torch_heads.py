"""From an output back to the logits, the linear layer and the pooled map: what makes CAM exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.runtimes._torch_program import Program, depending, operator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINAL = {"softmax": "softmax", "log_softmax": "log_softmax", "sigmoid": "sigmoid"}
_PASSING = {"dropout", "feature_dropout", "alpha_dropout", "contiguous", "detach", "clone", "to", "alias", "float"}
_RESHAPING = {"flatten", "view", "reshape", "squeeze", "unsqueeze"}
_LAID_OUT = {"transpose", "permute"}  # the same numbers in another order
_POOLS = {"mean", "adaptive_avg_pool2d", "avg_pool2d", "adaptive_avg_pool1d"}
_SPOKEN = {
    "prim::If": "a branch",
    "max_pool2d": "a max pool",
    "adaptive_max_pool2d": "a global max pool",
    "amax": "a global max pool",
    "linear": "another linear layer",
    "addmm": "another linear layer",
    "flatten": "a flattened map",
    "dequantize": "a layer that computes in integers",
}
TOLERANCE = 1e-4
HALF_TOLERANCE = {"torch.float16": 1e-2, "torch.bfloat16": 5e-2}  # they carry three digits, and two


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One affine step from the pool to the logits: a linear layer, or a batch normalization, which is one as well.

    `values`: weight and bias; of a normalization weight, bias, mean and variance (those there are).
    """

    kind: str  # "linear": the weight is [K, C]; "matmul": [C, K]; "norm"
    source: Any
    values: tuple[Any, ...]
    epsilon: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """The end of the network at one output. `values` are the pooled map and what the `steps` behind it hold,
    or () with the `reason` why the head is no pool and linear layer."""

    logits: Any  # the graph's value before a final softmax or sigmoid
    final: str | None
    values: tuple[Any, ...] = ()
    steps: tuple[Step, ...] = ()
    reason: str = ""


def answers(program: Program, output: Any) -> set[int]:
    """The places that make an output, but for its shape and a final softmax or sigmoid."""
    found, value, passing = set(), output, {*FINAL, *_PASSING, *_RESHAPING}
    while (place := program.maker(value)) is not None:
        found.add(place)
        if operator(value.node()) not in passing:
            break
        value = next(iter(value.node().inputs()))
    return found


def find_tail(program: Program, output: Any) -> Tail:
    """What stands before an output of the graph."""
    value = _back(program, output, _PASSING)
    node = value.node()
    final = FINAL.get(operator(node))
    logits = next(iter(node.inputs())) if final else output
    steps: list[Step] = []
    source = _back(program, logits, _PASSING | _RESHAPING)
    known = depending(program)  # another branch is no bias, though at a batch of one picture it has the shape
    while (step := _affine(program, source)) is not None and known.isdisjoint(map(program.maker, step.values)):
        steps.insert(0, step)
        source = _back(program, step.source, _PASSING | _RESHAPING)
    pool = source.node()
    if operator(pool) not in _POOLS:
        spoken = _SPOKEN.get(operator(pool), f"the operator {operator(pool)}")
        told = "the last linear layer is fed by" if steps else "there is no linear layer at the end, and before it is"
        reason = f"the head is not a global average pool and a linear layer: {told} {spoken}"
        return Tail(logits=logits, final=final, reason=reason)
    pooled = _back(program, next(iter(pool.inputs())), _PASSING | _RESHAPING | _LAID_OUT)
    values = (pooled, *(value for step in steps for value in step.values))
    return Tail(logits=logits, final=final, values=values, steps=tuple(steps))


def matrices(
    steps: Sequence[Step],
    values: list[NDArray[np.float32]],
    logits: NDArray[np.float32],
    tolerance: float = TOLERANCE,
) -> tuple[Any, Any] | str:
    """Weight [K, C] and bias [K] that take the mean of the map to the logits, or why the numbers don't agree.

    Args:
        steps: from the pool to the logits.
        values: the map [B, C, h, w], then what the steps hold.
        logits: [B, K].
        tolerance: how far the two may be apart, relative to the largest logit.
    """
    import numpy as np

    pooled, left = values[0], [value.astype(np.float64) for value in values[1:]]
    if pooled.ndim != 4 or len(pooled) != len(logits):
        return "what is pooled before the linear layer is not a map"
    weight, bias = np.eye(pooled.shape[1]), np.zeros(pooled.shape[1])
    with np.errstate(all="ignore"):  # what is not finite fails the check
        for step in steps:
            held, left = left[: len(step.values)], left[len(step.values) :]
            applied = _applied(step, held, weight, bias)
            if applied is None:
                return "the linear layer does not take the pooled channels one by one"
            weight, bias = applied
        if len(bias) != logits.shape[1]:
            return "the linear layer does not take the pooled channels one by one"
        scale = max(float(np.abs(logits).max()), 1e-6)
        off = np.abs(pooled.mean(axis=(2, 3), dtype=np.float64) @ weight.T + bias - logits).max()
    if off <= tolerance * scale:
        return weight.astype(np.float32), bias.astype(np.float32)
    return "the logits are not the linear layer of the map's mean (checked on a trial run)"


def _applied(
    step: Step, held: list[NDArray[np.float64]], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The affine map behind a step, given the one before it; None where they do not fit."""
    import numpy as np

    channels = len(bias)
    if step.kind == "norm":
        *scaled, mean, variance = held
        if any(value.size != channels for value in held):
            return None
        factor = (scaled[0] if scaled else 1.0) / np.sqrt(variance + step.epsilon)
        return weight * factor[:, None], (bias - mean) * factor + (scaled[1] if len(scaled) > 1 else 0.0)
    classes = held[0].size // channels
    if held[0].size != classes * channels or (len(held) > 1 and held[1].size != classes):
        return None
    matrix = held[0].reshape(classes, channels) if step.kind == "linear" else held[0].reshape(channels, classes).T
    return matrix @ weight, matrix @ bias + (held[1].reshape(-1) if len(held) > 1 else 0.0)


def _back(program: Program, value: Any, through: set[str]) -> Any:
    """The value before operators that leave it as it is, or only reshape it."""
    while program.maker(value) is not None and operator(value.node()) in through:
        value = next(iter(value.node().inputs()))
    return value


def _affine(program: Program, value: Any) -> Step | None:
    """The linear layer or batch normalization that makes a value."""
    node = value.node()
    inputs, kind = list(node.inputs()), operator(node)
    if kind in {"linear", "convolution", "conv2d"}:
        return Step(kind="linear", source=inputs[0], values=_there(program, inputs[1:3]))
    if kind == "batch_norm" and len(_there(program, inputs[1:5])) in {2, 4}:
        epsilon = program.attribute(inputs[7])
        return Step(kind="norm", source=inputs[0], values=_there(program, inputs[1:5]), epsilon=epsilon)
    if kind == "addmm":
        return Step(kind="matmul", source=inputs[1], values=(inputs[2], inputs[0]))
    if kind == "add":
        for product, bias in (inputs[:2], inputs[1::-1]):
            inner = product.node()
            if operator(inner) in {"matmul", "mm"}:
                source, weight = inner.inputs()
                return Step(kind="matmul", source=source, values=(weight, bias))
    if kind in {"matmul", "mm"}:
        return Step(kind="matmul", source=inputs[0], values=(inputs[1],))
    return None


def _there(program: Program, values: Sequence[Any]) -> tuple[Any, ...]:
    """Those that are tensors, not None."""
    return tuple(v for v in values if str(v.type()) == "Tensor" or program.attribute(v) is not None)
