"""From an output back to the logits, the linear layer and the pooled map: what makes CAM exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.runtimes._torch_program import Program, operator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINAL = {"softmax": "softmax", "log_softmax": "log_softmax", "sigmoid": "sigmoid"}
_PASSING = {"dropout", "feature_dropout", "alpha_dropout", "contiguous", "detach", "clone", "to", "alias", "float"}
_RESHAPING = {"flatten", "view", "reshape", "squeeze", "unsqueeze"}
_POOLS = {"mean", "adaptive_avg_pool2d", "avg_pool2d"}
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
class Tail:
    """The end of the network at one output. `values` are the pooled map, the weight and the bias (those there are),
    or () with the `reason` why the head is no pool and linear layer."""

    logits: Any  # the graph's value before a final softmax or sigmoid
    final: str | None
    values: tuple[Any, ...] = ()
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
    linear = _linear(program, _back(program, logits, _PASSING | _RESHAPING))
    source, weights = linear or (logits, ())
    pool = _back(program, source, _PASSING | _RESHAPING).node()
    if operator(pool) not in _POOLS:
        spoken = _SPOKEN.get(operator(pool), f"the operator {operator(pool)}")
        told = "the last linear layer is fed by" if linear else "there is no linear layer at the end, and before it is"
        reason = f"the head is not a global average pool and a linear layer: {told} {spoken}"
        return Tail(logits=logits, final=final, reason=reason)
    pooled = _back(program, next(iter(pool.inputs())), _PASSING | _RESHAPING)
    return Tail(logits=logits, final=final, values=(pooled, *weights))


def matrices(
    values: list[NDArray[np.float32]], logits: NDArray[np.float32], tolerance: float = TOLERANCE
) -> tuple[Any, Any] | str:
    """Weight [K, C] and bias [K] that take the mean of the map to the logits, or why the numbers don't agree.

    Args:
        values: the map [B, C, h, w], then weight and bias as far as the graph has them.
        logits: [B, K].
        tolerance: how far the two may be apart, relative to the largest logit.
    """
    import numpy as np

    pooled = values[0]
    if pooled.ndim != 4:
        return "what is pooled before the linear layer is not a map"
    channels, classes = pooled.shape[1], logits.shape[1]
    weight = values[1] if len(values) > 1 else np.eye(channels, dtype=np.float32)
    bias = values[2].reshape(-1) if len(values) > 2 else np.zeros(classes, np.float32)
    if weight.size != classes * channels or bias.size != classes:
        return "the linear layer does not take the pooled channels one by one"
    candidates = [weight.reshape(classes, channels), weight.reshape(channels, classes).T]
    pooled_mean = pooled.mean(axis=(2, 3), dtype=np.float64)
    scale = max(float(np.abs(logits).max()), 1e-6)
    for candidate in candidates:  # linear holds [K, C], matmul [C, K]; for K = C the shape does not tell
        with np.errstate(all="ignore"):  # what is not finite fails the check
            off = np.abs(pooled_mean @ candidate.T + bias - logits).max()
        if off <= tolerance * scale:
            return candidate.astype(np.float32), bias.astype(np.float32)
    return "the logits are not the linear layer of the map's mean (checked on a trial run)"


def _back(program: Program, value: Any, through: set[str]) -> Any:
    """The value before operators that leave it as it is, or only reshape it."""
    while program.maker(value) is not None and operator(value.node()) in through:
        value = next(iter(value.node().inputs()))
    return value


def _linear(program: Program, value: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """The input and the weights of the linear layer that makes a value."""
    node = value.node()
    inputs, kind = list(node.inputs()), operator(node)
    if kind in {"linear", "convolution", "conv2d"}:
        return inputs[0], tuple(v for v in inputs[1:3] if str(v.type()) == "Tensor" or program.attribute(v) is not None)
    if kind == "addmm":
        return inputs[1], (inputs[2], inputs[0])
    if kind == "add":
        for product, bias in (inputs[:2], inputs[1::-1]):
            inner = product.node()
            if operator(inner) in {"matmul", "mm"}:
                source, weight = inner.inputs()
                return source, (weight, bias)
    if kind in {"matmul", "mm"}:
        return inputs[0], (inputs[1],)
    return None
