"""Small networks with habits of those that people download: face embedders, DINOv2, SegFormer, Swin, BiT."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.support import torch_networks as networks
from tests.support.torch_zoo import Encoder, ViT


class Neck(nn.Module):
    """MobileNetV2's linear bottleneck, which no non-linearity follows, and FaceNet's head: two linear layers with a
    batch normalization between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(12), nn.PReLU(12)
        )
        self.project = nn.Sequential(nn.Conv2d(12, 8, 3, padding="same", bias=False), nn.BatchNorm2d(8))
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.last_linear = nn.Linear(16, 12, bias=False)
        self.last_bn = nn.BatchNorm1d(12, eps=1e-3)
        self.logits = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.expand(self.project(self.stem(x)))
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.logits(self.last_bn(self.last_linear(x)))


class Stage(nn.Module):
    """Gives tokens and the height of their grid, as SegFormer's and PVT's stages do. What it adds to them is computed
    from weights alone, as SwinV2's bias for each distance is."""

    def __init__(self, before: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(before, width, patch, stride=patch)
        self.block = Encoder(width, 2)
        self.layer_norm = nn.LayerNorm(width)
        self.distances = nn.Parameter(torch.randn(1, 1, 2))
        self.bias = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, width))

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        x = self.proj(x)
        height = x.shape[2]
        tokens = x.flatten(2).transpose(1, 2) + torch.sigmoid(self.bias(self.distances))
        return self.layer_norm(self.block(tokens)), height


class Pyramid(nn.Module):
    """Tokens that become a map between stages, and tokens again before they are averaged; over the last axis with
    `turned`, as Swin does."""

    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        self.stages = nn.ModuleList([Stage(3, 8, 4), Stage(8, 12, 2)])
        self.head = nn.Linear(12, 3)
        self.turned = turned

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            tokens, height = stage(x)
            x = tokens.reshape(tokens.shape[0], height, -1, tokens.shape[2]).permute(0, 3, 1, 2).contiguous()
        x = x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])
        if self.turned:
            return self.head(functional.adaptive_avg_pool1d(x.transpose(1, 2), 1).flatten(1))
        return self.head(x.mean(1))


class Grouped(nn.Module):
    """BiT's convolution, group normalization and ReLU, in PoolFormer's lists of lists, NFNet's factor behind SiLU, and
    dropout behind a convolution; the answer is read from a vector of length 1, as face embedders give it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.drop = nn.Dropout(0.1)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(groups, 8), nn.ReLU()) for _ in range(2)
            )
            for groups in (4, 1)
        )
        self.widen, self.act = nn.Conv2d(8, 10, 1), nn.SiLU()
        self.last = nn.Conv2d(10, 12, 1)
        self.norm = nn.GroupNorm(3, 12)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.stem(x))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        x = self.act(self.widen(x)) * 0.2
        x = self.norm(self.last(x)).mean((2, 3))
        return self.fc(functional.normalize(x))


class Modulated(nn.Module):
    """FocalNet's modulation: a linear layer where channels stand last, cut up where they stand first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        self.project = nn.Linear(6, 12)
        self.context = nn.Conv2d(6, 6, 1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        channels = x.shape[3]
        x = self.project(x).permute(0, 3, 1, 2)
        query, context = torch.split(x, (channels, channels), 1)
        return self.fc((query * self.context(context)).mean((2, 3)))


PATTERNS: dict[str, Callable[[], nn.Module]] = {
    "neck": Neck,
    "registers": lambda: ViT(extra=5),
    "pyramid": lambda: Pyramid(turned=False),
    "pyramid-turned": lambda: Pyramid(turned=True),
    "grouped": Grouped,
    "modulated": Modulated,
}


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return networks.build(PATTERNS[name]())
