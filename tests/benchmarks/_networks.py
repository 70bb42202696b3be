"""Networks of the size that people have, at 224 x 224, written as a file in every format. What they answer is noise."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tests.support import torch_networks, torch_zoo

SIDE = 224
FORMATS = {"onnx": "onnx", "torchscript": "traced", "exported": "exported"}
_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_V3 = (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
)  # fmt: skip


class Excite(nn.Module):
    """Squeeze and excite with a hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        few = max(8, channels // 32 * 8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(nn.Conv2d(channels, few, 1), nn.ReLU(), nn.Conv2d(few, channels, 1), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.pool(x))


class Inverted(nn.Module):
    """Expand, depthwise, project: the block of MobileNetV2 and V3."""

    def __init__(
        self, before: int, wide: int, after: int, *, size: int, stride: int, excite: bool, act: type[nn.Module]
    ) -> None:
        super().__init__()
        layers = [] if wide == before else [_step(before, wide, 1, act=act)]
        layers.append(_step(wide, wide, size, stride=stride, groups=wide, act=act))
        layers += [Excite(wide)] if excite else []
        self.layers = nn.Sequential(*layers, nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after))
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Mobile(nn.Module):
    """Convolutions, global average pool, and a head of linear layers."""

    def __init__(self, features: nn.Sequential, classifier: nn.Sequential) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Deep(nn.Module):
    """A ResNet-18's convolutions with the head of a VGG: flattened, two linear layers. CAM is not exact here."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = torch_networks.resnet18(classes)
        self.body.avgpool, self.body.fc = nn.Identity(), nn.Identity()
        self.head = nn.Sequential(nn.Linear(512 * 7 * 7, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def _step(before: int, after: int, size: int, *, act: type[nn.Module], stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv2d(before, after, size, stride=stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), act())


def mobilenet_v2(classes: int = 2) -> nn.Module:
    """The size and shape of a MobileNetV2."""
    blocks, before = [_step(3, 32, 3, stride=2, act=nn.ReLU6)], 32
    for widen, after, times, stride in _V2:
        for nth in range(times):
            step = 1 if nth else stride
            blocks.append(Inverted(before, before * widen, after, size=3, stride=step, excite=False, act=nn.ReLU6))
            before = after
    blocks.append(_step(before, 1280, 1, act=nn.ReLU6))
    return Mobile(nn.Sequential(*blocks), nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes)))


def mobilenet_v3(classes: int = 2) -> nn.Module:
    """The size and shape of a MobileNetV3-Large; its head has two linear layers."""
    blocks, before = [_step(3, 16, 3, stride=2, act=nn.Hardswish)], 16
    for size, wide, after, excite, hard, stride in _V3:
        act = nn.Hardswish if hard else nn.ReLU
        blocks.append(Inverted(before, wide, after, size=size, stride=stride, excite=excite, act=act))
        before = after
    blocks.append(_step(before, 960, 1, act=nn.Hardswish))
    head = nn.Sequential(nn.Linear(960, 1280), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1280, classes))
    return Mobile(nn.Sequential(*blocks), head)


NETWORKS = {
    "resnet18": torch_networks.resnet18,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3": mobilenet_v3,
    "vgg_head": Deep,
}


def eager(name: str) -> nn.Module:
    """The network with weights that leave its layers alive, in eval mode."""
    torch.manual_seed(0)
    return torch_networks.build(NETWORKS[name]())


def write(name: str, folder: Path, form: str) -> Path:
    """The network as a file, with the picture's size beside it: TorchScript does not say it."""
    path = torch_zoo.write(eager(name), folder, FORMATS[form], size=SIDE)
    path.with_name(f"{path.name}.toml").write_text(f"[model.input]\nsize = [{SIDE}, {SIDE}]\n")
    return path
