"""Fixed batches and open sizes, channels first and last."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.errors import ModelError  # noqa: E402 as above
from audit.runtimes import open_model  # noqa: E402 as above
from tests.support import onnx_networks  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import reduced  # noqa: E402 as above
from tests.support.torch_files import BATCH, SIZE, assert_as_eager, captured, exported, written  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize(
    ("name", "form", "batch"),
    [
        ("residual", "exported", 1),
        ("residual", "dynamo", 2),
        ("swin", "exported", 4),
        *((n, "onnx", b) for n in ("residual", "swin") for b in (1, 4)),
    ],
)
def test_a_fixed_batch_takes_any_number_of_pictures(name: str, form: str, batch: int, tmp_path: Path) -> None:
    network = zoo.build(name)
    if form == "onnx":
        path = exported(network, tmp_path / "net.onnx", batch=batch, free=())
    elif form == "dynamo":
        path = zoo.write_newer(network, tmp_path / "net.onnx", batch=batch, free=())
    else:
        path = networks.export(network, tmp_path / "net.pt2", size=SIZE, batch=batch)
    model = open_model(path)
    for count in (1, 3, 5):
        assert_as_eager(model, network, networks.noise(count, size=SIZE, seed=count))
    assert model.batch == batch


def resizable(network: nn.Module, folder: Path, form: str) -> Path:
    if form == "onnx":
        return exported(network, folder / "net.onnx", free=("batch", "height", "width"))
    if form == "dynamo":
        return zoo.write_newer(network, folder / "net.onnx", free=(0, 2, 3))
    if form != "exported":
        return written(network, folder, form)
    dims = {**BATCH, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(network, (torch.zeros(2, 3, SIZE, SIZE),), dynamic_shapes=(dims,))
    torch.export.save(program, str(folder / "net.pt2"))
    return folder / "net.pt2"


@pytest.mark.parametrize(
    ("name", "form"),
    [("residual", "traced"), ("residual", "exported"), ("unet", "onnx"), ("unet", "dynamo"), ("unet", "scripted")],
)
def test_an_open_size_is_described_for_each_in_turn(name: str, form: str, tmp_path: Path) -> None:
    network = zoo.build(name)
    model = open_model(resizable(network, tmp_path, form))
    shapes = []
    for height, width in ((32, 32), (24, 40), (32, 32)):
        images = torch.randn(3, 3, height, width, generator=torch.Generator().manual_seed(height))
        shapes.append([layer.shape for layer in assert_as_eager(model, network, images).layers])

    assert shapes[0] == shapes[2] != shapes[1]


def test_a_size_that_the_network_can_t_take_is_one_line_in_words(tmp_path: Path) -> None:
    for form in ("onnx", "scripted"):
        model = open_model(resizable(zoo.build("vit"), tmp_path, form))
        with pytest.raises(ModelError) as caught:
            model.describe((1, 3, 24, 40))
        assert "\n" not in str(caught.value)
        assert "::" not in str(caught.value)
        assert model.describe((1, 3, SIZE, SIZE)).layers


@pytest.mark.parametrize("form", ["onnx", "traced", "scripted", "exported"])
def test_weights_with_the_channels_last_in_memory(form: str, tmp_path: Path) -> None:
    network = zoo.build("residual").to(memory_format=torch.channels_last)

    assert_as_eager(open_model(written(network, tmp_path, form)), network, networks.noise(3, size=SIZE))


class LastAxis(nn.Module):
    """Takes pictures [N, h, w, C]."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = zoo.build("residual")

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.permute(0, 3, 1, 2))


@pytest.mark.parametrize("form", ["traced", "exported"])
def test_pictures_with_the_channels_last(form: str, tmp_path: Path) -> None:
    network = LastAxis().eval()
    example = torch.zeros(2, SIZE, SIZE, 3)
    if form == "traced":
        path = tmp_path / "net.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(network, example), str(path))
    else:
        path = tmp_path / "net.pt2"
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=(BATCH,)), str(path))

    assert_as_eager(open_model(path), network, networks.noise(3, size=SIZE).permute(0, 2, 3, 1).contiguous())


def tensorflow_like() -> onnx.ModelProto:
    """What tf2onnx writes: channels last outside, a transposition round every convolution, names of another habit, the
    bias and the batch normalization as arithmetic, the pool as a mean over two axes."""
    net = onnx_networks.Net(seed=3)
    x, width = "image", 3
    for at, out in enumerate((8, 12)):
        x = net.add("Transpose", x, perm=[0, 3, 1, 2], name=f"model/conv{at}/Conv2D__{at}", out=f"conv{at}_nchw")
        kernel = net.random.normal(0, (2 / (9 * width)) ** 0.5, (out, width, 3, 3)).astype(np.float32)
        x = net.add("Conv", x, net.weight(kernel), pads=[1] * 4, name=f"model/conv{at}/Conv2D", out=f"conv{at}:0")
        x = net.add("Transpose", x, perm=[0, 2, 3, 1], name=f"model/conv{at}/Conv2D__back{at}", out=f"conv{at}_nhwc")
        scale = net.random.uniform(0.5, 1.5, out).astype(np.float32)
        x = net.add("Mul", x, net.weight(scale), name=f"model/bn{at}/FusedBatchNormV3/mul", out=f"bn{at}_mul:0")
        shift = net.random.normal(0, 0.2, out).astype(np.float32)
        x = net.add("Add", x, net.weight(shift), name=f"model/bn{at}/FusedBatchNormV3", out=f"bn{at}:0")
        x = net.add("Relu", x, name=f"model/relu{at}/Relu", out=f"model/relu{at}/Relu:0")
        width = out
    x = net.add("ReduceMean", x, axes=[1, 2], keepdims=0, name="model/pool/Mean", out="model/pool/Mean:0")
    kernel = net.random.normal(0, 0.3, (width, 3)).astype(np.float32)
    x = net.add("MatMul", x, net.weight(kernel), name="model/dense/MatMul", out="model/dense/MatMul:0")
    x = net.add("Add", x, net.weight(np.float32([0.1, 0.2, 0.3])), name="model/dense/BiasAdd", out="logits")
    return net.model(("batch", 16, 16, 3), {x: ("batch", 3)})


def test_a_network_from_tensorflow_is_read_with_its_channels_last(tmp_path: Path) -> None:
    made = tensorflow_like()
    model = open_model(onnx_networks.save(made, tmp_path / "net.onnx"))
    images = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype(np.float32)
    description, got = captured(model, images)
    inner = [f"model/relu{at}/Relu:0" for at in range(2)]
    made.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
    truth = ReferenceEvaluator(made).run(["logits", *inner], {"image": images})

    np.testing.assert_allclose(got.outputs, truth[0], rtol=1e-4, atol=1e-5)
    assert [(layer.kind, layer.shape) for layer in description.layers] == [
        ("relu", (8, 16, 16)),
        ("relu", (12, 16, 16)),
    ]
    assert ["relu0" in description.layers[0].name, "relu1" in description.layers[1].name] == [True, True]
    assert description.heads["logits"].layer == description.layers[1].name
    for layer, value in zip(description.layers, truth[1:], strict=True):
        for reduction, numbers in reduced(value.transpose(0, 3, 1, 2)).items():
            np.testing.assert_allclose(got.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)


def test_the_export_that_the_readme_shows_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(torch\.onnx\.export\(.*?)```", readme, re.DOTALL)
    network = zoo.build("plain")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exec(code, {"torch": torch, "model": network})
    model = open_model("model.onnx")

    assert [path.name for path in model.files] == ["model.onnx", "model.onnx.data"]
    assert model.inputs[0].shape == (None, 3, 224, 224)
    images = networks.noise(3, size=224)
    assert [layer.name for layer in assert_as_eager(model, network, images).layers] == ["act1", "act2"]
