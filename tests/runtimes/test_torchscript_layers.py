"""Which values of a TorchScript graph are layers: the same as in the ONNX file of the same network."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra
from torch.nn import functional  # noqa: E402 as above

from audit.runtimes import Layer, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = pytest.mark.torch
HOW = ("scripted", "traced", "frozen")


class Separable(nn.Module):
    """A linear bottleneck with a residual sum, and a depthwise convolution that a 1 x 1 one follows at once."""

    def __init__(self, groups: int = 8, *, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.ReLU6()
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=groups)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.point = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        x = x + self.point(self.norm(self.depth(x)))
        return self.last(x).mean([2, 3])


class Upward(nn.Module):
    """Grouped convolutions that are no halves: one is used twice, one is the last."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 6, 2, stride=2, groups=3)
        self.point = nn.Conv2d(6, 6, 1)
        self.fork = nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.end = nn.Conv2d(6, 6, 3, padding=1, groups=6)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.point(self.up(x)))
        x = self.fork(x)
        return self.end(x).mean([2, 3]) + x.amax([2, 3])


def layers(network: nn.Module, folder: Path, how: str) -> tuple[Layer, ...]:
    path = networks.save(networks.build(network), folder / "model.pt", how)
    return open_model(path).describe((1, 3, 24, 24)).layers


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("norm", [False, True])
def test_linear_blocks_count_behind_their_sum_and_half_a_separable_convolution_does_not(
    how: str, norm: bool, tmp_path: Path
) -> None:
    found = layers(Separable(norm=norm), tmp_path, how)

    assert [(layer.kind, layer.non_negative, layer.shape) for layer in found] == [
        ("relu6", True, (8, 24, 24)),
        ("conv", False, (8, 24, 24)),
        ("conv", False, (6, 24, 24)),
    ]


def test_a_whole_convolution_before_another_is_a_layer(tmp_path: Path) -> None:
    assert [layer.name for layer in layers(Separable(groups=1), tmp_path, "traced")] == ["act", "depth", "add", "last"]


@pytest.mark.parametrize("how", HOW)
def test_a_grouped_convolution_with_another_use_is_a_layer(how: str, tmp_path: Path) -> None:
    found = layers(Upward(), tmp_path, how)

    assert [(layer.kind, layer.shape) for layer in found] == [
        ("relu", (6, 48, 48)),
        ("conv", (6, 48, 48)),
        ("conv", (6, 48, 48)),
    ]
