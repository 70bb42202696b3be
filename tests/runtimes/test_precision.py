"""Networks in float16, bfloat16 and torch's int8: what is read inside them, and what can't be had."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from onnxruntime.transformers import float16  # noqa: E402 as below
from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.errors import ModelError  # noqa: E402 as above
from audit.runtimes import REDUCTIONS, Capture, Description, Model, Request, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import SEEN, TOKENS, as_map, reduced, watch  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

# Half of itself, or float32 outside and float16 inside, as onnxruntime's own converter writes it.
HALF = ("onnx", "converted", "traced", "scripted", "frozen", "exported")
QUICK = {"plain": HALF, "mobile": ("converted", "traced"), "vit": ("onnx", "exported"), "swin": ("onnx", "scripted")}
CASES = [
    pytest.param(name, form, marks=() if form in QUICK.get(name, ()) else pytest.mark.slow)
    for name in zoo.ZOO
    for form in HALF
]
FUSED = {
    "plain": [["conv1", "act1"], ["conv2", "norm2", "act2"]],
    "vgg": [["features.0", "features.1"], ["features.3", "features.4"], ["classifier.0", "classifier.1"]],
    "all-convolutional": [],
}
LAYERS = {
    "plain": ["module.conv1", "module.conv2"],
    "vgg": ["module.features.0", "module.features.3", "module.classifier.0"],
    "all-convolutional": ["module.body.1", "module.body.3", "module.classes"],
}


def written(network: nn.Module, folder: Path, form: str) -> Path:
    if form != "converted":
        return zoo.write(network, folder, form)
    path = zoo.write(copy.deepcopy(network).float(), folder, "onnx")
    onnx.save(float16.convert_float_to_float16(onnx.load(path), keep_io_types=True), path)
    return path


def everything(model: Model) -> Description:
    """Prepared to give all reductions of all layers."""
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    reductions = {layer.name: REDUCTIONS for layer in description.layers if layer.reason is None}
    model.prepare(Request(output=description.outputs[0].name, reductions=reductions))
    return description


def assert_seen(
    captured: Capture, description: Description, seen: list[tuple[str, Tensor]], spare: int, *, rtol: float, atol: float
) -> None:
    layers = [layer for layer in description.layers if layer.kind in SEEN]
    assert [layer.kind for layer in layers] == [word for word, _ in seen]
    for layer, (_, value) in zip(layers, seen, strict=True):
        for reduction, numbers in reduced(as_map(value.float(), layer, spare)).items():
            np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_float16_is_read_as_it_is_computed(name: str, form: str, tmp_path: Path) -> None:
    """torch rounds behind every operator, onnxruntime on a CPU computes many of them in float32: each against eager
    hooks of the same weights, computed as it computes."""
    network = zoo.build(name).half()
    eager = copy.deepcopy(network).float() if form in {"onnx", "converted"} else network
    model = open_model(written(network, tmp_path, form))
    description = everything(model)
    for call in range(4):
        images = networks.noise((3, 1, 4)[call % 3], size=zoo.SIZE, seed=call).half()
        captured = model.run(images.numpy().astype(model.inputs[0].dtype))
        expected, seen = watch(eager, images.to(next(eager.parameters()).dtype))
        assert captured.outputs.dtype == np.float32
        np.testing.assert_allclose(captured.outputs, expected, atol=5e-3 * np.abs(expected).max())
        assert_seen(captured, description, seen, TOKENS.get(name, 0), rtol=2e-3, atol=1e-4)
    assert model.inputs[0].dtype == ("float32" if form == "converted" else "float16")
    assert model.guard is not None
    assert model.guard < 1e-4 or "come from the untouched model" in model.notes[0]


@pytest.mark.parametrize("form", HALF)
def test_the_head_of_a_float16_file_is_found(form: str, tmp_path: Path) -> None:
    network = zoo.build("plain").half()
    head = open_model(written(network, tmp_path, form)).describe((1, 3, zoo.SIZE, zoo.SIZE)).heads["output"]

    np.testing.assert_allclose(head.weight, network.fc.weight.detach().float().numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", ["traced", "frozen", "exported"])
def test_torch_computes_in_bfloat16_and_the_record_says_how_coarsely(form: str, tmp_path: Path) -> None:
    network = zoo.build("plain").bfloat16()
    model = open_model(zoo.write(network, tmp_path, form))
    description = everything(model)
    images = networks.noise(3, size=zoo.SIZE)
    captured = model.run(images.numpy())
    expected, seen = watch(network, images.bfloat16())

    assert "bfloat16" in description.notes[0]
    assert model.inputs[0].dtype == "float32"
    assert list(description.heads) == ["output"]
    np.testing.assert_allclose(captured.outputs, expected, rtol=2e-2, atol=2e-2)
    assert_seen(captured, description, seen, 0, rtol=1e-2, atol=1e-3)


class Wide(nn.Module):
    """Takes and gives float32, whatever it computes in."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.bfloat16()).float()


@pytest.mark.parametrize("wrapped", [False, True])
def test_onnxruntime_has_no_bfloat16_on_a_cpu(wrapped: bool, tmp_path: Path) -> None:
    network = zoo.build("plain").bfloat16()
    path = zoo.write(network, tmp_path, "onnx")
    if wrapped:
        path = tmp_path / "wrapped.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            example = torch.zeros(1, 3, zoo.SIZE, zoo.SIZE)
            torch.onnx.export(Wide(network).eval(), (example,), str(path), dynamo=False, input_names=["image"])
    with pytest.raises(ModelError, match=r"bfloat16.*Export the model in float32 or float16") as caught:
        open_model(path)

    assert "\n" not in str(caught.value)


def int8(name: str) -> nn.Module:
    """The network with its convolutions and linear layers in integers, after training, as torch's own tools make it."""
    from torch.ao import quantization

    network = zoo.build(name)
    if FUSED[name]:
        quantization.fuse_modules(network, FUSED[name], inplace=True)
    wrapped = quantization.QuantWrapper(network).eval()
    wrapped.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    quantization.prepare(wrapped, inplace=True)
    wrapped(networks.noise(8, size=zoo.SIZE))
    return quantization.convert(wrapped, inplace=True)


@pytest.mark.filterwarnings("ignore")  # torch calls its own quantization deprecated
@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(name, form, marks=() if form == "scripted" or name == "plain" else pytest.mark.slow)
        for name in FUSED
        for form in ("traced", "scripted", "frozen")
    ],
)
def test_torch_s_int8_is_read_in_its_own_scale(name: str, form: str, tmp_path: Path) -> None:
    network = int8(name)
    model = open_model(zoo.write(network, tmp_path, form))
    description = everything(model)
    held: list[np.ndarray] = []
    for leaf in LAYERS[name]:
        network.get_submodule(leaf).register_forward_hook(
            lambda module, given, result: held.append(result.dequantize().detach())
        )
    for call in range(3):
        held.clear()
        images = networks.noise(2 + call, size=zoo.SIZE, seed=call)
        captured, expected = model.run(images.numpy()), network(images)
        np.testing.assert_array_equal(captured.outputs, expected.numpy())
        assert len(held) == len(description.layers)
        for layer, value in zip(description.layers, held, strict=True):
            for reduction, numbers in reduced(as_map(value, layer, 0)).items():
                np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
    if form != "frozen":
        assert [layer.name for layer in description.layers] == LAYERS[name]
    assert "integers, which carry none" in str(description.gradients)
    assert model.guard == 0


@pytest.mark.filterwarnings("ignore")  # as above
@pytest.mark.parametrize("form", ["traced", "scripted", "frozen"])
def test_linear_layers_quantized_as_they_run_are_read_around(form: str, tmp_path: Path) -> None:
    from torch.ao import quantization

    network = quantization.quantize_dynamic(zoo.build("mobile"), {nn.Linear}, dtype=torch.qint8)
    model = open_model(zoo.write(network, tmp_path, form))
    description = everything(model)
    images = networks.noise(3, size=zoo.SIZE)
    captured = model.run(images.numpy())
    expected, seen = watch(network, images)

    np.testing.assert_allclose(captured.outputs, expected, atol=1e-5)
    assert_seen(captured, description, seen, 0, rtol=1e-5, atol=1e-6)
    assert "no gradient arrives at its last map" in str(description.gradients)
