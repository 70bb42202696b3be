"""Weights drawn anew in files of torch: parameters, constants of a frozen graph, and every kind of network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audit.errors import ModelError  # noqa: E402 torch is an extra
from audit.runtimes import Request, last_map, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("form", ["traced", "scripted", "frozen", "exported"])
def test_every_way_of_writing_a_network_can_be_drawn_anew(form: str, tmp_path: Path) -> None:
    path = zoo.write(zoo.build("residual"), tmp_path, form)
    model = open_model(path)
    described = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    model.prepare(Request(output="output", cam_layer=described.heads["output"].layer, gradients=True))
    images = networks.noise(3, size=zoo.SIZE).numpy()
    targets = np.zeros(3, dtype=np.int64)
    before = model.run(images)
    gradient = before.gradient(targets)
    made = model.randomized(1.0, 1)
    other = made.model.run(images)
    again = model.run(images)

    assert made.layers == made.of > 3
    assert not np.allclose(other.activation, before.activation, atol=1e-3)
    assert not np.allclose(other.gradient(targets), gradient, atol=1e-4)
    assert np.allclose(
        other.activation.mean(axis=(2, 3)) @ made.head.weight.T + made.head.bias, other.outputs, rtol=1e-4, atol=1e-4
    )
    assert np.array_equal(again.outputs, before.outputs)
    assert np.array_equal(again.gradient(targets), gradient)


@pytest.mark.parametrize("name", [name for name in zoo.ZOO if name != "perceptron"])
def test_every_kind_of_network_changes_from_the_top(name: str, tmp_path: Path) -> None:
    path = zoo.write(zoo.build(name), tmp_path, "exported")
    model = open_model(path)
    layer = last_map(model.describe((1, 3, zoo.SIZE, zoo.SIZE)).layers)
    model.prepare(Request(output="output", cam_layer=layer.name))
    images = networks.noise(2, size=zoo.SIZE).numpy()
    before = model.run(images)
    top, whole = (model.randomized(share, 1) for share in (0.0, 1.0))

    assert (top.layers, whole.layers) == (1, whole.of)
    assert not np.allclose(top.model.run(images).outputs, before.outputs, atol=1e-4)
    assert not np.allclose(whole.model.run(images).activation, before.activation, atol=1e-3)
    assert np.array_equal(model.run(images).outputs, before.outputs)


def test_a_network_without_weights_says_so(tmp_path: Path) -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x).mean((2, 3))

    path = tmp_path / "mean.pt"
    torch.jit.trace(Mean().eval(), torch.zeros(1, 3, 8, 8)).save(str(path))
    model = open_model(path)
    layer = last_map(model.describe((1, 3, 8, 8)).layers)
    model.prepare(Request(output="output", cam_layer=layer.name))
    with pytest.raises(ModelError, match="no weights that can be drawn anew"):
        model.randomized(1.0, 0)
