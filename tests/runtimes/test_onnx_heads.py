"""The way from a pooled map to the logits, as one weight and one bias."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audit.runtimes import Head, Request, open_model
from tests.runtimes.test_onnx import pictures, values_of
from tests.support import onnx_networks as networks

Build = Callable[[networks.Net, str], str]  # from the last map [N, 8, 8, 8] to the logits [N, 3]


def _network(head: Build) -> networks.onnx.ModelProto:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3), name="/last/Relu")
    return net.model(("batch", 3, 8, 8), {head(net, x): ("batch", 3)})


def _pooled(net: networks.Net, x: str) -> str:
    return net.add("Flatten", net.add("GlobalAveragePool", x))


def _mean(net: networks.Net, x: str) -> str:
    return net.linear(net.add("ReduceMean", x, axes=[-1, -2], keepdims=0), (8, 3), out="logits")


def _average_pool(net: networks.Net, x: str) -> str:
    x = net.add("AveragePool", net.add("Dropout", x), kernel_shape=[8, 8])
    shape = net.add(
        "Concat", net.add("Slice", net.add("Shape", x), *_ints(net, 0, 1)), net.weight(np.array([-1])), axis=0
    )
    return net.linear(net.add("Reshape", x, shape), (8, 3), out="logits")


def _ints(net: networks.Net, *values: int) -> list[str]:
    return [net.weight(np.array([value])) for value in values]


def _matmul(net: networks.Net, x: str) -> str:
    weight = net.weight(net.random.normal(size=(8, 3)))
    x = net.add("MatMul", _pooled(net, x), weight)
    return net.add("Add", net.weight(net.random.normal(size=3)), x, out="logits")


def _one_by_one(net: networks.Net, x: str) -> str:
    x = net.conv(net.add("GlobalAveragePool", x), (8, 3), 1)
    return net.add("Flatten", x, out="logits")


def _two_linear(net: networks.Net, x: str) -> str:
    return net.linear(net.linear(_pooled(net, x), (8, 5), alpha=0.5, beta=2.0), (5, 3), out="logits")


def _normalized(net: networks.Net, x: str) -> str:
    four = [net.weight(np.abs(net.random.normal(size=8)) + 0.5) for _ in range(4)]
    x = net.linear(net.add("BatchNormalization", _pooled(net, x), *four, epsilon=0.01), (8, 3))
    x = net.add("Sub", net.weight(np.float32([1])), x)
    return net.add(
        "Div", net.add("Mul", x, net.weight(np.float32([1, 2, 3]))), net.weight(np.float32([4])), out="logits"
    )


def _no_linear(net: networks.Net, x: str) -> str:
    x = net.conv(x, (8, 3), 3, name="/classes/Conv")
    return net.add("ReduceMean", x, out="logits", axes=[2, 3], keepdims=0)


def _concatenated(net: networks.Net, x: str) -> str:
    return net.linear(_pooled(net, net.add("Concat", x, x, axis=1, name="/both/Concat")), (16, 3), out="logits")


HEADS = {
    "mean and linear": (_mean, "last"),
    "average pool, dropout, dynamic reshape": (_average_pool, "last"),
    "matrix product": (_matmul, "last"),
    "1 x 1 convolution": (_one_by_one, "last"),
    "two linear layers": (_two_linear, "last"),
    "norm, scale and offset": (_normalized, "last"),
    "no linear layer": (_no_linear, "classes"),
    "a map that is no layer otherwise": (_concatenated, "both"),
}


@pytest.mark.parametrize("kind", HEADS)
def test_weight_times_mean_activation_plus_bias_is_the_logits(kind: str, tmp_path: Path) -> None:
    build, layer = HEADS[kind]
    model = open_model(networks.save(_network(build), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))
    head = description.heads["logits"]
    model.prepare(Request(output="logits", cam_layer=head.layer))
    capture = model.run(pictures((5, 3, 8, 8)))

    assert capture.activation is not None
    logits = capture.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
    assert head.layer == layer
    assert head.layer in [found.name for found in description.layers]
    assert description.heads_missing == {}
    assert np.allclose(logits, capture.outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("final", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_a_final_function_is_told_and_the_head_stands_before_it(final: str, tmp_path: Path) -> None:
    made = networks.small_cnn(final=final)
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    description = model.describe((1, 3, 16, 16))
    head: Head = description.heads["scores"]
    model.prepare(Request(output="scores", cam_layer=head.layer))
    images = pictures((4, 3, 16, 16))
    activation = model.run(images).activation

    assert activation is not None
    assert description.final == {
        "scores": {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}[final]
    }
    truth = values_of(made, ["raw"], images)["raw"]
    assert np.allclose(activation.mean(axis=(2, 3)) @ head.weight.T + head.bias, truth, rtol=1e-4, atol=1e-5)


def _flattened(net: networks.Net, x: str) -> str:
    return net.linear(net.add("Flatten", x), (512, 3), out="logits")


def _hidden(net: networks.Net, x: str) -> str:
    return net.linear(net.add("Relu", net.linear(_pooled(net, x), (8, 5))), (5, 3), out="logits")


def _largest(net: networks.Net, x: str) -> str:
    return net.linear(net.add("Flatten", net.add("GlobalMaxPool", x)), (8, 3), out="logits")


def _quarters(net: networks.Net, x: str) -> str:
    x = net.add("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    return net.linear(net.add("Flatten", x), (32, 3), out="logits")


def _rows(net: networks.Net, x: str) -> str:
    return net.linear(net.add("ReduceMean", x, axes=[1, 2], keepdims=0), (8, 3), out="logits")


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (_flattened, "reads the flattened map of 8 x 8 x 8"),
        (_hidden, "the non-linearity Relu stands before the output"),
        (_largest, "goes through GlobalMaxPool"),
        (_quarters, "reads the flattened map of 8 x 2 x 2"),
        (_rows, "do more than pool and weigh"),
    ],
)
def test_other_heads_are_missing_with_a_reason(head: Build, reason: str, tmp_path: Path) -> None:
    model = open_model(networks.save(_network(head), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))

    assert description.heads == {}
    assert reason in description.heads_missing["logits"]


def test_a_quantized_head_that_cuts_off_what_it_gives_is_missing_for_that_reason(tmp_path: Path) -> None:
    """Logits that the integers of the output have no room for."""
    net = networks.Net()

    def pair(x: str, scale: float, zero: int) -> str:
        by = net.weight(np.float32(scale)), net.weight(np.uint8(zero))
        return net.add("DequantizeLinear", net.add("QuantizeLinear", x, *by), *by)

    x = net.add("Relu", net.conv(pair("image", 0.03, 128), (3, 16), 3), name="/relu/Relu")
    x = net.add("GlobalAveragePool", pair(x, 0.02, 0))
    x = net.add("Identity", pair(net.linear(net.add("Flatten", x), (16, 3)), 1e-5, 128), out="logits")
    description = open_model(
        networks.save(net.model(("batch", 3, 16, 16), {x: ("batch", 3)}), tmp_path / "net.onnx")
    ).describe((1, 3, 16, 16))

    assert description.heads == {}
    assert "quantized" in description.heads_missing["logits"]
    assert "relative" not in description.heads_missing["logits"]


def test_each_of_several_outputs_has_its_own_head(tmp_path: Path) -> None:
    net = networks.Net()
    x = _pooled(net, net.add("Relu", net.conv("image", (3, 8), 3), name="/last/Relu"))
    outputs = {net.linear(x, (8, 1), out="age"): ("batch", 1), net.linear(x, (8, 2), out="sex"): ("batch", 2)}
    model = open_model(networks.save(net.model(("batch", 3, 8, 8), outputs), tmp_path / "net.onnx"))
    heads = model.describe((1, 3, 8, 8)).heads

    assert {name: head.weight.shape for name, head in heads.items()} == {"age": (1, 8), "sex": (2, 8)}
