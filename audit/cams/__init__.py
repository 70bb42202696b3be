"""Class activation maps: capturing is the runtime's work, so a method is data plus one line of arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audit.registry import Registry
from audit.result import Skipped
from audit.runtimes import last_map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Capture, Description, Head, Model


Forward = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamInput:
    """What a method may look at, as far as its `needs` say.

    `targets` [B] are class numbers; with a single-output head class 1 is the logit and class 0 its negative.
    `gradient` [B, C, h, w] is of the target's logit; `weight` [K, C] is the linear head's; `outputs` [B, K] are the
    model's own. `tail` gives logits [B, K] for another activation of the same images, `forward` outputs [B, K] for
    other pictures [B, ...] in place of `images`.
    """

    activation: NDArray[np.float32]
    targets: NDArray[np.int64]
    gradient: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    outputs: NDArray[np.floating[Any]] | None = None
    images: NDArray[Any] | None = None
    tail: Forward | None = None
    forward: Forward | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamMethod:
    """A way to make a map.

    `needs` holds words of "head", "gradients", "outputs", "tail", "forward"; the activation is always there. `compute`
    gives float32 [B, h, w], signed as the method defines it; focus measures clip at 0.
    """

    name: str
    title: str
    formula: str
    source: str
    needs: frozenset[str]
    compute: Callable[[CamInput], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mapper:
    """A method with what it has of the model beside the capture of a batch."""

    method: CamMethod
    head: Head | None

    def maps(
        self, model: Model, capture: Capture, images: NDArray[Any], targets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Signed maps [B, h, w] of the target classes, NaN where a target is negative or a map is not finite.

        Args:
            model: prepared, for methods that look at changed pictures.
            capture: what it gave for these images.
            images: as they were fed, [B, ...].
            targets: class numbers [B], negative where an image has no such class.
        """
        import numpy as np

        assert capture.activation is not None  # noqa: S101 asked for whenever there is a method
        needs, asked = self.method.needs, np.maximum(targets, 0)
        seen = CamInput(
            activation=capture.activation,
            targets=asked,
            gradient=capture.gradient(asked) if "gradients" in needs and capture.gradient else None,
            weight=self.head.weight if "head" in needs and self.head else None,
            outputs=capture.outputs if "outputs" in needs else None,
            images=images if "forward" in needs else None,
            tail=capture.tail if "tail" in needs else None,
            forward=(lambda pictures: model.run(pictures).outputs) if "forward" in needs else None,
        )
        made = self.method.compute(seen).astype(np.float32, copy=True)
        made[(targets < 0) | ~np.isfinite(made).all(axis=(1, 2))] = np.nan
        return made


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamChoice:
    """A method, the layer it maps, and why it was chosen."""

    method: CamMethod
    layer: str
    reason: str


CAMS: Registry[CamMethod] = Registry(__name__, "CAM method")


def can_work(method: CamMethod, description: Description, output: str) -> str | None:
    """None when `method` can be had for this model's output, else the reason why not."""
    if last_map(description.layers) is None:
        return description.closed or "the network has no spatial layer that can be tapped, so there is no map"
    if "head" in method.needs and output not in description.heads:
        return description.heads_missing.get(output, "the head is not a global pool and a linear layer")
    if "gradients" in method.needs and description.gradients is not None:
        return description.gradients
    return description.tail if "tail" in method.needs else None


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
            last = last_map(description.layers)
            layer = last.name if last is not None else ""
            why = "gradients can be had at the last spatial layer"
        return CamChoice(method=method, layer=layer, reason=why if name == "auto" else "asked for by name")
    return Skipped(measure="cam", parameters={"cam": name}, reason="; ".join(reasons))
