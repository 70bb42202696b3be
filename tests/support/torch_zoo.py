"""The kinds of network that people have, small, with weights that leave every layer alive.

Each is written in every format that can express it, from the same weights: see `write`.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.support import torch_networks as networks

SIZE = 32
FORMATS = ("onnx", "dynamo", "traced", "scripted", "frozen", "exported")
NEWER = ("residual", "depthwise-se", "mobile", "dense", "vit-pooled", "swin")  # written by the newer exporter, which
# takes seconds for each, in every run of the tests; the others in slow ones


class DenseBlock(nn.Module):
    """Every layer sees all before it."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels + i * growth) for i in range(layers))
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + i * growth, growth, 3, padding=1, bias=False) for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(functional.relu(norm(x)))], 1)
        return x


class Dense(nn.Module):
    """DenseNet's habits: concatenation, and a normalization and ReLU before the pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.block1 = DenseBlock(8, 4, 2)
        self.transition = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.Conv2d(16, 8, 1), nn.AvgPool2d(2))
        self.block2 = DenseBlock(8, 4, 2)
        self.norm = nn.BatchNorm2d(16)
        self.classifier = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.transition(self.block1(self.stem(x))))
        x = functional.relu(self.norm(x), inplace=True)
        return self.classifier(torch.flatten(functional.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inverted(nn.Module):
    """MobileNetV3's block: expand, depthwise, squeeze and excite with a hard sigmoid, project."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish())
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish()
        )
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(wide, 4, 1)
        self.fc2 = nn.Conv2d(4, wide, 1)
        self.project = nn.Sequential(nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        y = y * functional.hardsigmoid(self.fc2(functional.relu(self.fc1(self.squeeze(y)))))
        return x + self.project(y)


class Mobile(nn.Module):
    """MobileNetV3's habits, with its two linear layers at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.blocks = nn.Sequential(Inverted(8, 12), Inverted(8, 12))
        self.last = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.classifier = nn.Sequential(nn.Linear(16, 12), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(12, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.blocks(self.stem(x)))
        return self.classifier(x.mean([2, 3]))


class AllConvolutional(nn.Module):
    """No linear layer: a convolution with a channel a class, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.LeakyReLU(0.1), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU6()
        )
        self.classes = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.classes(self.body(x)), 1).flatten(1)


class UNet(nn.Module):
    """Down, up, and a skip connection; the answer is read from the full-size map."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.merge = nn.Sequential(nn.Conv2d(12, 8, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down1(x)
        x = self.up(self.down2(functional.max_pool2d(skip, 2)))
        return self.fc(self.merge(torch.cat([skip, x], 1)).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        parted = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parted.unbind(0)
        weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))


class Encoder(nn.Module):
    """A block of a vision transformer, normalization first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """A vision transformer whose answer is read from the class token (`pooled` false) or from the mean of the others.

    `extra`: how many tokens are no cells; the first is the class token, the second DeiT's, others are registers.
    """

    def __init__(self, *, pooled: bool = False, extra: int = 1, width: int = 12, patch: int = 8) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, patch, stride=patch)
        self.extra = extra
        self.cls_token = nn.Parameter(torch.randn(1, self.extra, width) * 0.3)
        self.pos_embed = nn.Parameter(torch.randn(1, (SIZE // patch) ** 2 + self.extra, width) * 0.3)
        self.blocks = nn.Sequential(Encoder(width, 2), Encoder(width, 2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        x = self.norm(self.blocks(x))
        return self.head(x[:, self.extra :].mean(1) if self.pooled else x[:, 0])


class Windows(nn.Module):
    """Swin's block: attention inside windows of a map with its channels last."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        w = self.window
        y = self.norm1(x).reshape(batch, height // w, w, width // w, w, channels).permute(0, 1, 3, 2, 4, 5)
        y = self.attn(y.reshape(-1, w * w, channels))
        y = y.reshape(batch, height // w, width // w, w, w, channels).permute(0, 1, 3, 2, 4, 5)
        x = x + y.reshape(batch, height, width, channels)
        return x + self.mlp(self.norm2(x))


class Swin(nn.Module):
    """Two stages with patches merged in between."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.stage1 = Windows(8, 4)
        self.merge = nn.Linear(32, 16, bias=False)
        self.stage2 = Windows(16, 2)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(self.embed(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        x = self.norm(self.stage2(self.merge(x)))
        return self.head(x.mean((1, 2)))


class Perceptron(nn.Module):
    """No map at all."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU()
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


ZOO: dict[str, Callable[[], nn.Module]] = {
    "plain": networks.Plain,
    "residual": networks.Residual,
    "depthwise-se": networks.DepthwiseSE,
    "mobile": Mobile,
    "dense": Dense,
    "vgg": networks.VggLike,
    "all-convolutional": AllConvolutional,
    "unet": UNet,
    "convnext": networks.ChannelsLast,
    "vit": ViT,
    "vit-pooled": lambda: ViT(pooled=True),
    "deit": lambda: ViT(extra=2),
    "swin": Swin,
    "perceptron": Perceptron,
}


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return networks.build(ZOO[name]())


def write(network: nn.Module, folder: Path, form: str, *, size: int = SIZE) -> Path:
    """The network as a file: "onnx", "dynamo" (ONNX by torch's newer exporter), "traced", "scripted", "frozen" or
    "exported"."""
    if form == "dynamo":
        return write_newer(network, folder / "dynamo.onnx", size=size)
    if form != "onnx":
        return networks.save(network, folder / f"{form}{networks.suffix(form)}", form, size=size)
    path = folder / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, size, size, dtype=next(network.parameters()).dtype),),
            str(path),
            dynamo=False,
            input_names=["image"],
            output_names=["output"],
            dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}},
            opset_version=17,
        )
    return path


def write_newer(
    network: Any, path: Path, *, size: int = SIZE, batch: int = 2, free: tuple[int, ...] = (0,), **more: Any
) -> Path:
    """The network as ONNX by the exporter that torch uses from 2.9 on. Its larger weights stand in a file beside it,
    unless `external_data` says otherwise.

    Args:
        network: a module, or what `torch.export.export` made of one.
        path: the file.
        size: of the example picture.
        batch: of the example.
        free: axes of the picture that may be of any length.
        more: for `torch.onnx.export`.
    """
    dims = {axis: torch.export.Dim.DYNAMIC if axis else torch.export.Dim("batch", min=1, max=1024) for axis in free}
    kind = next(iter(network.parameters())).dtype
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(batch, 3, size, size, dtype=kind),), str(path), dynamo=True, input_names=["image"],
            output_names=["output"], dynamic_shapes=(dims,) if dims else None, verbose=False, **more,
        )  # fmt: skip
    return path
