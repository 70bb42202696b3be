"""Operators that work element by element: arithmetic, comparison, activation."""

# ruff: noqa: ARG001  every function of the table is given its node

from __future__ import annotations

import functools
import operator as python
from typing import Any

import torch
from torch.nn import functional

from audit.runtimes._onnx_torch.operators import MICROSOFT, OPERATORS, Call, operator

_UNARY = {
    "Abs": torch.abs, "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin, "Asinh": torch.asinh,
    "Atan": torch.atan, "Atanh": torch.atanh, "Ceil": torch.ceil, "Cos": torch.cos, "Cosh": torch.cosh,
    "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor, "HardSwish": functional.hardswish,
    "Identity": lambda x: x, "IsNaN": torch.isnan, "Log": torch.log, "Mish": functional.mish, "Neg": torch.neg,
    "Not": torch.logical_not, "Reciprocal": torch.reciprocal, "Relu": torch.relu, "Round": torch.round,
    "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin, "Sinh": torch.sinh,
    "Softplus": functional.softplus, "Softsign": functional.softsign, "Sqrt": torch.sqrt, "Tan": torch.tan,
    "Tanh": torch.tanh,
}  # fmt: skip
_BINARY = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "And": torch.logical_and, "Or": torch.logical_or,
    "Xor": torch.logical_xor, "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge, "Less": torch.lt,
    "LessOrEqual": torch.le,
}  # fmt: skip


def _enter(name: str, function: Any) -> None:
    OPERATORS["", name] = lambda _, *inputs: function(*inputs)


for _name, _function in {**_UNARY, **_BINARY}.items():
    _enter(_name, _function)


@operator("Div")
def divide(call: Call, a: Any, b: Any) -> Any:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@operator("Mod")
def modulo(call: Call, a: Any, b: Any) -> Any:
    return torch.fmod(a, b) if call.get("fmod", 0) else torch.remainder(a, b)


@operator("Pow")
def power(call: Call, base: Any, exponent: Any) -> Any:
    return torch.pow(base, exponent).to(base.dtype)


@operator("Sum")
def total(call: Call, *terms: Any) -> Any:
    return functools.reduce(python.add, terms)


@operator("Mean")
def average(call: Call, *terms: Any) -> Any:
    return functools.reduce(python.add, terms) / len(terms)


@operator("Max")
def largest(call: Call, *terms: Any) -> Any:
    return functools.reduce(torch.maximum, terms)


@operator("Min")
def smallest(call: Call, *terms: Any) -> Any:
    return functools.reduce(torch.minimum, terms)


@operator("Where")
def where(call: Call, condition: Any, a: Any, b: Any) -> Any:
    return torch.where(condition, a, b)


@operator("IsInf")
def infinite(call: Call, x: Any) -> Any:
    positive, negative = call.get("detect_positive", 1), call.get("detect_negative", 1)
    return (torch.isposinf(x) & bool(positive)) | (torch.isneginf(x) & bool(negative))


@operator("Clip")
def clip(call: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    if low is not None and high is not None and low < high and x.is_floating_point():
        return functional.hardtanh(x, float(low), float(high))  # no gradient where a bound is just met, as in ReLU6
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("LeakyRelu")
def leaky_relu(call: Call, x: Any) -> Any:
    return functional.leaky_relu(x, call.get("alpha", 0.01))


@operator("PRelu")
def parametric_relu(call: Call, x: Any, slope: Any) -> Any:
    return torch.where(x > 0, x, slope * x)


@operator("ThresholdedRelu")
def thresholded_relu(call: Call, x: Any) -> Any:
    return functional.threshold(x, call.get("alpha", 1.0), 0.0)


@operator("Elu")
def elu(call: Call, x: Any) -> Any:
    return functional.elu(x, call.get("alpha", 1.0))


@operator("Celu")
def celu(call: Call, x: Any) -> Any:
    return functional.celu(x, call.get("alpha", 1.0))


@operator("Selu")
def selu(call: Call, x: Any) -> Any:
    alpha = call.get("alpha", 1.67326319217681884765625)
    return call.get("gamma", 1.05070102214813232421875) * functional.elu(x, alpha)


@operator("Gelu")
@operator("Gelu", domain=MICROSOFT)
def gelu(call: Call, x: Any) -> Any:
    return functional.gelu(x, approximate=call.get("approximate", "none"))


@operator("BiasGelu", domain=MICROSOFT)
def gelu_of_sum(call: Call, x: Any, bias: Any) -> Any:
    return functional.gelu(x + bias)


@operator("FastGelu", domain=MICROSOFT)
def fast_gelu(call: Call, x: Any, bias: Any = None) -> Any:
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(call: Call, x: Any) -> Any:
    return x * torch.sigmoid(call.get("alpha", 1.702) * x)


@operator("Swish")
def swish(call: Call, x: Any) -> Any:
    return x * torch.sigmoid(call.get("alpha", 1.0) * x)


@operator("HardSigmoid")
def hard_sigmoid(call: Call, x: Any) -> Any:
    return functional.hardtanh(call.get("alpha", 0.2) * x + call.get("beta", 0.5), 0.0, 1.0)


@operator("Shrink")
def shrink(call: Call, x: Any) -> Any:
    bias, edge = call.get("bias", 0.0), call.get("lambd", 0.5)
    return torch.where(x < -edge, x + bias, torch.where(x > edge, x - bias, torch.zeros_like(x)))


@operator("Softmax")
def softmax(call: Call, x: Any) -> Any:
    return torch.softmax(x, call.get("axis", -1))


@operator("LogSoftmax")
def log_softmax(call: Call, x: Any) -> Any:
    return torch.log_softmax(x, call.get("axis", -1))
