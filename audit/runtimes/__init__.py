"""A model file, opened: what goes in, what comes out, which layers can be tapped, and one pass that gives it all.

A runtime is one plug-in file per model format. It says what it can give; nobody asks what type it is.
Everything wanted is asked for up front in a `Request`, so that an image goes through the model once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import ModelError, UsageError, nearest
from audit.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# How an activation [C, h, w] of one image becomes one number (reference: InsideBias, and see the measure).
REDUCTIONS = ("max_of_channel_mean", "mean_of_channel_max", "mean")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TensorSpec:
    """An input or output of the model file. None stands for a free dimension."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A named place in the network whose activation can be looked at.

    A layer is an activation *after its non-linearity* (or a convolution's output, where none follows). `shape` is
    (C, h, w) for one image, whatever the file's own layout, or (C,) for a vector. `depth` is 0 at the input and 1
    at the output, by position among the layers.
    """

    name: str
    kind: str  # "relu", "conv", "silu", …: the operator that makes the value
    shape: tuple[int, ...]
    depth: float
    convolution: bool  # a convolution, or the non-linearity that directly follows one (batch norm in between)
    non_negative: bool  # false: activations are clipped at 0 before they are reduced, and the report says so
    reason: str | None = None  # why it can't be tapped; None: it can
    unread: bool = False  # nothing behind reads its cells (only the class token), so a map of it says nothing
    cost: float | None = None  # share of the network's multiply-adds spent since the layer before; None: not counted

    @property
    def spatial(self) -> bool:
        return len(self.shape) == 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A global average pool and a linear layer (or none: the identity) from a layer to the output's logits:
    logits = weight @ mean over space of the activation + bias. Makes CAM exact."""

    layer: str
    weight: NDArray[np.float32]  # [K, C]
    bias: NDArray[np.float32]  # [K]

    def gradient(self, targets: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Of each image's target logit by an activation of this shape [B, C, h, w]: every cell counts alike."""
        import numpy as np

        each = by_class(self.weight)[targets] / np.float32(shape[2] * shape[3])
        return np.broadcast_to(each[:, :, None, None], shape)


def by_class(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """A head's weight, one row a class: of a single logit class 1 is it, class 0 its negative."""
    import numpy as np

    return np.concatenate([-weight, weight]) if len(weight) == 1 else weight


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What a model that was asked elsewhere has to say: answers in words, and about certain pictures only."""

    classes: tuple[str, ...]  # the words it has
    complete: bool  # these are all that it can say; else a label that it never gave as an answer is one of its classes
    scored: tuple[str, ...]  # classes that it gives probabilities of
    decided: bool  # it decided itself, and no threshold has a say in it
    paths: Collection[str]  # of the pictures that it was asked about, relative to the probe folder
    said: Mapping[str, int] = dataclasses.field(default_factory=dict)  # how often each decision occurs, as first met
    place: Callable[[str], str] = str  # where a word stands first, for a message

    def scores_missing(self, classes: Collection[str]) -> str | None:
        """Why there are no probabilities of these classes; None: there are."""
        if all(name in self.scored for name in classes):
            return None
        return "the table of predictions holds decisions and no probability of each class"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a model turned out to be, for one input shape."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]  # with the shapes seen, batch as None
    layers: tuple[Layer, ...]  # in order of execution
    heads: Mapping[str, Head]  # by output name; absent where the head is not pool + linear
    heads_missing: Mapping[str, str]  # by output name: why not
    final: Mapping[str, str | None]  # by output name: "softmax", "log_softmax", "sigmoid" at its very end, or None
    gradients: str | None  # None: gradients can be had at the last map; else the reason why not
    tail: str | None = "this kind of file can't be run on from a layer"  # the same of `Capture.tail`
    notes: tuple[str, ...] = ()
    closed: str | None = None  # why nothing inside the model can be seen; None: it can
    answers: Answers | None = None  # where there is no network to ask, only what it said


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Everything wanted from a forward pass."""

    output: str
    classes: tuple[str, ...] = ()  # in the order that the outputs shall have, of a model that answers in words
    reductions: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  # layer -> reductions
    cam_layer: str | None = None
    gradients: bool = False
    tail: bool = False
    logits: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Capture:
    """What one batch gave. Activations are in [B, C, h, w], whatever the file's own layout.

    `gradient(targets)` is the gradient of the target class's logit (before a final softmax or sigmoid; for a single
    sigmoid output class 1 is the logit and class 0 its negative) with respect to `activation`, one target an image.
    `tail(changed)` runs the rest of the network again from another activation [B, C, h, w] of the same images in the
    same order, and gives the logits [B, K]. `logits` are what the file has before its last step, where that is a
    softmax or sigmoid that can be seen, and else the outputs.
    """

    outputs: NDArray[np.floating[Any]]  # [B, K] (a [B] output comes as [B, 1]); float32 where a network computed them
    strengths: Mapping[tuple[str, str], NDArray[np.float64]]  # (layer, reduction) -> [B]
    activation: NDArray[np.float32] | None = None
    gradient: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None
    tail: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    logits: NDArray[np.floating[Any]] | None = None  # [B, K], where they are asked for and the runtime has them
    decisions: NDArray[np.int64] | None = None  # [B] into the request's classes, -1: none; of a model that decides
    reasons: tuple[str | None, ...] = ()  # [B] why there is no answer, where the model knows


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Randomized:
    """A network with weights drawn anew, prepared like the one that it was made from."""

    model: Model
    head: Head | None  # its own, at the output asked for, where that has one
    layers: int  # how many layers have other weights now
    of: int  # how many layers have weights


class Model(Protocol):
    """An opened model file, or a table of what a model said."""

    path: Path
    files: tuple[Path, ...]  # the model file, then the external data it reads: what its hash is made of
    format: str  # "onnx", "torchscript"
    inputs: tuple[TensorSpec, ...]  # the image first; weights listed as inputs are not here; (): it looks at no image
    outputs: tuple[TensorSpec, ...]  # as far as the file says
    batch: int | None  # the fixed batch size, if the file has one; `run` takes any number of images all the same
    provider: str  # what really computes: "CPUExecutionProvider", "torch cpu"
    device: str  # "cpu", "cuda"
    metadata: Mapping[str, str]  # what the file says about itself

    @property
    def guard(self) -> float | None:
        """Largest relative difference that tapping made to the outputs on the first batch."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: where outputs came from after the guard fired, and such."""

    @property
    def passes(self) -> int:
        """How often the next run that looks inside computes each picture: twice where the untouched model is asked for
        the outputs, to compare them on the first batch or because they differed there."""

    def describe(self, shape: tuple[int, int, int, int]) -> Description:
        """Inputs, outputs and layers for an image input of this shape (batch 1). Raises ModelError."""

    def prepare(self, request: Request) -> None:
        """Set up the pass that gives all of `request`. Raises ModelError naming the layer that can't be had."""

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:
        """One forward pass. A fixed batch is served in pieces, the last one padded. `paths` are the images' own, in the
        probe set: a network has no use for them."""

    def randomized(self, share: float, seed: int) -> Randomized:
        """The same file opened again, with the weights of the last `share` (0 to 1) of its layers drawn anew, at least
        those of the last one, and prepared for the same map.

        The entries of each weight tensor with two axes or more are put into a random order, so that their mean and
        their spread stay; biases and normalizations are left as they are. This model itself is not touched.

        Raises ModelError with the reason where the weights can't be changed.
        """

    def close(self) -> None:
        """Free sessions and memory."""


class Runtime(Protocol):
    """A model format."""

    suffixes: tuple[str, ...]

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        """Open a file after checking that it is safe to. Raises UnsafeModel, ModelError, MissingExtra, and
        UsageError when the device asked for by name is not there."""


RUNTIMES: Registry[Runtime] = Registry(__name__, "runtime")


def open_model(path: str | Path, *, device: str = "auto", threads: int | None = None) -> Model:
    """Open a model file by its suffix, on the device asked for.

    Raises:
        UsageError: no such file.
        ModelError: not a model of that format, broken, or unsafe.
    """
    from audit.runtimes._seems import check_suffix

    path = Path(path)
    known = {suffix: runtime for _, runtime in RUNTIMES.items() for suffix in runtime.suffixes}
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError("no such model file", value=str(path), hint=nearest(path.name, siblings))
    if path.is_dir():
        raise UsageError("the model is a folder, not a file", value=str(path), allowed=sorted(known))
    if path.stat().st_size == 0:
        raise ModelError("the model file is empty", where=path)
    runtime = known.get(path.suffix.lower())
    if runtime is None or type(runtime).__module__.startswith("audit."):  # others know their own files
        check_suffix(path)
    if runtime is None:
        raise ModelError("no runtime reads this kind of file", value=path.name, allowed=sorted(known))
    return runtime.open(path, device=device, threads=threads)


def last_map(layers: Sequence[Layer]) -> Layer | None:
    """The last layer with a map worth the name: more than one cell, read by what follows. CAM methods that are not tied
    to a head look here."""
    for layer in reversed(layers):
        if layer.reason is None and layer.spatial and not layer.unread and layer.shape[1] * layer.shape[2] > 1:
            return layer
    return None


def default_layers(layers: Sequence[Layer], most: int = 6) -> tuple[Layer, ...]:
    """At most `most` maps spread evenly over the depth, the last one that is read always among them: what follows the
    last convolution, or in a network that goes on without one (DenseNet's last normalization, a vision transformer's
    blocks) what its head reads. Of a network without any map as many vectors.

    Bare convolutions stand back where there are enough maps after a non-linearity: their values below 0 are clipped.
    """
    can = [layer for layer in layers if layer.reason is None]
    can = [layer for layer in can if layer.spatial and not layer.unread] or can
    if not can:
        return ()
    settled = [layer for layer in can if layer.kind != "conv" or layer is can[-1]]
    if len(settled) >= most:
        can = settled
    first, whole = can[0].depth, can[-1].depth - can[0].depth
    picks: list[Layer] = []
    for i in range(min(most, len(can))):
        wanted = first + whole * i / (most - 1)
        picks.append(min((layer for layer in can if layer not in picks), key=lambda layer: abs(layer.depth - wanted)))
    return tuple(layer for layer in can if layer in picks)
