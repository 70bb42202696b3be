"""Class activation maps: capturing is the runtime's work, so a method is data plus one line of arithmetic."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.registry import Registry
from audit.result import Skipped
from audit.runtimes import last_map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Capture, Description, Head, Model


Forward = Callable[["NDArray[Any]"], "NDArray[np.floating[Any]]"]
Sample = Iterable[tuple[int, "NDArray[np.float32]"]]  # class number, activation [n, C, h, w] of some of its pictures


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamInput:
    """What a method may look at, as far as its `needs` say.

    `targets` [B] are class numbers; with a single-output head class 1 is the logit and class 0 its negative.
    `gradient` [B, C, h, w] is of the target's logit; `weight` [K, C] and `bias` [K] are the linear head's; `outputs`
    [B, K] are the model's own. `tail` gives logits [B, K] for another activation of the same images, `forward` for
    other pictures in place of `images` (the logarithm of the probabilities where a file shows nothing else). `images`
    are as they were fed, [B, C, H, W] or, with `channels_last`, [B, H, W, C]. Where several targets of the same images
    are asked for, they all are in `several` [T, B], `targets` is row `turn` of it, and `shared` is the same dictionary.
    """

    activation: NDArray[np.float32]
    targets: NDArray[np.int64]
    gradient: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    outputs: NDArray[np.floating[Any]] | None = None
    images: NDArray[Any] | None = None
    channels_last: bool = False
    tail: Forward | None = None
    forward: Forward | None = None
    fitted: Any = None  # what the method's own `fit` made of a sample
    several: NDArray[np.int64] | None = None
    turn: int = 0
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)  # of one batch: what its targets have in common

    def scores(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The logits [B, K] of all targets asked for, [T, B]: of many classes nothing else has to be kept."""
        import numpy as np

        several = self.targets[None] if self.several is None else self.several
        return np.stack([scores_of(logits, targets) for targets in several])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamMethod:
    """A way to make a map.

    `needs` holds words of "head", "gradients", "outputs", "tail", "forward"; the activation is always there. `compute`
    gives float32 [B, h, w], signed as the method defines it; focus measures clip at 0. `fit` looks at activations of
    each class before the run; what it gives comes back as `CamInput.fitted`.
    """

    name: str
    title: str
    formula: str
    source: str
    needs: frozenset[str]
    compute: Callable[[CamInput], NDArray[np.float32]]
    signed: bool = False  # cells that speak against the class are negative
    by_class: bool = True  # false: the map is the same whatever the class
    fit: Callable[[Sample, Head], Any] | None = None
    opposite: frozenset[int] = frozenset()  # with so many logits two classes' maps are each other's negative, clipped

    @property
    def repeats(self) -> str | None:
        """What runs again once a channel: "the whole network", "the network behind the layer", or nothing."""
        if "forward" in self.needs:
            return "the whole network"
        return "the network behind the layer" if "tail" in self.needs else None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mapper:
    """A method with what it has of the model beside the capture of a batch.

    An exact head gives gradients and the tail by itself. `final` is the output's last step, as in
    `audit.tasks.OutputSpec`.
    """

    method: CamMethod
    head: Head | None
    final: str | None = None
    channels_last: bool = False
    fitted: Any = None

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
        return self.maps_of(model, capture, images, (targets,))[0]

    def maps_of(
        self, model: Model, capture: Capture, images: NDArray[Any], several: Sequence[NDArray[np.int64]]
    ) -> tuple[NDArray[np.float32], ...]:
        """The same for several targets an image; what they have in common is computed once."""
        import numpy as np

        shared: dict[str, Any] = {}
        asked = np.maximum(np.stack(several), 0)
        return tuple(
            self._maps(self._seen(model, capture, images, asked, turn, shared), targets)
            for turn, targets in enumerate(several)
        )

    def _seen(
        self,
        model: Model,
        capture: Capture,
        images: NDArray[Any],
        several: NDArray[np.int64],
        turn: int,
        shared: dict[str, Any],
    ) -> CamInput:
        """What the method may look at for one of several targets."""
        assert capture.activation is not None  # noqa: S101 asked for whenever there is a method
        needs, asked, head = self.method.needs, several[turn], self.head
        tail = capture.tail if head is None else functools.partial(logits_of, head)
        return CamInput(
            activation=capture.activation,
            targets=asked,
            gradient=self._gradient(capture, asked) if "gradients" in needs else None,
            weight=head.weight if "head" in needs and head else None,
            bias=head.bias if "head" in needs and head else None,
            outputs=capture.outputs if "outputs" in needs else None,
            images=images if "forward" in needs else None,
            channels_last=self.channels_last,
            tail=tail if "tail" in needs else None,
            forward=(lambda pictures: self._logits(model.run(pictures))) if "forward" in needs else None,
            fitted=self.fitted,
            several=several,
            turn=turn,
            shared=shared,
        )

    def _maps(self, seen: CamInput, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        import numpy as np

        with np.errstate(all="ignore"):  # what comes of numbers that are not finite is no map
            made = self.method.compute(seen).astype(np.float32, copy=True)
        spoiled = ~np.isfinite(made).all(axis=(1, 2))
        if seen.gradient is not None:  # a method may clip what is infinite below 0
            spoiled |= ~np.isfinite(seen.gradient.min(axis=(1, 2, 3)))
        made[(targets < 0) | spoiled] = np.nan
        return made

    def _logits(self, capture: Capture) -> NDArray[np.floating[Any]]:
        """Those that the file has before its last step; from its answers where it has none that can be read."""
        if capture.logits is None:
            return as_logits(capture.outputs, self.final)
        return as_logits(capture.logits, self.final if self.final == "probabilities" else None)

    def _gradient(self, capture: Capture, targets: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Of the target's logit: exact from the weights where the head is a pool and a linear layer."""
        if self.head is None or capture.activation is None:
            return capture.gradient(targets) if capture.gradient else None
        return self.head.gradient(targets, capture.activation.shape)


def logits_of(head: Head, activation: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Logits [B, K] of an activation [B, C, h, w]."""
    import numpy as np

    logits: NDArray[np.float64] = activation.mean(axis=(2, 3), dtype=np.float64) @ head.weight.T + head.bias
    return logits


def scores_of(logits: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The target's logit of each image, [B]. Logits [B, K]; one logit: class 1 is it, class 0 its negative."""
    import numpy as np

    table = np.concatenate([-logits, logits], axis=1) if logits.shape[1] == 1 else logits
    return np.take_along_axis(table.astype(np.float64), targets[:, None], axis=1)[:, 0]


def as_logits(outputs: NDArray[np.floating[Any]], final: str | None) -> NDArray[np.floating[Any]]:
    """Logits from what a model gives, up to a number that all classes share; a single sigmoid is turned round."""
    import numpy as np

    if final in {None, "log_softmax"}:
        return outputs
    least = np.finfo(np.float32).tiny
    shares = outputs.astype(np.float64)
    if final == "sigmoid" or shares.shape[1] == 1:
        return np.asarray(np.log(np.maximum(shares, least)) - np.log(np.maximum(1 - shares, least)))
    return np.asarray(np.log(np.maximum(shares, least)))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CamChoice:
    """A method, the layer it maps, and why it was chosen."""

    method: CamMethod
    layer: str
    reason: str
    head: Head | None = None  # of the output, where the layer is what it pools
    channels: int = 0  # of the layer

    @property
    def extra_passes(self) -> int:
        """How often `method.repeats` runs again for a picture. An exact head is no more than a product of matrices."""
        by_the_head = self.head is not None and "forward" not in self.method.needs
        return 0 if self.method.repeats is None or by_the_head else self.channels


CAMS: Registry[CamMethod] = Registry(__name__, "CAM method")


def can_work(method: CamMethod, description: Description, output: str) -> str | None:
    """None when `method` can be had for this model's output, else the reason why not."""
    head = _mapped_head(description, output)
    if head is None and last_map(description.layers) is None:
        return description.closed or "the network has no spatial layer that can be tapped, so there is no map"
    if head is not None:
        return None
    if "head" in method.needs:
        return description.heads_missing.get(output, "the head is not a global pool and a linear layer")
    if "gradients" in method.needs and description.gradients is not None:
        return description.gradients
    return description.tail if "tail" in method.needs else None


def _mapped_head(description: Description, output: str) -> Head | None:
    """The output's head, if what it pools is a map of more than one cell."""
    head = description.heads.get(output)
    layer = next((layer for layer in description.layers if head is not None and layer.name == head.layer), None)
    return head if layer is not None and layer.spatial and layer.shape[1] * layer.shape[2] > 1 else None


def choose(name: str, description: Description, output: str) -> CamChoice | Skipped:
    """The CAM method for this model: `auto` takes exact CAM where the head allows it, Grad-CAM where gradients can be
    had, Ablation-CAM where the network can be run on from the layer, and otherwise says why there is none of them. An
    unknown name is a UsageError."""
    order = ("cam", "gradcam", "ablationcam") if name == "auto" else (name,)
    if description.closed is not None and all(candidate in CAMS for candidate in order):
        return Skipped(measure="cam", parameters={"cam": name}, reason=description.closed)
    head, last = _mapped_head(description, output), last_map(description.layers)
    name_of = head.layer if head is not None else last.name if last is not None else ""
    layer = next((layer for layer in description.layers if layer.name == name_of), None)
    reasons: dict[str, str] = {}  # by title of the method
    for candidate in order:
        method = CAMS.get(candidate)
        reason = can_work(method, description, output)
        if reason is None and layer is not None:
            why = "; ".join((_why(candidate, head), *_told(reasons))) if name == "auto" else "asked for by name"
            return CamChoice(method=method, layer=layer.name, reason=why, head=head, channels=layer.shape[0])
        reasons[method.title] = str(reason)
    shared = set(reasons.values())
    told = shared if len(shared) == 1 and len(reasons) > 1 else _told(reasons)
    return Skipped(measure="cam", parameters={"cam": name}, reason="; ".join(told))


def _told(reasons: Mapping[str, str]) -> list[str]:
    return [f"{title}: {reason}" for title, reason in reasons.items()]


_WHY = {
    "cam": "the head is a global pool and a linear layer, so the map is exact",
    "gradcam": "gradients can be had at the last spatial layer",
    "ablationcam": "the network behind the last spatial layer can be run again",
}


def _why(method: str, head: Head | None) -> str:
    """Why `auto` takes it. The identity is no linear layer: the channels of the map are the classes."""
    import numpy as np

    alone = head is not None and np.array_equal(head.weight, np.eye(head.weight.shape[1])) and not head.bias.any()
    return "the head is a global pool, so the map is exact" if method == "cam" and alone else _WHY[method]
