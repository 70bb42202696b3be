"""The oracle for taps: an eager network of torch, every non-linearity watched as it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from audit.runtimes import Layer

SEEN = ("relu", "relu6", "leaky_relu", "silu", "gelu", "hard_swish")
_WORDS = {"hardswish": "hard_swish", "hardtanh": "relu6"}
TOKENS = {"vit": 1, "vit-pooled": 1, "deit": 2}  # of the zoo: how many are no cells of a map


class Watch(TorchFunctionMode):
    """Sees every non-linearity of an eager network as it runs, in order, and what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        word = func.__name__.rstrip("_")
        word = _WORDS.get(word, word)
        if word in SEEN:
            self.seen.append((word, result.detach().clone()))
        return result


def watch(network: nn.Module, images: Tensor) -> tuple[np.ndarray, list[tuple[str, Tensor]]]:
    """The outputs in float32, and what every non-linearity gave."""
    with Watch() as seen, torch.no_grad():
        returned = network(images)
    return returned.float().numpy(), seen.seen


def as_map(value: Tensor, layer: Layer, spare: int) -> np.ndarray:
    """What a layer gave as [B, C, h, w], by what the network is known to be, not by what we found."""
    if value.dim() == 3:
        value = value[:, spare:].transpose(1, 2).reshape(len(value), value.shape[2], *layer.shape[1:])
    elif value.dim() == 4 and value.shape[3] == layer.shape[0] and value.shape[1] != layer.shape[0]:
        value = value.permute(0, 3, 1, 2)
    elif value.dim() == 2:
        value = value[:, :, None, None]
    return value.double().numpy()


def reduced(maps: np.ndarray) -> dict[str, np.ndarray]:
    """The definitions of the reductions, picture by picture in float64."""
    maps = np.maximum(maps.astype(np.float64), 0)
    return {
        "max_of_channel_mean": np.array([a.mean(axis=0).max() for a in maps]),
        "mean_of_channel_max": np.array([a.reshape(len(a), -1).max(axis=1).mean() for a in maps]),
        "mean": np.array([a.mean() for a in maps]),
    }
