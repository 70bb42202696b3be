"""Every kind of network in every format that can express it, against the eager network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.cams import choose  # noqa: E402 as above
from audit.runtimes import REDUCTIONS, Description, Request, open_model  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import SEEN, TOKENS, as_map, reduced, watch  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

QUICK = {
    "frozen": ("residual", "depthwise-se", "vit-pooled"),  # the same graph as a scripted file's, without names
    "dynamo": zoo.NEWER,
}
CASES = [
    pytest.param(name, form, marks=pytest.mark.slow if name not in QUICK.get(form, zoo.ZOO) else ())
    for name in zoo.ZOO
    for form in zoo.FORMATS
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The network and its file, written once."""
    made: dict[tuple[str, str], tuple[nn.Module, Path]] = {}

    def get(name: str, form: str) -> tuple[nn.Module, Path]:
        if (name, form) not in made:
            network = zoo.build(name)
            made[name, form] = network, zoo.write(network, tmp_path_factory.mktemp(f"{name}-{form}"), form)
        return made[name, form]

    return get


@pytest.mark.parametrize(("name", "form"), CASES)
def test_strengths_are_those_of_the_eager_network(name: str, form: str, built: Any) -> None:
    network, path = built(name, form)
    model = open_model(path)
    layers = [layer for layer in model.describe((1, 3, zoo.SIZE, zoo.SIZE)).layers if layer.reason is None]
    model.prepare(Request(output="output", reductions={layer.name: REDUCTIONS for layer in layers}))
    for call in range(10):
        images = noise((3, 1, 4)[call % 3], size=zoo.SIZE, seed=call)
        captured = model.run(images.numpy())
        expected, seen = watch(network, images)
        np.testing.assert_allclose(captured.outputs, expected, rtol=1e-4, atol=1e-5)
        watched = [layer for layer in layers if layer.kind in SEEN]
        assert [layer.kind for layer in watched] == [word for word, _ in seen]
        for layer, (_, value) in zip(watched, seen, strict=True):
            for reduction, numbers in reduced(as_map(value, layer, TOKENS.get(name, 0))).items():
                np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
    assert model.guard is not None
    assert model.guard < 1e-5


@pytest.mark.parametrize("form", ["onnx", "traced", "exported"])
def test_a_batch_that_a_processor_takes_in_pieces_is_one_capture(form: str, built: Any) -> None:
    _, path = built("vgg", form)
    model = open_model(path, threads=1)
    layer = choose("gradcam", model.describe((1, 3, zoo.SIZE, zoo.SIZE)), "output").layer
    model.prepare(
        Request(
            output="output", reductions={layer: REDUCTIONS}, cam_layer=layer, gradients=True, tail=True, logits=True
        )
    )
    images, targets = noise(19, size=zoo.SIZE).numpy(), np.arange(19) % 2
    whole = model.run(images)
    for rows in (slice(0, 5), slice(5, 12), slice(12, 19)):  # other pieces than its own
        some = model.run(images[rows])
        for name, numbers in some.strengths.items():
            np.testing.assert_allclose(whole.strengths[name][rows], numbers, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(whole.outputs[rows], some.outputs, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(whole.logits[rows], some.logits, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(whole.activation[rows], some.activation, rtol=1e-4, atol=1e-5)
        gradient = whole.gradient(targets)[rows]
        np.testing.assert_allclose(gradient, some.gradient(targets[rows]), rtol=1e-4, atol=1e-7)
        tail = whole.tail(whole.activation * np.float32(0.5))[rows]
        np.testing.assert_allclose(tail, some.tail(some.activation * np.float32(0.5)), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def described(built: Any) -> Any:
    return functools.cache(lambda name, form: open_model(built(name, form)[1]).describe((1, 3, zoo.SIZE, zoo.SIZE)))


@pytest.mark.parametrize(("name", "form"), [case for case in CASES if case.values[1] != "onnx"])
def test_a_network_is_the_same_in_every_format(name: str, form: str, described: Any) -> None:
    usual, other = described(name, "onnx"), described(name, form)

    def told(description: Description) -> list[Any]:
        return [(one.name.rstrip("_0123456789") if one.kind == "slice" else one.name, one.kind, one.shape, one.depth)
                for one in description.layers]  # fmt: skip

    since = 1 if form == "frozen" else 0  # freezing throws the paths of modules away
    assert [entry[since:] for entry in told(other)] == [entry[since:] for entry in told(usual)]
    assert other.heads.keys() == usual.heads.keys()
    for output, head in other.heads.items():
        np.testing.assert_allclose(head.weight, usual.heads[output].weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_an_activation_is_a_map_of_the_head(name: str, form: str, built: Any) -> None:
    _, path = built(name, form)
    model = open_model(path)
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    if "output" not in description.heads:
        assert description.heads_missing["output"]
        return
    head = description.heads["output"]
    model.prepare(Request(output="output", cam_layer=head.layer))
    captured = model.run(noise(3, size=zoo.SIZE).numpy())

    assert captured.activation is not None
    logits = captured.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
    np.testing.assert_allclose(logits, captured.outputs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", ["traced", "exported"])
@pytest.mark.parametrize("name", ["vit", "deit"])
def test_a_block_that_only_the_class_token_leaves_is_not_mapped(name: str, form: str, built: Any) -> None:
    network, path = built(name, form)
    model = open_model(path)
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    chosen = choose("auto", description, "output")

    assert [layer.name for layer in description.layers if layer.unread] == ["blocks.1.mlp.1"]
    assert chosen.layer == "blocks.0.mlp.1"
    model.prepare(Request(output="output", cam_layer=chosen.layer, gradients=True))
    captured = model.run(noise(2, size=zoo.SIZE).numpy())
    assert captured.gradient is not None
    gradient = captured.gradient(np.array([0, 1]))
    assert gradient.shape == captured.activation.shape == (2, 24, 4, 4)

    inner = network.blocks[0].mlp[1]
    held: list[Tensor] = []
    handle = inner.register_forward_hook(lambda module, given, result: held.append(result) or result.retain_grad())
    logits = network(noise(2, size=zoo.SIZE))
    handle.remove()
    (logits[0, 0] + logits[1, 1]).backward()
    spare = TOKENS[name]
    expected = held[0].grad[:, spare:].transpose(1, 2).reshape(2, 24, 4, 4)
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        captured.activation,
        held[0].detach()[:, spare:].transpose(1, 2).reshape(2, 24, 4, 4).numpy(),
        rtol=1e-4,
        atol=1e-5,
    )
