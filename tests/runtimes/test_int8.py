"""ONNX networks in integers as onnxruntime's quantizer writes them, against sessions that nothing was changed in."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from onnxruntime import quantization  # noqa: E402 torch is an extra

from audit.runtimes import REDUCTIONS, Layer, Request, open_model  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import reduced  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = pytest.mark.torch

FORMS = ("qdq", "qdq by channel", "qlinear", "dynamic")
QUICK = {"plain": FORMS, "depthwise-se": ("qdq", "qlinear"), "dense": ("qdq",), "vgg": ("qlinear",), "swin": ("qdq",)}
CASES = [
    pytest.param(name, form, marks=() if form in QUICK.get(name, ()) else pytest.mark.slow)
    for name in zoo.ZOO
    for form in FORMS
]
SHAPE = (1, 3, zoo.SIZE, zoo.SIZE)


class Pictures(quantization.CalibrationDataReader):
    """What the ranges of the integers are chosen with."""

    def __init__(self) -> None:
        self._batches = iter([{"image": noise(4, size=zoo.SIZE, seed=seed).numpy()} for seed in range(3)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """The quantizer tells how a network is best prepared for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network in floating point, and its file in integers, written once."""
    made: dict[tuple[str, str], tuple[Path, Path]] = {}

    def get(name: str, form: str) -> tuple[Path, Path]:
        if (name, form) not in made:
            folder = tmp_path_factory.mktemp(name)
            whole = zoo.write(zoo.build(name), folder, "onnx")
            path = folder / "int8.onnx"
            how = quantization.QuantFormat.QOperator if form == "qlinear" else quantization.QuantFormat.QDQ
            with contextlib.redirect_stdout(io.StringIO()):
                if form == "dynamic":
                    quantization.quantize_dynamic(whole, path)
                else:
                    by_channel = form.endswith("channel")
                    quantization.quantize_static(whole, path, Pictures(), quant_format=how, per_channel=by_channel)
            made[name, form] = whole, path
        return made[name, form]

    return get


def values_of(path: Path, names: list[str], images: np.ndarray) -> list[np.ndarray]:
    """The oracle: a session of the file with inner values as outputs, and nothing else changed."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(n) for n in dict.fromkeys(names) if n not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values: list[np.ndarray] = session.run(names, {"image": images})
    return values


def as_map(value: np.ndarray, layer: Layer) -> np.ndarray:
    """[B, C, h, w], by the shape that the layer is said to have."""
    if value.ndim == 3:
        spare = value.shape[1] - layer.shape[1] * layer.shape[2]
        return value[:, spare:].transpose(0, 2, 1).reshape(len(value), *layer.shape)
    if value.ndim == 4 and value.shape[1:] != layer.shape and layer.spatial:
        return value.transpose(0, 3, 1, 2)
    return value.reshape(*value.shape, 1, 1) if value.ndim == 2 else value


@pytest.mark.parametrize(("name", "form"), CASES)
def test_strengths_are_those_of_an_untouched_session(name: str, form: str, written: Any) -> None:
    _, path = written(name, form)
    model = open_model(path)
    layers = model.describe(SHAPE).layers
    model.prepare(Request(output="output", reductions={layer.name: REDUCTIONS for layer in layers}))
    images = noise(5, size=zoo.SIZE, seed=7).numpy()
    first, second = model.run(images), model.run(images[:2])
    places = [model._seen.places[layer.name] for layer in layers]  # type: ignore[attr-defined]
    scales = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}

    bare = values_of(path, ["output"], images)[0]
    assert np.array_equal(first.outputs, bare)
    if form != "dynamic":  # whose scales depend on the whole batch
        np.testing.assert_allclose(second.outputs, bare[:2], atol=1e-6)
    assert layers
    values = values_of(path, [place.tensor for place in places], images)
    for layer, place, value in zip(layers, places, values, strict=True):
        if place.quantized:
            scale, zero = (scales[one].astype(np.float64) for one in place.quantized)
            value = (value.astype(np.float64) - zero) * scale  # noqa: PLW2901
        for reduction, numbers in reduced(as_map(value, layer)).items():
            np.testing.assert_allclose(first.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
    assert model.guard is not None
    assert model.guard == 0 or "come from the untouched model" in model.notes[0]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_the_layers_are_those_of_the_network_in_floating_point(name: str, form: str, written: Any) -> None:
    """Same kinds, shapes and, to the rounding, strengths; the same names but where the quantizer has lost them."""
    seen = []
    for path in written(name, form):
        model = open_model(path)
        description = model.describe(SHAPE)
        reductions = {layer.name: ("mean",) for layer in description.layers}
        model.prepare(Request(output="output", reductions=reductions))
        captured = model.run(noise(8, size=zoo.SIZE, seed=7).numpy())
        seen.append((description, [captured.strengths[layer.name, "mean"] for layer in description.layers]))
    (whole, expected), (rounded, got) = seen
    told = [
        [(layer.kind.replace("relu6", "relu"), layer.shape, layer.convolution) for layer in one.layers]
        for one in (whole, rounded)
    ]
    pooled_only = len(told[0]) - len(told[1])  # a map that is a layer because a linear head reads it
    assert pooled_only in (0, 1)
    assert not pooled_only or not rounded.heads
    shared = [at for at, layer in enumerate(whole.layers) if not pooled_only or at + 1 < len(whole.layers)]
    assert [told[0][at] for at in shared] == told[1]
    for at, numbers in zip(shared, got, strict=True):
        assert np.abs(numbers - expected[at]).mean() < 0.1 * max(expected[at].mean(), 0.1)
    if form != "qlinear":
        assert [whole.layers[at].name for at in shared] == [layer.name for layer in rounded.layers]


@pytest.mark.parametrize(
    "form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator], ids=["qdq", "qlinear"]
)
def test_a_relu_that_the_quantizer_left_out_is_called_after_what_is_before_it(form: Any, tmp_path: Path) -> None:
    """In a file of torch's newer exporter nothing but the node itself says which module it came from."""
    whole = zoo.write_newer(zoo.build("plain"), tmp_path / "whole.onnx", external_data=False)
    with contextlib.redirect_stdout(io.StringIO()):
        quantization.quantize_static(whole, tmp_path / "int8.onnx", Pictures(), quant_format=form)
    layers = open_model(tmp_path / "int8.onnx").describe(SHAPE).layers

    assert [layer.kind for layer in layers] == ["relu", "relu"]
    assert [layer.name for layer in layers] == ["conv1.relu", "conv2.relu"]


def test_outputs_come_from_the_untouched_model_where_a_tap_breaks_a_fusion(written: Any) -> None:
    """A convolution that is pooled at once: onnxruntime computes the two in one piece, if nothing else reads it."""
    path = written("dense", "qdq")[1]
    images = noise(6, size=zoo.SIZE, seed=7).numpy()
    model = open_model(path)
    model.describe(SHAPE)
    model.prepare(Request(output="output", reductions={"transition.2": ("mean",)}))
    captured = model.run(images)

    assert model.guard is not None
    if model.guard <= 1e-4:
        pytest.skip("this onnxruntime fuses it all the same")
    assert np.array_equal(captured.outputs, values_of(path, ["output"], images)[0])
    assert "come from the untouched model" in model.notes[0]
    assert f"{model.guard:.1e}" in model.notes[0]
    assert np.array_equal(model.run(images[:2]).outputs, captured.outputs[:2])


@pytest.mark.parametrize(("name", "form"), [("plain", "qdq"), ("depthwise-se", "qdq"), ("plain", "qdq by channel")])
def test_a_pool_and_a_linear_layer_are_found_under_the_rounding(name: str, form: str, written: Any) -> None:
    head, rounded = (open_model(path).describe(SHAPE).heads["output"] for path in written(name, form))

    assert rounded.layer == head.layer
    np.testing.assert_allclose(rounded.weight, head.weight, atol=0.01 * np.abs(head.weight).max())
    assert "QGemm" in open_model(written(name, "qlinear")[1]).describe(SHAPE).heads_missing["output"]


@pytest.mark.parametrize(
    ("name", "form", "layer"),
    [
        ("residual", "qdq", "layers.0.0.relu_1"),
        ("vit", "qdq", "blocks.0.mlp.1"),
        ("vit", "dynamic", "blocks.0.mlp.1"),
        ("swin", "qlinear", "stage2.mlp.1"),
        ("unet", "qdq", "up"),
    ],
)
def test_gradients_pass_through_the_rounding(name: str, form: str, layer: str, written: Any) -> None:
    """They point nearly where those of the network in floating point do. (Not behind a max pool: once two cells round
    alike the largest one may be another.)"""
    images, found = noise(3, size=zoo.SIZE, seed=5).numpy(), []
    for path in written(name, form):
        model = open_model(path)
        description = model.describe(SHAPE)
        assert description.gradients is None
        assert description.tail is None
        assert [one.name for one in description.layers if one.unread] == ["blocks.1.mlp.1"] * (name == "vit")
        model.prepare(Request(output="output", cam_layer=layer, gradients=True, tail=True))
        captured = model.run(images)
        assert captured.gradient is not None
        found.append(captured.gradient(np.array([0, 1, 0])).astype(np.float64))
    whole, integer = found

    alike = (whole * integer).sum() / np.sqrt((whole**2).sum() * (integer**2).sum())
    assert alike > 0.9
