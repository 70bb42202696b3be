"""Class activation maps: capturing is the runtime's work, so a method is data plus one line of arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from audit.registry import Registry
from audit.result import Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Description


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamInput:
    """What a method may look at. `targets` [B] are class numbers; with a single-output head class 1 is the logit and
    class 0 its negative. `gradient` [B, C, h, w] is of the target's logit; `weight` [K, C] is the linear head's."""

    activation: NDArray[np.float32]
    targets: NDArray[np.int64]
    gradient: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamMethod:
    """A way to make a map. `needs` holds "gradients" and "head"; the activation is always there.

    `compute` gives float32 [B, h, w], signed as the method defines it; focus measures clip at 0.
    """

    name: str
    title: str
    formula: str
    source: str
    needs: frozenset[str]
    compute: Callable[[CamInput], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamChoice:
    """A method, the layer it maps, and why it was chosen."""

    method: CamMethod
    layer: str
    reason: str


CAMS: Registry[CamMethod] = Registry(__name__, "CAM method")


def can_work(method: CamMethod, description: Description, output: str) -> str | None:
    """None when `method` can be had for this model's output, else the reason why not."""
    if _last_spatial(description) is None:
        return description.closed or "the network has no spatial layer that can be tapped, so there is no map"
    if "head" in method.needs and output not in description.heads:
        return description.heads_missing.get(output, "the head is not a global pool and a linear layer")
    if "gradients" in method.needs and description.gradients is not None:
        return description.gradients
    return None


def choose(name: str, description: Description, output: str) -> CamChoice | Skipped:
    """The CAM method for this model: `auto` takes exact CAM where the head allows it, Grad-CAM where gradients can be
    had, and otherwise says why there is none. An unknown name is a UsageError."""
    order = ("cam", "gradcam") if name == "auto" else (name,)
    if description.closed is not None and all(candidate in CAMS for candidate in order):
        return Skipped(measure="cam", parameters={"cam": name}, reason=description.closed)
    reasons = []
    for candidate in order:
        method = CAMS.get(candidate)
        reason = can_work(method, description, output)
        if reason is not None:
            reasons.append(f"{method.title}: {reason}")
            continue
        if "head" in method.needs:
            layer = description.heads[output].layer
            why = "the head is a global pool and a linear layer, so the map is exact"
        else:
            layer = _last_spatial(description) or ""
            why = "gradients can be had at the last spatial layer"
        return CamChoice(method=method, layer=layer, reason=why if name == "auto" else "asked for by name")
    return Skipped(measure="cam", parameters={"cam": name}, reason="; ".join(reasons))


def _last_spatial(description: Description) -> str | None:
    """The last layer with a map worth the name: more than one cell, read by what follows."""
    for layer in reversed(description.layers):
        if layer.reason is None and layer.spatial and not layer.unread and layer.shape[1] * layer.shape[2] > 1:
            return layer.name
    return None
