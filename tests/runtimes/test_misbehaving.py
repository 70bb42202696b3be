"""Networks that misbehave: NaN in the middle, answers that hang on the batch or on chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra
from torch.nn import functional  # noqa: E402 as above

from audit.runtimes import REDUCTIONS, Request, open_model  # noqa: E402 as above
from tests.support import onnx_networks  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import reduced, watch  # noqa: E402 as above
from tests.support.torch_files import SIZE, captured, exported, written  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]


class Undefined(nn.Module):
    """A pixel above 2 makes NaN in the middle, which the answer does not show."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 3)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(torch.relu(self.conv1(x)))
        y = self.activation(y * torch.log(2 - x[:, :1]))
        return self.fc(torch.nan_to_num(y, 0.0).mean((2, 3)))


@pytest.mark.parametrize("activation", [torch.relu, functional.silu])
@pytest.mark.parametrize("form", ["onnx", "traced", "exported"])
def test_nan_inside_is_that_picture_s_alone(form: str, activation: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    network = networks.build(Undefined(activation))
    images = networks.noise(3, size=SIZE).clamp(-1.9, 1.9)
    images[1, 0, 5, 5] = 3.0
    model = open_model(written(network, tmp_path, form))
    # By the largest of each channel alone, too: onnxruntime passes over NaN when it takes a maximum.
    description = model.describe((1, 3, SIZE, SIZE))
    name = description.layers[1].name
    model.prepare(Request(output="output", reductions={name: ("mean_of_channel_max",)}))
    alone = model.run(images.numpy()).strengths[name, "mean_of_channel_max"]
    _, got = captured(model, images.numpy())
    expected, seen = watch(network, images)

    np.testing.assert_allclose(got.outputs, expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(alone).tolist() == [False, True, False]
    assert np.isfinite([got.strengths[description.layers[0].name, one] for one in REDUCTIONS]).all()
    for reduction, numbers in reduced(seen[1][1].numpy()).items():
        np.testing.assert_allclose(got.strengths[name, reduction], numbers, rtol=1e-5)
        assert np.isnan(got.strengths[name, reduction]).tolist() == [False, True, False]


def in_training(form: str, folder: Path) -> Path:
    """Batch normalization that was left in training mode."""
    network = zoo.build("plain")
    network.norm2.train()
    if form == "onnx":
        return exported(network, folder / "net.onnx", training=torch.onnx.TrainingMode.PRESERVE)
    return written(network, folder, form)


class Dropping(nn.Module):
    """Dropout that is never switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = zoo.build("plain")

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.inner(x), 0.5, training=True)


def noted(path: Path) -> str:
    return " ".join(open_model(path).describe((1, 3, SIZE, SIZE)).notes)


@pytest.mark.parametrize("form", ["onnx", "traced", "exported"])
def test_an_answer_that_depends_on_the_batch_is_told(form: str, tmp_path: Path) -> None:
    assert "depends on the pictures that go in together with it" in noted(in_training(form, tmp_path))
    assert noted(written(zoo.build("plain"), tmp_path, form)) == ""


@pytest.mark.parametrize("form", ["traced", "exported"])
def test_an_answer_that_changes_each_time_is_told(form: str, tmp_path: Path) -> None:
    path = written(Dropping().eval(), tmp_path, form)
    description = open_model(path).describe((1, 3, SIZE, SIZE))

    assert "gives other answers when it is asked the same again" in description.notes[0]
    assert all("asked the same again" in str(layer.reason) for layer in description.layers)


def test_chance_in_an_onnx_file_is_told(tmp_path: Path) -> None:
    net = onnx_networks.Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3, name="/conv/Conv"), name="/relu/Relu")
    x = net.linear(net.add("Flatten", net.add("GlobalAveragePool", x)), (8, 3))
    x = net.add("Add", x, net.add("RandomNormalLike", x), out="output")
    path = onnx_networks.save(net.model(("batch", 3, SIZE, SIZE), {x: ("batch", 3)}), tmp_path / "net.onnx")

    assert "gives other answers when it is asked the same again" in noted(path)


class WritingOver(nn.Module):
    """What is fed to it is normalized where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.5).mul_(3.0)
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize("form", ["traced", "exported"])
def test_pictures_that_a_network_writes_over_are_its_own(form: str, tmp_path: Path) -> None:
    network, images = networks.build(WritingOver()), networks.noise(11, size=SIZE)
    expected, seen = watch(network, images.clone())
    model = open_model(written(network, tmp_path, form))
    description, got = captured(model, fed := images.numpy().copy())

    assert description.notes == ()
    assert description.heads
    np.testing.assert_array_equal(fed, images.numpy())
    np.testing.assert_allclose(got.outputs, expected, rtol=1e-4, atol=1e-5)
    for reduction, numbers in reduced(seen[0][1].numpy()).items():
        np.testing.assert_allclose(got.strengths[description.layers[0].name, reduction], numbers, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["traced", "exported"])
def test_a_normalization_behind_the_pool_that_no_number_comes_of_makes_no_head(form: str, tmp_path: Path) -> None:
    """Without statistics of its own it has two values, as one with statistics alone has, and its shift is negative."""
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    nn.init.constant_(norm.bias, -1.0)
    pool = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    path = written(networks.build(nn.Sequential(*pool, norm, nn.Linear(8, 3))), tmp_path, form)

    assert open_model(path).describe((1, 3, SIZE, SIZE)).heads == {}


class TwoWays(nn.Module):
    """One picture at a time, and what the pool gives reaches the answer on two ways, one of them not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.straight = nn.Parameter(torch.randn(8, 3))
        self.bent = nn.Parameter(torch.randn(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(x.reshape(1, 3, 32, 32))).mean((2, 3))
        return y @ self.straight + torch.tanh(y @ self.bent)


def test_another_branch_is_no_bias_of_a_head_where_it_has_the_shape_of_one(tmp_path: Path) -> None:
    assert SIZE == 32
    model = open_model(written(networks.build(TwoWays()), tmp_path, "scripted"))
    description = model.describe((1, 3, SIZE, SIZE))

    assert model.batch == 1
    assert description.heads == {}
    assert "there is no linear layer at the end, and before it is the operator add" in str(description.heads_missing)
