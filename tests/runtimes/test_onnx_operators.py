"""Every operator that gradients of ONNX files go through, against onnxruntime, and its gradient against differences."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

import onnx  # noqa: E402 torch is an extra
import onnxruntime  # noqa: E402 as above
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 as above

from audit.runtimes._onnx_torch.network import Network  # noqa: E402 as above
from audit.runtimes._onnx_torch.operators import OPERATORS, Unsupported  # noqa: E402 as above
from audit.runtimes._onnx_weights import Weights  # noqa: E402 as above

pytestmark = pytest.mark.torch

OLD, NEW = 13, 24
MICROSOFT = "com.microsoft"
INSIDE = Weights(Path())  # all constants are in the model


@dataclasses.dataclass(frozen=True)
class Case:
    """One node. `inputs`: the first one is what gradients are taken of; None: left out."""

    operator: str
    inputs: tuple[NDArray[Any] | None, ...]
    attributes: dict[str, Any]
    opsets: tuple[int, ...]
    outputs: int
    domain: str
    smooth: bool  # whether its gradient is compared with differences

    def __str__(self) -> str:
        return "-".join([self.operator, *(f"{k}={v}" for k, v in self.attributes.items())])[:70].replace(" ", "")


def case(
    operator: str,
    *inputs: NDArray[Any] | None,
    since: int = OLD,
    until: int = NEW,
    outputs: int = 1,
    domain: str = "",
    smooth: bool = True,
    **attributes: Any,
) -> Case:
    opsets = (17,) if domain else tuple(dict.fromkeys((since, until)))
    return Case(operator, inputs, attributes, opsets, outputs, domain, smooth)


def f(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def p(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Above 0, and no two alike."""
    return np.abs(f(*shape, seed=seed)) + np.float32(0.2)


def i(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def u8(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng([seed, *shape]).integers(0, 256, shape).astype(np.uint8)


def s8(*shape: int, seed: int = 0) -> NDArray[np.int8]:
    return np.random.default_rng([seed, *shape]).integers(-127, 128, shape).astype(np.int8)


def one(value: float, kind: Any = np.float32) -> NDArray[Any]:
    return np.array(value, kind)


BY = (one(0.02), one(120, np.uint8))  # scale and zero point
OUT = (one(0.05), one(100, np.uint8))
YES = np.array([[True, False, True]])
GRID = np.clip(f(2, 4, 5, 2) * 0.5, -1.2, 1.2)

UNARY = [
    "Abs", "Asinh", "Atan", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSwish", "Identity", "Mish",
    "Neg", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Tan", "Tanh",
]  # fmt: skip
FLAT = {"Ceil", "Floor", "Round", "Sign"}
CASES = [
    *(case(name, f(2, 3, 4), since={"HardSwish": 14, "Mish": 18}.get(name, OLD), smooth=name not in FLAT)
      for name in UNARY),
    *(case(name, p(2, 3, 4)) for name in ("Log", "Reciprocal", "Sqrt")),
    *(case(name, np.tanh(f(2, 3, 4)) * np.float32(0.9)) for name in ("Acos", "Asin", "Atanh")),
    case("Acosh", p(2, 3, 4) + np.float32(1)),
    *(case(name, f(2, 3, 4), f(3, 1, seed=1)) for name in ("Add", "Sub", "Mul")),
    case("Div", f(2, 3, 4), p(3, 1)),
    case("Div", i(7, -7, 9), i(2, 2, 4), smooth=False),
    case("Mod", f(2, 3), p(2, 3), fmod=1, smooth=False),
    case("Mod", i(7, -7, 9), i(4, 4, 5), smooth=False),
    case("Pow", p(2, 3), one(2.5)),
    case("Pow", f(2, 3), one(2, np.int64), smooth=False),
    *(case(name, f(2, 3), f(2, 3, seed=1), f(1, 3, seed=2)) for name in ("Sum", "Mean", "Max", "Min")),
    *(case(name, f(2, 3), f(3, seed=1), smooth=False)
      for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
    *(case(name, YES, ~YES.T, smooth=False) for name in ("And", "Or", "Xor")),
    case("Not", YES, smooth=False),
    case("Where", YES, f(2, 3), f(1, seed=1), smooth=False),
    case("IsNaN", np.float32([1, np.nan]), smooth=False),
    case("IsInf", np.float32([1, np.inf, -np.inf]), detect_negative=0, smooth=False),
    case("Clip", f(3, 4), one(-0.5), one(0.6)),
    case("Clip", f(3, 4), None, one(0.6)),
    case("Clip", f(3, 4), one(0)),
    case("LeakyRelu", f(3, 4), alpha=0.2), case("LeakyRelu", f(3, 4)),
    case("PRelu", f(2, 3, 4, 4), f(3, 1, 1, seed=1)),
    case("ThresholdedRelu", f(3, 4), alpha=0.4), case("Elu", f(3, 4), alpha=1.3), case("Celu", f(3, 4), alpha=0.7),
    case("Selu", f(3, 4)), case("Selu", f(3, 4), alpha=1.2, gamma=0.9),
    case("Gelu", f(3, 4), since=20), case("Gelu", f(3, 4), since=20, approximate="tanh"),
    case("Gelu", f(3, 4), domain=MICROSOFT), case("FastGelu", f(3, 4), domain=MICROSOFT),
    case("FastGelu", f(3, 4), f(4, seed=1), domain=MICROSOFT), case("BiasGelu", f(3, 4), f(4), domain=MICROSOFT),
    case("QuickGelu", f(3, 4), domain=MICROSOFT), case("QuickGelu", f(3, 4), alpha=1.0, domain=MICROSOFT),
    case("Swish", f(3, 4), since=24, alpha=1.5), case("HardSigmoid", f(3, 4)),
    case("HardSigmoid", f(3, 4), alpha=1 / 6, beta=0.5), case("Shrink", f(3, 4), bias=0.1, lambd=0.3),
    *(case(name, f(2, 3, 4), axis=axis) for name in ("Softmax", "LogSoftmax") for axis in (1, -1)),
    case("Softmax", f(2, 3, 4)),
    # convolutions and products
    case("Conv", f(2, 3, 7, 6), f(4, 3, 3, 3), f(4), strides=[2, 2], pads=[1, 1, 1, 1]),
    case("Conv", f(2, 3, 7, 6), f(4, 3, 3, 2), pads=[0, 1, 2, 1], dilations=[2, 1]),
    case("Conv", f(2, 4, 7, 6), f(4, 1, 3, 3), f(4), group=4, auto_pad="SAME_UPPER", strides=[2, 2]),
    case("Conv", f(2, 4, 7, 6), f(2, 4, 2, 2), auto_pad="SAME_LOWER"),
    case("Conv", f(2, 4, 7, 6), f(2, 4, 3, 3), auto_pad="VALID"),
    case("Conv", f(2, 3, 9), f(4, 3, 3), f(4), pads=[1, 1]),
    case("Conv", f(1, 2, 4, 5, 3), f(2, 2, 2, 2, 2)),
    *(case("FusedConv", f(2, 3, 7, 6), f(4, 3, 3, 3), f(4), pads=[1] * 4, activation=name, domain=MICROSOFT, **given)
      for name, given in {"Relu": {}, "Tanh": {}, "Sigmoid": {}, "LeakyRelu": {"activation_params": [0.2]},
                          "Clip": {"activation_params": [0.0, 6.0]},
                          "HardSigmoid": {"activation_params": [1 / 6, 0.5]}}.items()),
    case("FusedConv", f(2, 3, 7, 6), f(4, 3, 3, 3), f(4), f(2, 4, 5, 4), activation="Relu", domain=MICROSOFT),
    case("FusedGemm", f(2, 3), f(4, 3), f(4), transB=1, alpha=0.5, activation="Relu", domain=MICROSOFT),
    case("FusedGemm", f(2, 3), f(3, 4), activation="LeakyRelu", activation_alpha=0.3, domain=MICROSOFT),
    case("ConvTranspose", f(2, 3, 5, 4), f(3, 4, 2, 2), f(4), strides=[2, 2]),
    case("ConvTranspose", f(2, 4, 5, 4), f(4, 2, 3, 3), group=2, strides=[2, 2], pads=[1, 0, 0, 1],
         output_padding=[1, 1]),
    case("ConvTranspose", f(2, 3, 5, 4), f(3, 2, 3, 3), dilations=[2, 1]),
    case("ConvTranspose", f(2, 3, 5, 4), f(3, 2, 3, 3), f(2), strides=[2, 2], output_shape=[10, 8]),
    case("ConvTranspose", f(2, 3, 5, 4), f(3, 2, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    case("ConvTranspose", f(2, 3, 5, 4), f(3, 2, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    case("Gemm", f(3, 4), f(4, 5), f(5)), case("Gemm", f(4, 3), f(5, 4), f(5), transA=1, transB=1, alpha=0.5, beta=2.0),
    case("Gemm", f(3, 4), f(4, 5)),
    case("MatMul", f(2, 1, 3, 4), f(5, 4, 2)), case("MatMul", f(3, 4), f(4)),
    case("FusedMatMul", f(2, 3, 4), f(2, 3, 5), transA=1, alpha=0.3, domain=MICROSOFT),
    case("FusedMatMul", f(2, 3, 4), f(2, 5, 4), transB=1, domain=MICROSOFT),
    case("Einsum", f(2, 3, 4), f(4, 5), equation="bij, jk -> bik"),
    case("Attention", f(2, 2, 3, 4), f(2, 2, 5, 4, seed=1), f(2, 2, 5, 6, seed=2), since=23),
    case("Attention", f(2, 3, 8), f(2, 3, 8, seed=1), f(2, 3, 8, seed=2), since=23, q_num_heads=2, kv_num_heads=2,
         scale=0.3),
    # normalizations
    case("BatchNormalization", f(2, 3, 4, 4), f(3), f(3, seed=1), f(3, seed=2), p(3), epsilon=1e-3),
    case("BatchNormalization", f(4, 3), f(3), f(3, seed=1), f(3, seed=2), p(3), since=15),
    case("InstanceNormalization", f(2, 3, 4, 4), f(3), f(3, seed=1)),
    case("GroupNormalization", f(2, 6, 4, 4), f(2), f(2, seed=1), since=18, until=20, num_groups=2),
    case("GroupNormalization", f(2, 6, 4, 4), f(6), f(6, seed=1), since=21, num_groups=2, epsilon=1e-2),
    case("LayerNormalization", f(2, 3, 4), f(4), f(4, seed=1), since=17),
    case("LayerNormalization", f(2, 3, 4), f(3, 4), since=17, axis=1, epsilon=1e-2),
    case("LayerNormalization", f(2, 3, 4), f(4), f(4, seed=1), since=17, outputs=3),
    case("LayerNormalization", f(2, 3, 4), f(3, 4), since=17, axis=1, outputs=2, epsilon=1e-2),
    case("RMSNormalization", f(2, 3, 4), f(4), since=23),
    case("SimplifiedLayerNormalization", f(2, 3, 4), f(4), domain="", since=17, until=17),
    case("LpNormalization", f(2, 3, 4), axis=1), case("LpNormalization", f(2, 3, 4), p=1),
    *(case("LpNormalization", np.float32([[0, 0], [3, -4]]), p=power, smooth=False) for power in (1, 2)),
    case("MeanVarianceNormalization", f(2, 3, 4, 4)),
    case("LRN", f(2, 7, 4, 4), size=5, alpha=0.1, beta=0.6, bias=2.0),
    # pools
    case("MaxPool", f(2, 3, 7, 6), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    case("MaxPool", f(2, 3, 7, 6), kernel_shape=[3, 2], strides=[2, 2], pads=[0, 0, 1, 1], ceil_mode=1),
    case("MaxPool", f(2, 3, 7, 6), kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1),
    case("MaxPool", f(2, 3, 9, 9), kernel_shape=[3, 3], dilations=[2, 2]),
    case("MaxPool", f(2, 3, 7, 6), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("MaxPool", f(2, 3, 9), kernel_shape=[3]),
    *(case("AveragePool", f(2, 3, 7, 6), kernel_shape=[3, 3], strides=[2, 2], pads=pads, count_include_pad=count,
           ceil_mode=ceil)
      for pads in ([1, 1, 1, 1], [0, 1, 1, 0]) for count in (0, 1) for ceil in (0, 1)),
    case("AveragePool", f(2, 3, 9, 9), kernel_shape=[2, 2], dilations=[2, 2], since=19),
    case("AveragePool", f(2, 3, 7, 6), kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    case("AveragePool", f(2, 3, 9), kernel_shape=[3]),
    case("GlobalAveragePool", f(2, 3, 4, 5)), case("GlobalMaxPool", f(2, 3, 4, 5)), case("GlobalMaxPool", f(2, 3, 4)),
    *(case(name, p(2, 3, 4), axes=axes, keepdims=keep, until=17)
      for name in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
                   "ReduceLogSumExp", "ReduceProd")
      for axes, keep in (([1, -1], 1), ([0], 0))),
    *(case(name, p(2, 3, 4), i(2, -2), since=18, keepdims=0)
      for name in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
                   "ReduceLogSumExp", "ReduceProd")),
    case("ReduceMean", f(2, 3, 4), since=18), case("ReduceProd", p(2, 3), since=18),
    *(case(name, p(2, 3), since=18, noop_with_empty_axes=1)
      for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
                   "ReduceLogSum", "ReduceLogSumExp", "ReduceProd")),
    *(case(name, f(2, 3), since=18, noop_with_empty_axes=1) for name in ("ReduceL1", "ReduceL2", "ReduceSumSquare")),
    case("ReduceSum", f(2, 3, 4), i(1)), case("ReduceSum", f(2, 3, 4), i(0, 2), keepdims=0),
    *(case(name, f(2, 3, 4), axis=1, keepdims=keep, smooth=False)
      for name in ("ArgMax", "ArgMin") for keep in (0, 1)),
    case("ArgMax", np.float32([[1, 3, 3]]), axis=1, select_last_index=1, smooth=False),
    # shapes
    case("Reshape", f(2, 3, 4), i(0, -1)), case("Reshape", f(2, 0, 4), i(0, 8), since=14, allowzero=1, smooth=False),
    case("Reshape", f(1, 1), np.empty(0, np.int64)),
    case("Flatten", f(2, 3, 4)), case("Flatten", f(2, 3, 4), axis=-1), case("Flatten", f(2, 3, 4), axis=0),
    case("Squeeze", f(2, 1, 4, 1)), case("Squeeze", f(2, 1, 4, 1), i(-1)), case("Unsqueeze", f(2, 3), i(0, -1)),
    case("Transpose", f(2, 3, 4), perm=[2, 0, 1]), case("Transpose", f(2, 3, 4)),
    case("Expand", f(3, 1), i(2, 1, 4)), case("Tile", f(2, 3), i(2, 3)),
    case("Concat", f(2, 3), f(2, 4), axis=1), case("Concat", f(2, 3), f(1, 3), axis=-2),
    case("Split", f(5, 4), i(2, 3), outputs=2), case("Split", f(2, 6), axis=1, outputs=3, until=17),
    case("Split", f(2, 7), axis=1, outputs=3, num_outputs=3, since=18),
    case("Slice", f(5, 6), i(1, -1), i(4, -6), i(0, 1), i(2, -2)), case("Slice", f(5, 6), i(1), i(2**31 - 1)),
    case("Slice", f(5, 6), i(-3), i(-1), i(-1)), case("Slice", f(5), i(-1), i(-(2**31)), i(0), i(-1)),
    case("Gather", f(3, 4), i(2, -1, 0), axis=1), case("Gather", f(3, 4), one(1, np.int64)),
    case("Gather", f(3), one(-1, np.int64)), case("Gather", f(3, 4), np.array([[0, 1], [2, -3]], np.int32)),
    case("GatherElements", f(3, 4), np.array([[0, -1], [2, 1]], np.int64), axis=1),
    case("GatherND", f(3, 4, 2), np.array([[0, 1], [2, 3]], np.int64)),
    case("ScatterND", f(4, 3), np.array([[1], [3]], np.int64), f(2, 3, seed=1)),
    case("ScatterND", f(4, 3), np.array([[1], [1]], np.int64), f(2, 3, seed=1), since=16, reduction="add"),
    case("ScatterElements", f(3, 4), np.array([[0, -1]], np.int64), f(1, 2, seed=1), axis=1),
    case("ScatterElements", f(3, 4), np.array([[0, 0]], np.int64), f(1, 2, seed=1), axis=1, since=16, reduction="add"),
    case("Pad", f(2, 3, 4), i(0, 1, 2, 0, 0, -1), one(0.5)),
    *(case("Pad", f(2, 3, 4), i(0, 1, 2, 1, 2, 3), mode=mode) for mode in ("edge",)),
    case("Pad", f(2, 4, 5), i(0, 1, 2, 0, 3, 4), mode="reflect"),
    case("Pad", f(2, 4, 5), i(0, 1, 2, 0, 3, 4), mode="wrap", since=19),
    *(case("Pad", f(2, 6), i(0, *pads[:1], 0, *pads[1:]), mode=mode, since=19)
      for mode in ("wrap", "reflect", "edge") for pads in ((-2, 3), (3, -1), (-1, -2))),
    case("Pad", f(2, 3, 4), i(1, 2), None, i(-1), since=18),
    *(case(name, f(2, 8, 4, 6), blocksize=2, mode=mode) for name in ("DepthToSpace",) for mode in ("DCR", "CRD")),
    case("SpaceToDepth", f(2, 2, 4, 6), blocksize=2),
    case("Shape", f(2, 3, 4), smooth=False), case("Shape", f(2, 3, 4), since=15, start=1, end=-1, smooth=False),
    case("Size", f(2, 3, 4), smooth=False),
    case("ConstantOfShape", i(2, 3), smooth=False),
    case("ConstantOfShape", i(2, 3), value=numpy_helper.from_array(np.array([7], np.int64)), smooth=False),
    *(case("Constant", smooth=False, **value) for value in (
        {"value": numpy_helper.from_array(f(2, 3))}, {"value_float": 0.5}, {"value_ints": [1, 2]}, {"value_int": 3},
        {"value_floats": [0.5, 1.5]})),
    case("Range", one(2, np.int64), one(9, np.int64), one(3, np.int64), smooth=False),
    case("Range", one(0.5), one(2.0), one(0.25), smooth=False),
    *(case("Cast", f(2, 3) * 3, to=to, smooth=False) for to in (TensorProto.INT64, TensorProto.DOUBLE,
                                                                TensorProto.BOOL)),
    case("CastLike", f(2, 3) * 3, i(1), since=15, smooth=False),
    case("Dropout", f(2, 3)), case("Dropout", f(2, 3), one(0.5), np.array(False), smooth=False),
    case("Trilu", f(2, 4, 4), since=14), case("Trilu", f(4, 4), one(-1, np.int64), since=14, upper=0),
    case("CumSum", f(2, 4), one(1, np.int64)), case("TopK", f(3, 5), i(2), outputs=2, axis=1),
    case("TopK", f(3, 5), i(2), outputs=2, axis=0, largest=0),
    case("OneHot", i(1, -1, 0), one(3, np.int64), np.float32([0.1, 0.9]), smooth=False),
    case("OneHot", i(1, 3, -3, -4, 7), one(3, np.int64), np.float32([0.1, 0.9]), smooth=False),
    case("OneHot", i(1, 0), one(3, np.int64), np.float32([0.1, 0.9]), axis=0, smooth=False),
    case("NonZero", np.float32([[1, 0], [0, 2]]), smooth=False),
    # resizing
    *(case("Resize", f(2, 3, 4, 5), None, np.float32([1, 1, *scales]), mode=mode, coordinate_transformation_mode=way)
      for mode in ("linear", "cubic") for way in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
      for scales in ((2, 2), (0.6, 1.7))),
    *(case("Resize", f(2, 3, 4, 5), None, None, i(2, 3, 8, 3), mode="nearest", coordinate_transformation_mode=way,
           nearest_mode=near)
      for way in ("half_pixel", "asymmetric", "align_corners")
      for near in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")),
    case("Resize", f(2, 3, 4, 5), None, np.float32([1, 1, 2, 2])),
    case("Resize", f(2, 3, 4, 5), None, None, i(9, 8), since=18, axes=[2, 3], mode="linear"),
    *(case("Resize", f(1, 1, 4, 6), None, None, i(7, 8), since=18, axes=[2, 3], mode="linear",
           keep_aspect_ratio_policy=policy) for policy in ("not_larger", "not_smaller")),
    *(case("Resize", f(1, 2, 9, 8), None, np.float32([1, 1, 0.5, 0.4]), since=18, mode=mode, antialias=1)
      for mode in ("linear", "cubic")),
    case("Resize", f(1, 2, 6, 5), None, np.float32([1, 1, 1.5, 2]), mode="cubic", exclude_outside=1,
         cubic_coeff_a=-0.5),
    case("Resize", f(1, 2, 6, 5), None, np.float32([1, 1, 1.3, 0.7]), since=19, mode="linear",
         coordinate_transformation_mode="half_pixel_symmetric"),
    *(case("GridSample", f(2, 3, 6, 5), GRID, since=16, until=17, mode=mode, padding_mode=padding)
      for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border")),
    case("GridSample", f(2, 3, 6, 5), GRID, since=20, mode="linear", align_corners=1),
    # int8
    case("QuantizeLinear", f(2, 3, 4), one(0.01), one(100, np.uint8), smooth=False),
    case("QuantizeLinear", f(2, 3, 4), p(3) / 50, np.array([0, 5, -9], np.int8), axis=1, smooth=False),
    case("QuantizeLinear", f(2, 3), one(0.01), smooth=False),
    case("QuantizeLinear", f(2, 3), one(0.01), since=21, output_dtype=TensorProto.INT8, smooth=False),
    case("DequantizeLinear", s8(4, 3), p(4), np.array([1, 2, 3, 4], np.int8), axis=0, smooth=False),
    case("QuantizeLinear", f(2, 3), one(0.001), one(100, np.uint16), domain=MICROSOFT, smooth=False),
    case("DequantizeLinear", s8(4, 3), one(0.1), one(4, np.int8), domain=MICROSOFT, smooth=False),
    case("DequantizeLinear", np.array([70000, -3], np.int32), one(0.01), smooth=False),
    case("DequantizeLinear", s8(4, 6), p(4, 2), axis=1, block_size=3, since=21, smooth=False),
    case("DynamicQuantizeLinear", f(3, 4), outputs=3, smooth=False),
    case("MatMulInteger", u8(3, 4), s8(4, 5), one(7, np.uint8), np.array([1, 2, 3, 4, 5], np.int8), smooth=False),
    case("ConvInteger", u8(1, 2, 5, 5), u8(3, 2, 3, 3), one(7, np.uint8), one(9, np.uint8), pads=[1] * 4, smooth=False),
    case("QLinearConv", u8(1, 2, 5, 5), *BY, s8(3, 2, 3, 3), np.float32([0.01, 0.02, 0.03]), np.zeros(3, np.int8), *OUT,
         np.array([3, -4, 500], np.int32), pads=[1] * 4, smooth=False),
    case("QLinearMatMul", u8(3, 4), *BY, u8(4, 5), *BY, *OUT, smooth=False),
    case("QGemm", u8(3, 4), *BY, s8(5, 4), one(0.01), one(0, np.int8), np.arange(5, dtype=np.int32) * 100, *OUT,
         transB=1, domain=MICROSOFT, smooth=False),
    *(case(name, u8(2, 3, 4), *BY, u8(2, 3, 4, seed=1), *BY, *OUT, domain=MICROSOFT, smooth=False)
      for name in ("QLinearAdd", "QLinearMul")),
    case("QLinearConcat", *OUT, u8(2, 3), *BY, u8(2, 2), *OUT, axis=1, domain=MICROSOFT, smooth=False),
    case("QLinearGlobalAveragePool", u8(2, 3, 4, 4), *BY, *OUT, domain=MICROSOFT, smooth=False),
    *(case("QLinearAveragePool", u8(2, 3, 7, 6), *BY, *OUT, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=ceil,
           domain=MICROSOFT, smooth=False) for ceil in (0, 1)),
    case("QLinearLeakyRelu", u8(2, 3), *BY, *OUT, alpha=0.1, domain=MICROSOFT, smooth=False),
    case("QLinearSigmoid", u8(2, 3), *BY, one(1 / 256), one(0, np.uint8), domain=MICROSOFT, smooth=False),
    case("QLinearSoftmax", u8(2, 3), *BY, one(1 / 256), one(0, np.uint8), axis=-1, opset=13, domain=MICROSOFT,
         smooth=False),
]  # fmt: skip


def build(case: Case, opset: int, *, double: bool = False) -> tuple[onnx.ModelProto, dict[str, NDArray[Any]]]:
    """The one node as a network: its first input is given, the others are weights."""
    names, weights, feed = [], [], {}
    for at, array in enumerate(case.inputs):
        names.append("" if array is None else f"input{at}")
        if array is None:
            continue
        kept = array.astype(np.float64) if double and array.dtype == np.float32 else array
        if at == 0:
            feed[names[0]] = kept
        else:
            weights.append(numpy_helper.from_array(kept, names[at]))
    outputs = [f"output{at}" for at in range(case.outputs)]
    node = helper.make_node(case.operator, names, outputs, domain=case.domain, **case.attributes)
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feed.items()
    ]
    made = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", given, made, weights)
    versions = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=10), feed


def values(network: Network, feed: dict[str, NDArray[Any]]) -> list[Any]:
    return network({name: network.tensor(array) for name, array in feed.items()})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operator_gives_what_onnxruntime_gives(case: Case) -> None:
    for opset in case.opsets:
        model, feed = build(case, opset)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        expected = session.run(None, feed)
        for got, wanted in zip(values(Network(model, INSIDE), feed), expected, strict=True):
            assert tuple(got.shape) == wanted.shape
            # A number that lies between two whole ones may be rounded either way.
            step = 1.0 if wanted.dtype in (np.uint8, np.int8) and case.operator.startswith(("Q", "Dyn")) else 0.0
            np.testing.assert_allclose(got.numpy().astype(np.float64), wanted.astype(np.float64), 1e-4, 1e-5 + step)


@pytest.mark.parametrize("case", [one for one in CASES if one.smooth], ids=str)
def test_a_gradient_is_the_limit_of_differences(case: Case) -> None:
    model, feed = build(case, case.opsets[-1], double=True)
    network = Network(model, INSIDE)
    ((name, array),) = feed.items()

    def run(x: Any) -> Any:
        return tuple(value for value in network({name: x}) if value.is_floating_point())

    x = torch.from_numpy(array).requires_grad_()
    assert torch.autograd.gradcheck(run, (x,), atol=1e-4, rtol=1e-3, fast_mode=True)


def test_every_operator_of_the_table_is_tried() -> None:
    assert set(OPERATORS) == {(case.domain, case.operator) for case in CASES}


def test_rounding_is_passed_straight_through_within_the_range() -> None:
    model, _ = build(case("QuantizeLinear", f(1), one(0.1), one(10, np.uint8)), 13)
    network = Network(model, INSIDE)
    x = torch.tensor([-5.0, 0.123, 0.5, 40.0], requires_grad=True)
    (steps,) = network({"input0": x})
    (gradient,) = torch.autograd.grad(steps.sum(), x)

    np.testing.assert_allclose(steps.detach(), [0, 11, 15, 255])
    np.testing.assert_allclose(gradient, [0, 10, 10, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (case("Det", f(3, 3)), "operators that have no gradient here: Det"),
        (case("Attention", f(1, 4, 8), f(8, 24), f(24), num_heads=2, domain=MICROSOFT), "Attention .com.microsoft."),
        (case("Relu", f(3), domain="elsewhere"), "Relu .elsewhere."),
        (case("MaxPool", f(1, 1, 4, 4), outputs=2, kernel_shape=[2, 2]), "MaxPool with indices"),
        (case("Resize", f(1, 1, 4, 4), None, np.float32([1, 1, 2, 2]),
              coordinate_transformation_mode="tf_crop_and_resize"), "tf_crop_and_resize"),
        (case("CumSum", f(3), one(0, np.int64), reverse=1), "CumSum reversed"),
        (case("BatchNormalization", f(2, 3), f(3), f(3), f(3), p(3), training_mode=1), "in training mode"),
        (case("TopK", f(2, 3), i(1), outputs=3, axis=1), "TopK with further outputs"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_known_is_named(made: Case, message: str) -> None:
    model, feed = build(made, 17)

    with pytest.raises(Unsupported, match=message):
        values(Network(model, INSIDE), feed)


@pytest.mark.parametrize("nearest", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize(
    "way", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"]
)
def test_resizing_takes_the_cells_that_onnxruntime_takes(way: str, nearest: str) -> None:
    nodes, weights, given = [], [], []
    for old in (4, 5, 7, 10):
        given.append(helper.make_tensor_value_info(f"x{old}", TensorProto.FLOAT, [1, 1, old]))
        for at, factor in enumerate((0.3, 0.5, 0.6, 0.75, 0.9, 1.1, 1.5, 1.7, 2.0, 2.3)):
            for form, array in (("scales", np.float32([1, 1, factor])), ("sizes", i(1, 1, math.ceil(old * factor)))):
                name = f"{form}{old}.{at}"
                weights.append(numpy_helper.from_array(array, name))
                inputs = [f"x{old}", "", name] if form == "scales" else [f"x{old}", "", "", name]
                nodes.append(helper.make_node("Resize", inputs, [f"y.{name}"], mode="nearest", nearest_mode=nearest,
                                              coordinate_transformation_mode=way))  # fmt: skip
    made = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
    graph = helper.make_graph(nodes, "many", given, made, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    feed = {f"x{old}": np.arange(old, dtype=np.float32)[None, None] for old in (4, 5, 7, 10)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for node, got, wanted in zip(nodes, values(Network(model, INSIDE), feed), session.run(None, feed), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted, node.output[0])


def test_half_precision_is_computed_in_single() -> None:
    half = case("MatMul", f(2, 3).astype(np.float16), f(3, 2).astype(np.float16))
    model, feed = build(half, 17)
    (got,) = values(Network(model, INSIDE), feed)

    assert got.dtype == torch.float32
    assert math.isfinite(float(got.sum()))
