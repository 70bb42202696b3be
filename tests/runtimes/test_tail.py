"""A network run on from a layer: the logits of the same pictures for another activation, against the eager network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra
from torch.overrides import TorchFunctionMode  # noqa: E402 as above

from audit.runtimes import Description, Layer, Model, Request, last_map, open_model  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

SEEN = ("relu", "relu6", "leaky_relu", "silu", "gelu", "hard_swish")
WORDS = {"hardswish": "hard_swish", "hardtanh": "relu6"}
SPARE = {"vit": 1, "vit-pooled": 1, "deit": 2}
FORMATS = ("onnx", "traced", "exported")
MAPS = [name for name in zoo.ZOO if name != "perceptron"]
# By default each network as an ONNX file and in one of torch's formats by turns; the other one is slow, and so are most
# ONNX files by torch's newer exporter, which takes its time.
ALL = [
    pytest.param(name, form, marks=[pytest.mark.slow] if form == ("traced", "exported")[at % 2] else [])
    for at, name in enumerate(MAPS)
    for form in FORMATS
]
ALL += [pytest.param(n, "dynamo", marks=[] if n in {"mobile", "vit-pooled"} else [pytest.mark.slow]) for n in MAPS]


class Replaced(TorchFunctionMode):
    """Puts a leaf in the place of what the given non-linearity of an eager network gives: `changed` [B, C, h, w], or
    the value itself. Sees everything that this file asks of a tail and a gradient, without a graph."""

    def __init__(self, at: int, changed: np.ndarray | None, spare: int) -> None:
        super().__init__()
        self.at, self.changed, self.spare, self.count = at, changed, spare, 0
        self.leaf: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        word = func.__name__.rstrip("_")
        if WORDS.get(word, word) not in SEEN:
            return result
        self.count += 1
        if self.count - 1 != self.at:
            return result
        value = result.detach().clone()
        if self.changed is not None:
            given = torch.from_numpy(self.changed).to(value.dtype)
            if value.dim() == 3:
                value[:, self.spare :] = given.flatten(2).transpose(1, 2)
            elif value.shape == given.shape:
                value = given
            else:
                value = given.permute(0, 2, 3, 1).contiguous()
        self.leaf = value.requires_grad_()
        return self.leaf.clone()

    def as_map(self, value: Tensor, layer: Layer) -> np.ndarray:
        if value.dim() == 3:
            value = value[:, self.spare :].transpose(1, 2).reshape(len(value), value.shape[2], *layer.shape[1:])
        elif value.shape[1:] != layer.shape:
            value = value.permute(0, 3, 1, 2)
        return value.detach().numpy()


def eager(network: nn.Module, images: Tensor, at: int, changed: np.ndarray | None, spare: int) -> Any:
    with Replaced(at, changed, spare) as mode:
        logits = network(images)
    return logits, mode


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The network, its file opened and described, once."""
    made: dict[tuple[str, str], tuple[nn.Module, Model, Description]] = {}

    def get(name: str, form: str) -> tuple[nn.Module, Model, Description]:
        if (name, form) not in made:
            network = zoo.build(name)
            for parameter in network.parameters():
                parameter.requires_grad_(False)
            path = zoo.write(network, tmp_path_factory.mktemp(f"{name}-{form}"), form)
            model = open_model(path, threads=1)
            made[name, form] = network, model, model.describe((1, 3, zoo.SIZE, zoo.SIZE))
        return made[name, form]

    return get


def mapped(description: Description) -> list[tuple[int, Layer]]:
    """The maps behind a non-linearity that are read, and how many non-linearities are called before each: the last one
    and one from the middle."""
    seen = [layer for layer in description.layers if layer.kind in SEEN]
    maps = [(at, layer) for at, layer in enumerate(seen) if layer.spatial and not layer.unread]
    return [maps[-1], maps[len(maps) // 2]]


@pytest.mark.parametrize(("name", "form"), ALL)
def test_a_tail_gives_the_logits_of_the_eager_network(name: str, form: str, opened: Any) -> None:
    network, model, description = opened(name, form)
    assert description.tail is None
    for at, layer in mapped(description):
        model.prepare(Request(output="output", cam_layer=layer.name, tail=True))
        for batch, seed in ((3, 0), (1, 1), (4, 2)):
            images = noise(batch, size=zoo.SIZE, seed=seed)
            captured = model.run(images.numpy())
            assert captured.tail is not None
            assert captured.activation is not None
            np.testing.assert_allclose(captured.tail(captured.activation), captured.outputs, rtol=1e-4, atol=1e-5)
            changed = np.where(captured.activation > np.median(captured.activation), 0.5, captured.activation * 2)
            changed = changed.astype(np.float32)
            expected, _ = eager(network, images, at, changed, SPARE.get(name, 0))
            got = captured.tail(changed)
            assert np.abs(got - captured.outputs).max() > 1e-4
            np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("name", "form"), ALL)
def test_a_gradient_is_that_of_the_eager_network(name: str, form: str, opened: Any) -> None:
    network, model, description = opened(name, form)
    assert description.gradients is None
    for at, layer in mapped(description):
        model.prepare(Request(output="output", cam_layer=layer.name, gradients=True))
        for call in range(10 if name == "plain" else 3):
            images = noise((3, 1, 4)[call % 3], size=zoo.SIZE, seed=call)
            captured = model.run(images.numpy())
            targets = np.random.default_rng(call).integers(0, captured.outputs.shape[1], len(images))
            logits, mode = eager(network, images, at, None, SPARE.get(name, 0))
            assert captured.gradient is not None
            assert mode.leaf is not None
            logits[np.arange(len(images)), targets].sum().backward()
            assert mode.leaf.grad is not None
            expected = mode.as_map(mode.leaf.grad, layer)
            assert expected.any()
            assert relative(captured.gradient(targets), expected) < 1e-5
            assert relative(captured.activation, mode.as_map(mode.leaf, layer)) < 1e-5


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_target_and_a_tail_come_from_the_same_pass(form: str, opened: Any) -> None:
    _, model, description = opened("vgg", form)
    _, layer = mapped(description)[0]
    model.prepare(Request(output="output", cam_layer=layer.name, gradients=True, tail=True))
    captured = model.run(noise(2, size=zoo.SIZE).numpy())
    assert captured.gradient is not None
    assert captured.tail is not None
    step = np.float32(1e-2)
    for targets in (np.array([0, 1]), np.array([2, 2]), np.array([0, 1])):
        gradient = captured.gradient(targets)
        ahead = captured.tail(captured.activation + step * gradient)
        behind = captured.tail(captured.activation - step * gradient)
        risen = (ahead - behind)[np.arange(2), targets] / (2 * step)
        np.testing.assert_allclose(risen, (gradient.astype(np.float64) ** 2).sum((1, 2, 3)), rtol=2e-2)


@pytest.mark.parametrize("name", ["vit", "deit"])
def test_every_format_maps_the_same_layer_of_a_transformer(name: str, opened: Any) -> None:
    maps = {form: last_map(opened(name, form)[2].layers) for form in FORMATS}
    unread = {form: [layer.name for layer in opened(name, form)[2].layers if layer.unread] for form in FORMATS}

    assert {layer.name for layer in maps.values() if layer is not None} == {"blocks.0.mlp.1"}
    assert set(map(tuple, unread.values())) == {("blocks.1.mlp.1",)}


def test_a_network_without_a_map_says_so(opened: Any) -> None:
    assert "no spatial layer" in opened("perceptron", "onnx")[2].tail
