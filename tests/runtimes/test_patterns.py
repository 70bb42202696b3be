"""Habits of networks that people download, read alike in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audit.runtimes import REDUCTIONS, Description, Request, open_model  # noqa: E402 torch is an extra
from tests.support import torch_patterns as patterns  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import SEEN, as_map, reduced, watch  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

FORMS = ("onnx", "dynamo", "traced", "scripted", "exported")
LAYERS = {
    "neck": ["stem.2", "project.0", "expand.2"],
    "registers": ["patch_embed", "blocks.0.mlp.1", "blocks.1.mlp.1"],
    "pyramid": [
        "stages.0.proj",
        "stages.0.block.mlp.1",
        "stages.1.proj",
        "stages.1.block.mlp.1",
        "stages.1.layer_norm",
    ],
    "grouped": ["stem", "stages.0.0.2", "stages.0.1.2", "stages.1.0.2", "stages.1.1.2", "act", "norm"],
    "modulated": ["stem", "mul"],
}
LAYERS["pyramid-turned"] = LAYERS["pyramid"]
HEADS = {
    "neck": "expand.2",
    "modulated": "mul",
    "pyramid": "stages.1.layer_norm",
    "pyramid-turned": "stages.1.layer_norm",
}


@pytest.mark.parametrize("name", patterns.PATTERNS)
def test_layers_and_heads_are_the_author_s_in_every_format(name: str, tmp_path: Path) -> None:
    network, images = patterns.build(name), noise(3, size=zoo.SIZE)
    expected, watched_all = watch(network, images)
    seen = [(word, value) for word, value in watched_all if len(value) == len(images)]  # others are of weights alone
    described: dict[str, Description] = {}
    for form in FORMS:
        model = open_model(zoo.write(network, tmp_path, form))
        described[form] = description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
        assert [layer.name for layer in description.layers] == LAYERS[name]
        assert all(layer.reason is None for layer in description.layers)
        head = description.heads.get("output")
        assert (head and head.layer) == HEADS.get(name)

        reductions = {layer.name: REDUCTIONS for layer in description.layers}
        model.prepare(Request(output="output", reductions=reductions, cam_layer=HEADS.get(name)))
        captured = model.run(images.numpy())
        np.testing.assert_allclose(captured.outputs, expected, rtol=1e-4, atol=1e-5)
        if head is not None and captured.activation is not None:
            logits = captured.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
            np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)
        watched = [layer for layer in description.layers if layer.kind in SEEN]
        assert [layer.kind for layer in watched] == [word for word, _ in seen]
        for layer, (_, value) in zip(watched, seen, strict=True):
            for reduction, numbers in reduced(as_map(value, layer, 5 if name == "registers" else 0)).items():
                np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)

    first = described["onnx"].layers
    told = [(one.kind, one.shape, one.convolution) for one in first]
    for description in described.values():
        assert [(o.kind, o.shape, o.convolution) for o in description.layers] == told
        costs = [one.cost for one in description.layers]  # torch's files compute what an ONNX file has folded, too
        assert costs == pytest.approx([one.cost for one in first], abs=0.002)


def test_a_convolution_s_layer_holds_its_batch_normalization(tmp_path: Path) -> None:
    network, images = patterns.build("neck"), noise(2, size=zoo.SIZE)
    with torch.no_grad():
        maps = network.project(network.stem(images)).numpy()
    for form in FORMS:
        model = open_model(zoo.write(network, tmp_path, form))
        model.describe((1, 3, zoo.SIZE, zoo.SIZE))
        model.prepare(Request(output="output", reductions={"project.0": REDUCTIONS}))
        strengths = model.run(images.numpy()).strengths
        for reduction, numbers in reduced(maps).items():
            np.testing.assert_allclose(strengths["project.0", reduction], numbers, rtol=1e-5, atol=1e-6)


class Quick(torch.nn.Module):
    """CLIP's GELU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


@pytest.mark.parametrize("form", FORMS)
def test_a_quick_gelu_is_a_layer(form: str, tmp_path: Path) -> None:
    conv, wide = torch.nn.Conv2d(3, 6, 5, stride=4), torch.nn.Conv2d(6, 8, 1)
    end = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    network, images = torch.nn.Sequential(conv, Quick(), wide, Quick(), *end).eval(), noise(3, size=zoo.SIZE)
    model = open_model(zoo.write(network, tmp_path, form))
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    layers = [layer for layer in description.layers if layer.kind == "silu"]

    assert [layer.name.partition(".")[0] for layer in layers] == ["1", "3"]
    assert description.heads["output"].layer == layers[1].name
    model.prepare(Request(output="output", reductions={layer.name: REDUCTIONS for layer in layers}))
    captured = model.run(images.numpy())
    for layer, blocks in zip(layers, (2, 4), strict=True):
        with torch.no_grad():
            value = network[:blocks](images).numpy()
        for reduction, numbers in reduced(value).items():
            np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
