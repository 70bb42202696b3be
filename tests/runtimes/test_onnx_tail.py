"""ONNX files run on from a layer, whatever they are made of; no torch needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.cams import CAMS, Mapper
from audit.errors import ModelError
from audit.runtimes import Request, last_map, open_model
from audit.runtimes._agreement import HALF_TOLERANCE
from audit.runtimes._onnx_onward import tolerance_of
from audit.runtimes._onnx_taps import Taps
from tests.support import onnx_networks as networks
from tests.support.onnx_networks import onnx


def pictures(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def written_out(model: onnx.ModelProto, tensor: str, path: Path) -> Path:
    """The same network with a switch: what a layer gives is multiplied by an input that has the default 1."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.input[:] = [f"{tensor}.switched" if name == tensor else name for name in node.input]
    at = next(i for i, node in enumerate(copy.graph.node) if tensor in node.output)
    switch = onnx.helper.make_node("Mul", [tensor, "switch"], [f"{tensor}.switched"])
    copy.graph.node.insert(at + 1, switch)
    copy.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.25), "switch"))
    return networks.save(copy, path)


@pytest.mark.parametrize(
    ("model", "layer", "tensor", "shape"),
    [
        (networks.small_cnn(), "features.1", "/features/features.1/Relu_output_0", (3, 16, 16)),
        (networks.small_cnn(batch=4), "features.3", "/features/features.3/Relu_output_0", (3, 16, 16)),
        (networks.small_cnn(opset=9), "features.1", "/features/features.1/Relu_output_0", (3, 16, 16)),
        (networks.squeeze_and_excitation(), "relu", "/relu/Relu_output_0", (3, 16, 16)),
        (networks.channels_last(), "block.relu", "/block/relu/Relu_output_0", (12, 16, 3)),
        (networks.separable(), "act", "/act/Clip_output_0", (3, 16, 16)),
    ],
    ids=["early", "fixed batch", "lifted", "gate", "channels last", "skip"],
)
def test_it_gives_what_the_changed_network_gives(
    model: onnx.ModelProto, layer: str, tensor: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    tapped = open_model(networks.save(model, tmp_path / "net.onnx"))
    assert tapped.describe((1, *shape)).tail is None
    tapped.prepare(Request(output="logits", cam_layer=layer, tail=True))
    other = open_model(written_out(model, tensor, tmp_path / "switched.onnx"))
    other.prepare(Request(output="logits"))
    for batch in (1, 4, 6):
        captured = tapped.run(pictures((batch, *shape), seed=batch))
        assert captured.tail is not None
        assert captured.activation is not None
        np.testing.assert_allclose(captured.tail(captured.activation), captured.outputs, rtol=1e-5, atol=1e-6)
        expected = other.run(pictures((batch, *shape), seed=batch)).outputs
        assert np.abs(expected - captured.outputs).max() > 1e-3
        np.testing.assert_allclose(captured.tail(captured.activation * 0.25), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("final", ["Softmax", "Sigmoid"])
def test_it_stops_before_a_final_function(final: str, tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(final=final), tmp_path / "net.onnx"))
    model.describe((1, 3, 16, 16))
    model.prepare(Request(output="scores", cam_layer="features.3", tail=True))
    captured = model.run(pictures((3, 3, 16, 16)))
    assert captured.tail is not None
    assert captured.activation is not None
    logits = captured.tail(captured.activation).astype(np.float64)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if final == "Softmax" else 1 / (1 + np.exp(-logits))

    np.testing.assert_allclose(scores, captured.outputs, rtol=1e-5)


@pytest.mark.parametrize("make", [networks.quantized, networks.integer_convolutions])
def test_whole_numbers_go_on_as_such(make: object, tmp_path: Path) -> None:
    model = open_model(networks.save(make(), tmp_path / "net.onnx"))  # type: ignore[operator]
    description = model.describe((1, 3, 16, 16))
    assert last_map(description.layers) is not None
    assert description.tail is None
    for layer in description.layers:
        model.prepare(Request(output="logits", cam_layer=layer.name, tail=True))
        captured = model.run(pictures((3, 3, 16, 16)))
        assert captured.tail is not None
        assert captured.activation is not None
        off = np.abs(captured.tail(captured.activation) - captured.outputs).max()
        assert off <= 1e-2 * np.abs(captured.outputs).max()
        assert np.ptp(captured.tail(np.zeros_like(captured.activation)), axis=0).max() < 1e-6


def test_half_precision_and_data_beside_the_file(tmp_path: Path) -> None:
    half = networks.small_cnn(dtype="float16")
    onnx.save(half, str(tmp_path / "net.onnx"), save_as_external_data=True, location="net.bin", size_threshold=0)
    model = open_model(tmp_path / "net.onnx")
    assert model.describe((1, 3, 16, 16)).tail is None
    model.prepare(Request(output="logits", cam_layer="features.1", tail=True))
    captured = model.run(pictures((3, 3, 16, 16)))
    assert captured.tail is not None
    assert captured.activation is not None

    np.testing.assert_allclose(captured.tail(captured.activation), captured.outputs, rtol=1e-2, atol=1e-2)


def test_half_precision_is_known_by_weights_in_nodes_too() -> None:
    half = networks.small_cnn(dtype="float16")
    written = [
        onnx.helper.make_node("Constant", [], [one.name], name=one.name, value=one) for one in half.graph.initializer
    ]
    nodes = [*written, *half.graph.node]
    del half.graph.initializer[:], half.graph.node[:]
    half.graph.node.extend(nodes)

    assert tolerance_of(half) == HALF_TOLERANCE != tolerance_of(networks.small_cnn())


def test_logits_that_do_not_depend_on_a_layer_stay(tmp_path: Path) -> None:
    net = networks.Net()
    first = net.add("Relu", net.conv("image", (3, 4), 3, name="/a/Conv"), name="/a/Relu")
    second = net.add("Relu", net.conv("image", (3, 4), 3, name="/b/Conv"), name="/b/Relu")
    for x, out in ((first, "one"), (second, "two")):
        net.add("ReduceMean", x, out=out, axes=[2, 3], keepdims=0)
    path = networks.save(net.model(("b", 3, 8, 8), {"one": ("b", 4), "two": ("b", 4)}), tmp_path / "net.onnx")
    model = open_model(path)
    assert model.describe((1, 3, 8, 8)).tail is None
    model.prepare(Request(output="two", cam_layer="a", tail=True))
    captured = model.run(pictures((2, 3, 8, 8)))
    assert captured.tail is not None
    assert captured.activation is not None

    np.testing.assert_array_equal(captured.tail(captured.activation * 2), captured.outputs)


def test_a_layer_may_be_the_output_itself(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3, name="/a/Conv"), name="/a/Relu")
    net.conv(x, (4, 2), 3, name="/b/Conv", out="picture")
    model = open_model(networks.save(net.model(("b", 3, 8, 8), {"picture": ("b", 2, 8, 8)}), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))
    last = last_map(description.layers)
    assert last is not None
    assert description.tail is None
    model.prepare(Request(output="picture", cam_layer=last.name, tail=True))
    captured = model.run(pictures((2, 3, 8, 8)))
    assert captured.tail is not None
    assert captured.activation is not None

    np.testing.assert_array_equal(captured.tail(captured.activation * 2), captured.outputs.reshape(2, -1) * 2)


def test_gradients_of_a_pooled_head_need_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else object())
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 16, 16))
    assert description.gradients is None
    head = description.heads["logits"]
    model.prepare(Request(output="logits", cam_layer=head.layer, gradients=True))
    captured = model.run(pictures((3, 3, 16, 16)))
    assert captured.gradient is not None
    gradient = captured.gradient(np.array([0, 2, 1]))

    assert gradient.shape == (3, 12, 8, 8)
    for picture, target in enumerate((0, 2, 1)):
        for channel in range(12):
            np.testing.assert_allclose(gradient[picture, channel], head.weight[target, channel] / 64, rtol=1e-6)


def test_one_logit_is_the_evidence_for_class_1_and_against_class_0(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(classes=1, final="Sigmoid"), tmp_path / "net.onnx"))
    model.describe((1, 3, 16, 16))
    model.prepare(Request(output="scores", cam_layer="features.3", gradients=True))
    captured = model.run(pictures((1, 3, 16, 16)))
    assert captured.gradient is not None

    np.testing.assert_array_equal(captured.gradient(np.array([0])), -captured.gradient(np.array([1])))


def test_without_torch_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else object())
    model = open_model(networks.save(flattened(), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))
    assert description.gradients is not None
    assert "pip install 'bias-audit[torch]'" in description.gradients
    assert description.tail is None

    with pytest.raises(ModelError, match="pip install 'bias-audit\\[torch\\]'"):
        model.prepare(Request(output="logits", cam_layer="relu", gradients=True))


@pytest.mark.torch
def test_an_operator_without_a_gradient_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = open_model(networks.save(flattened("Det"), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))
    assert description.gradients == "this file gives no gradients: operators that have no gradient here: Det"
    assert description.tail is None
    model.prepare(Request(output="logits", cam_layer="relu", gradients=True))

    with pytest.raises(ModelError, match="no gradients at this layer: operators that have no gradient here: Det"):
        model.run(pictures((2, 3, 8, 8)))


@pytest.mark.torch
def test_what_is_not_finite_in_one_picture_stays_in_its_map(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = open_model(networks.save(flattened(), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 8, 8))
    model.prepare(Request(output="logits", cam_layer="relu", gradients=True))
    mapper = Mapper(method=CAMS.get("gradcam"), head=None)
    images = pictures((3, 3, 8, 8))
    healthy = mapper.maps(model, model.run(images), images, np.array([0, 1, 0]))
    images[1, 0, 2, 2] = np.inf
    maps = mapper.maps(model, model.run(images), images, np.array([0, 1, 0]))

    assert description.gradients is None
    assert np.isnan(maps[1]).all()
    np.testing.assert_allclose(maps[[0, 2]], healthy[[0, 2]], rtol=1e-5)


@pytest.mark.torch
def test_gradients_of_a_fixed_batch_are_those_of_a_free_one(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    targets, found = np.array([0, 1, 1, 0, 1, 0]), []
    for batch in ("batch", 4):
        model = open_model(networks.save(flattened(batch=batch), tmp_path / "net.onnx"))
        model.describe((1, 3, 8, 8))
        model.prepare(Request(output="logits", cam_layer="relu", gradients=True))
        for seed in range(2):
            captured = model.run(pictures((6, 3, 8, 8), seed=seed))
            assert captured.gradient is not None
            found.append(captured.gradient(targets))

    np.testing.assert_allclose(found[0], found[2], rtol=1e-6)
    np.testing.assert_allclose(found[1], found[3], rtol=1e-6)
    assert found[0].shape == (6, 4, 8, 8)
    assert not np.array_equal(found[0][0], found[0][1])


def flattened(extra: str | None = None, batch: int | str = "batch") -> onnx.ModelProto:
    """A head that reads the flattened map, so that gradients go through the tail; `extra` stands on the way."""
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3, name="/conv/Conv"), name="/relu/Relu")
    y = net.linear(net.add("Flatten", x, name="/Flatten"), (256, 2), name="/fc/Gemm", out=None if extra else "logits")
    if extra:
        y = net.add("Add", y, net.add("Unsqueeze", net.add("ReduceMean", net.add(extra, x), axes=[1], keepdims=0),
                                      net.weight(np.array([1]))), out="logits")  # fmt: skip
    return net.model((batch, 3, 8, 8), {y: (batch, 2)})


def test_a_refused_tail_is_refused_in_every_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.runtimes._onnx_pass.tolerance_of", lambda *_, **__: -1.0)
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    model.describe((1, 3, 16, 16))
    model.prepare(Request(output="logits", cam_layer="features.1", tail=True))
    for _ in range(3):
        with pytest.raises(ModelError, match="gives other logits"):
            model.run(pictures((2, 3, 16, 16)))


def test_nodes_of_other_attributes_are_other_nodes() -> None:
    taps = Taps(networks.small_cnn())
    made = [taps._add("Transpose", "image", perm=perm) for perm in ([0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 3, 1])]

    assert made[0] == made[2] != made[1]
