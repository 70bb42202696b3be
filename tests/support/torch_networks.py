"""Small eager networks with the habits of real ones, and ways to write them as TorchScript files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Plain(nn.Module):
    """Two convolutions, global average pool, linear: CAM is exact. `end` is what follows the logits."""

    def __init__(self, classes: int = 3, activation: nn.Module | None = None, end: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.act1 = activation if activation is not None else nn.ReLU()
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(12)
        self.act2 = activation if activation is not None else nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(12, classes)
        self.end = end if end is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(x))
        x = self.act2(self.norm2(self.conv2(x)))
        return self.end(self.fc(self.drop(torch.flatten(self.pool(x), 1))))


class BasicBlock(nn.Module):
    """ResNet's basic block, its ReLU in place and used twice, as torchvision writes it."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = nn.Sequential()
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.downsample(x)
        return self.relu(out)


class Residual(nn.Module):
    """A ResNet of basic blocks: `widths` channels a stage, `depth` blocks each."""

    def __init__(self, widths: tuple[int, ...] = (8, 12), depth: int = 1, classes: int = 2, stem: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], stem, stride=2, padding=stem // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        before = widths[0]
        for i, width in enumerate(widths):
            blocks = [BasicBlock(before if j == 0 else width, width, 2 if i and j == 0 else 1) for j in range(depth)]
            stages.append(nn.Sequential(*blocks))
            before = width
        self.layers = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = torch.flatten(self.avgpool(self.layers(x)), 1)
        return self.fc(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, 4, 1)
        self.expand = nn.Conv2d(4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = functional.relu(self.reduce(functional.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.expand(scale))


class DepthwiseSE(nn.Module):
    """An inverted bottleneck: pointwise, depthwise, squeeze and excite, linear projection; SiLU throughout."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.se = SqueezeExcite(6)
        self.project = nn.Conv2d(6, 6, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 10, 1)
        self.fc = nn.Linear(10, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.stem(x))
        y = self.se(functional.silu(self.norm(self.depthwise(x))))
        x = x + self.norm2(self.project(y))
        x = functional.silu(self.last(x))
        return self.fc(x.mean([2, 3]))


class VggLike(nn.Module):
    """Flatten and two linear layers: no exact CAM."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(True), nn.AdaptiveAvgPool2d((4, 4)),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(8 * 16, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, classes)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class NoLinear(nn.Module):
    """A convolution with one channel a class, averaged: the head is the identity."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(inplace=True))
        self.classes = nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.body(x)).mean((2, 3))


class TwoOutputs(nn.Module):
    """Age and gender from one body; `kind` is the type that carries them, or "early": the age from the picture."""

    def __init__(self, kind: str = "tuple") -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.age = nn.Linear(8, 1)
        self.gender = nn.Linear(8, 2)
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        early = self.age(x.mean([1, 2])[:, :8])
        x = self.body(x).mean([2, 3])
        age, gender = early if self.kind == "early" else self.age(x), self.gender(x)
        return {"age": age, "gender": gender} if self.kind == "dict" else (age, gender)


class AgeAndGender(NamedTuple):
    age: Tensor
    gender: Tensor


class NamedOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> AgeAndGender:
        x = torch.relu(self.conv(x)).mean([2, 3])
        return AgeAndGender(x[:, :1], x[:, 1:])


class LateOutput(nn.Module):
    """Its dictionary is filled in a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        y = torch.relu(self.conv(x)).mean([2, 3])
        if x.size(0) > 0:
            found["late"] = y
        return found


class Overwritten(nn.Module):
    """The tapped value is written over by what follows, through the same name and through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        y = self.relu(x)
        y += self.conv2(y)
        y = self.relu(y)
        y.flatten(1).mul_(0.5)
        return self.fc(y.mean([2, 3]))


class Branching(nn.Module):
    """A branch on the data: what is inside it can't be returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        if bool(x.sum() > 1e6):  # noqa: SIM108 TorchScript's own kind of branch
            x = torch.relu(self.conv2(x))
        else:
            x = torch.relu(self.conv2(x) * 1.5)
        return self.fc(x.mean([2, 3]))


class FixedBatch(nn.Module):
    """Traced with its batch size written into a view."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)
        self.batch = batch

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).mean([2, 3]).view(self.batch, 4))


class ChannelsLast(nn.Module):
    """A ConvNeXt block: inside it the channels are the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.widen = nn.Linear(6, 10)
        self.narrow = nn.Linear(10, 6)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.narrow(functional.silu(self.widen(y)))
        return self.fc((x + y.permute(0, 3, 1, 2)).mean([2, 3]))


class Talking(nn.Module):
    """Prints and warns whenever it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        print("here is what I think:", x.sum())
        warnings.warn("and I may be wrong")  # noqa: B028 TorchScript knows no stacklevel
        return self.fc(torch.relu(self.conv(x)).mean([2, 3]))


def resnet18(classes: int = 2) -> nn.Module:
    """The size and shape of a ResNet-18."""
    return Residual((64, 128, 256, 512), depth=2, classes=classes, stem=7)


def build(network: nn.Module, seed: int = 0) -> nn.Module:
    """Eval mode, with weights and batch statistics that leave every layer alive."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
    return network.eval()


def scripted(network: nn.Module) -> torch.jit.ScriptModule:
    """`torch.jit.script`. torch knows its builtins by `id()`, some of objects that are gone, so now and then a list of
    the network's has one of these ids and is taken for a builtin: only what can be called is looked up here."""
    find = torch.jit._builtins._find_builtin
    with mock.patch("torch.jit._recursive._find_builtin", lambda thing: find(thing) if callable(thing) else None):
        return torch.jit.script(network)


def save(
    network: nn.Module, path: Path, how: str = "scripted", *, size: int = 24, extra: dict[str, str] | None = None
) -> Path:
    """Write `network` as a TorchScript file: "scripted", "traced" or "frozen" (scripted, then frozen); or "exported" by
    torch.export with a free batch."""
    if how == "exported":
        return export(network, path, size=size, extra=extra)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if how == "traced":
            kind = next((weight.dtype for weight in network.parameters()), torch.float32)
            example = torch.zeros(2, 3, size, size, dtype=kind)
            module = torch.jit.trace(network, example, strict=False, check_trace=False)
        else:
            module = scripted(network)
        if how == "frozen":
            module = torch.jit.freeze(module)
        torch.jit.save(module, str(path), _extra_files=extra or {})
    return path


def export(
    network: nn.Module,
    path: Path,
    *,
    size: int = 24,
    batch: int | None = None,
    keyword: str | None = None,
    extra: dict[str, str] | None = None,
) -> Path:
    """Write `network` as a torch.export file, with a fixed batch if one is named; `keyword` names the picture."""
    example = torch.zeros(batch or 2, 3, size, size, dtype=next(network.parameters()).dtype)
    free = {0: torch.export.Dim("batch", min=1, max=1024)} if batch is None else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            network,
            () if keyword else (example,),
            {keyword: example} if keyword else None,
            dynamic_shapes=({keyword: free} if keyword else (free,)),
        )
        torch.export.save(program, str(path), extra_files=extra or {})
    return path


def suffix(how: str) -> str:
    """Of the files that `save` writes this way."""
    return ".pt2" if how == "exported" else ".pt"


def noise(batch: int, size: int = 24, seed: int = 1) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


class Watch(TorchFunctionMode):
    """Sees every ReLU and SiLU of an eager network as it runs, in order: the oracle for taps.

    `seen` holds copies of what they give. With `leaf`, the value of that number is cut off and stands in `cut`, so
    that autograd gives the gradient with respect to it.
    """

    def __init__(self, leaf: int | None = None) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self._leaf = leaf
        self.cut: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.__name__.rstrip("_") not in {"relu", "silu"}:
            return result
        self.seen.append(result.detach().clone())
        if len(self.seen) - 1 != self._leaf:
            return result
        self.cut = result.detach().clone().requires_grad_(True)
        return self.cut.clone()


def watch(network: nn.Module, images: Tensor, leaf: int | None = None) -> tuple[Any, Watch]:
    """What an eager network returns, and what was seen inside."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with Watch(leaf) as seen:
        returned = network(images)
    return returned, seen
