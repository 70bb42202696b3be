"""Patterns met in files by other writers, each built here by itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from audit.errors import ModelError, UnsafeModel
from audit.runtimes import REDUCTIONS, Capture, Description, Request, open_model
from tests.support import onnx_networks as networks

Build = Callable[[], onnx.ModelProto]


def reader_of_text(tmp_path: Path) -> Path:
    """A letter a column, as readers of text give them, and a softmax over the last of three axes in the way that
    onnx's converter lifts an old one: on a table with one row a letter."""
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3), name="/act/Relu")
    x = net.add("Transpose", net.add("ReduceMean", x, axes=[2], keepdims=0), perm=[0, 2, 1])
    x = net.add("MatMul", x, net.weight(net.random.normal(size=(4, 5))))
    folded = net.add("Softmax", net.add("Flatten", x, axis=2), axis=-1)
    net.add("Reshape", folded, net.add("Shape", x), out="letters")
    return networks.save(net.model(("b", 3, 6, 8), {"letters": ("b", 8, 5)}), tmp_path / "net.onnx")


def test_each_picture_has_its_own_logits_where_an_old_softmax_folds_them_into_a_table(tmp_path: Path) -> None:
    model = open_model(reader_of_text(tmp_path))
    description = model.describe((1, 3, 6, 8))
    model.prepare(Request(output="letters", cam_layer="act", tail=True, logits=True))
    images = np.random.default_rng(0).normal(size=(3, 3, 6, 8)).astype(np.float32)
    together, alone = model.run(images), model.run(images[1:2])
    assert together.logits is not None
    assert alone.logits is not None
    assert together.activation is not None
    assert together.tail is not None
    changed = together.activation.copy()
    changed[1] += 1
    moved = np.abs(together.tail(changed) - together.logits).max(axis=1) > 1e-3

    assert description.final == {"letters": None}
    assert together.logits.shape == (3, 40)
    np.testing.assert_allclose(together.logits[1], alone.logits[0], rtol=1e-5)
    assert moved.tolist() == [False, True, False]


def test_a_map_handed_on_as_it_is_before_a_sigmoid_is_no_linear_layer(tmp_path: Path) -> None:
    """Paddle's writer puts an Identity behind each of its own operators."""
    net = networks.Net()
    net.add("Sigmoid", net.add("Identity", net.conv("image", (3, 1), 3)), out="mask")
    model = open_model(networks.save(net.model(("b", 3, 8, 8), {"mask": ("b", 1, 8, 8)}), tmp_path / "net.onnx"))

    assert model.describe((1, 3, 8, 8)).heads_missing == {
        "mask": "no pooling stands between the last convolution and the output 'mask'"
    }


def test_an_operator_that_onnxruntime_does_not_know_is_named(tmp_path: Path) -> None:
    net = networks.Net()
    net.add("StatefulPartitionedCall", "image", out="out", name="block/depthwise/StatefulPartitionedCall")
    made = net.model((1, 3, 8, 8), {"out": (1, 3, 8, 8)})
    with pytest.raises(ModelError, match=r"operator that onnxruntime does not know, got 'StatefulPartitionedCall'"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_a_format_from_the_future_is_refused_in_words(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.ir_version = 999
    with pytest.raises(
        ModelError, match=r"newer version of the ONNX format.*IR version 999.*Update onnxruntime"
    ) as said:
        open_model(networks.save(made, tmp_path / "net.onnx"))

    assert "\n" not in str(said.value)


def test_a_file_that_onnxruntime_calls_invalid_is_told_by_what_is_wrong_with_it(tmp_path: Path) -> None:
    net = networks.Net(opset=10)
    x = net.add("QuantizeLinear", "image", net.weight(np.float32(0.1)), net.weight(np.uint8(0)))
    net.add("DequantizeLinear", x, net.weight(np.float32(0.1)), net.weight(np.uint8(0)), name="late", out="out", axis=1)
    made = net.model((1, 3, 8, 8), {"out": (1, 3, 8, 8)})
    with pytest.raises(ModelError, match=r'\(DequantizeLinear "late": Unrecognized attribute: axis'):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_a_file_laid_out_for_one_processor_says_what_to_take(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.graph.node[0].domain = "com.microsoft.nchwc"
    with pytest.raises(UnsafeModel, match=r"one kind of processor.*Take the file that it was made from"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def optimized(made: onnx.ModelProto, path: Path) -> Path:
    """As onnxruntime saves what it has fused: a convolution and its non-linearity are one operator of its own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return path


def halves(*, clip: bool = False) -> onnx.ModelProto:
    """A convolution; a depthwise and a pointwise one, with a non-linearity after each or only after both."""
    net = networks.Net()
    bounds = (net.weight(np.float32(0)), net.weight(np.float32(6)))
    x = net.add("Relu", net.conv("image", (3, 8), 3, stride=2))
    x = net.conv(x, (8, 8), 3, group=8)
    x = net.conv(net.add("Clip", x, *bounds) if clip else x, (8, 12), 1)
    x = net.add("Clip", x, *bounds) if clip else net.add("Relu", x)
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    net.linear(x, (12, 2), out="out")
    return net.model(("b", 3, 16, 16), {"out": ("b", 2)})


def hidden() -> onnx.ModelProto:
    """A linear layer with a ReLU behind the pool."""
    net = networks.Net()
    x = net.add("Flatten", net.add("GlobalAveragePool", net.add("Relu", net.conv("image", (3, 8), 3))))
    net.linear(net.add("Relu", net.linear(x, (8, 6))), (6, 2), out="out")
    return net.model(("b", 3, 16, 16), {"out": ("b", 2)})


def looked_into(path: Path, size: tuple[int, int] = (16, 16)) -> tuple[Description, Capture]:
    model = open_model(path, threads=1)
    description = model.describe((1, 3, *size))
    wanted = {layer.name: REDUCTIONS for layer in description.layers}
    model.prepare(Request(output=model.outputs[0].name, reductions=wanted))
    return description, model.run(np.random.default_rng(0).normal(size=(3, 3, *size)).astype(np.float32))


@pytest.mark.parametrize(
    "build",
    [networks.small_cnn, halves, lambda: halves(clip=True), hidden, networks.squeeze_and_excitation],
    ids=["plain", "halves", "halves with bounds", "hidden layer", "squeeze and excitation"],
)
def test_what_onnxruntime_has_fused_shows_the_same_layers(build: Build, tmp_path: Path) -> None:
    written = networks.save(build(), tmp_path / "net.onnx")
    fused = optimized(build(), tmp_path / "fused.onnx")
    (plain, expected), (description, found) = (looked_into(path) for path in (written, fused))
    told = [
        [(one.kind, one.shape, one.depth, one.convolution, one.non_negative, one.cost) for one in seen.layers]
        for seen in (plain, description)
    ]

    assert any(node.op_type in {"FusedConv", "FusedGemm"} for node in onnx.load(fused).graph.node)
    assert told[0] == told[1]
    assert bool(plain.heads) == bool(description.heads)
    for one, other in zip(plain.layers, description.layers, strict=True):
        for reduction in REDUCTIONS:
            strengths = expected.strengths[one.name, reduction], found.strengths[other.name, reduction]
            np.testing.assert_allclose(*strengths, rtol=1e-5, atol=1e-6)


def test_a_depthwise_half_is_no_layer_where_scales_are_found_as_the_file_runs(tmp_path: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")
    whole = networks.save(halves(), tmp_path / "whole.onnx")
    with contextlib.redirect_stdout(io.StringIO()):
        quantization.quantize_dynamic(whole, tmp_path / "int8.onnx")
    plain, rounded = (looked_into(tmp_path / name)[0] for name in ("whole.onnx", "int8.onnx"))

    assert [(one.kind, one.shape) for one in plain.layers] == [("relu", (8, 8, 8)), ("relu", (12, 8, 8))]
    assert [(one.name, one.kind, one.shape) for one in rounded.layers] == [
        (one.name, one.kind, one.shape) for one in plain.layers
    ]
    assert "the one that it was quantized from may allow it" in rounded.heads_missing["out"]
