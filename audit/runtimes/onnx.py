"""ONNX files, run by onnxruntime. Layers are read through nodes added to a copy of the graph."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError, UsageError, nearest
from audit.runtimes import REDUCTIONS, RUNTIMES, Capture, Description, Head, Model, Randomized, Request, TensorSpec
from audit.runtimes._batching import pieces, run_in_batches
from audit.runtimes._limits import check_size
from audit.runtimes._onnx_describe import Seen, look_again, look_inside
from audit.runtimes._onnx_gradients import NO_TORCH, Backward, of_head
from audit.runtimes._onnx_input import computes_in_half, first_session, noise_for, output_specs, picture_input
from audit.runtimes._onnx_lift import lift
from audit.runtimes._onnx_limits import check_values
from audit.runtimes._onnx_onward import Onward, Piece, Rerun, tolerance_of
from audit.runtimes._onnx_redraw import redrawn, serialized
from audit.runtimes._onnx_safety import external_files, read_safely
from audit.runtimes._onnx_session import CUDA, Sessions, run_session
from audit.runtimes._onnx_tail import tail_of
from audit.runtimes._onnx_taps import Taps
from audit.runtimes._onnx_values import difference, joined, rows, strength
from audit.runtimes._steadiness import unsteady

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto
    from onnxruntime import InferenceSession

    from audit.runtimes._onnx_graph import Place

GUARD_TOLERANCE = 1e-4
APART = (
    "Looking inside changed the model's outputs (by up to {:.1e}, relative, in the first batch), so the outputs come "
    "from the untouched model in a pass of their own, and the activations are those of the model as it computes when "
    "looked into."
)


class OnnxModel:
    """An opened ONNX file.

    Two sessions are kept until the first batch has been through both: the file as it is, and a copy with taps. If
    tapping changed the outputs, they come from the untouched one from then on.
    """

    format = "onnx"

    def __init__(self, path: Path, file: ModelProto, sessions: Sessions) -> None:
        self.path = path
        self.files = (path, *external_files(file, path))
        self.inputs: tuple[TensorSpec, ...] = (picture_input(file, path),)
        self.outputs = output_specs(file, path)
        self.batch = self.inputs[0].shape[0]
        self.metadata: Mapping[str, str] = {entry.key: entry.value for entry in file.metadata_props}
        self.guard: float | None = None
        self.notes: tuple[str, ...] = ()
        self._sessions = sessions
        self._bare: InferenceSession | None = first_session(file, sessions, path)
        self.provider: str = self._bare.get_providers()[0]
        self.device = "cuda" if self.provider == CUDA else "cpu"
        self._file: ModelProto | None = file
        self._lifted: tuple[ModelProto, str | None] | None = None
        self._seen: Seen | None = None
        self._shape = (1, 0, 0, 0)  # of the input that it was described for
        self._tapped: InferenceSession | None = None
        self._apart = False  # outputs come from the untouched session although there is a tapped one
        self._request = Request(output=self.outputs[0].name)
        # Names of the values in the tapped copy, each with that of the mean.
        self._strengths: dict[tuple[str, str], tuple[str, str]] = {}
        self._activation: str | None = None
        self._onward: Onward | None = None
        self._rerun: Rerun | None = None
        self._backward: Backward | None = None
        self._head: Head | None = None  # where gradients follow from its weights

    def describe(self, shape: tuple[int, int, int, int]) -> Description:
        given = self.inputs[0].shape
        if any(known not in (None, asked) for known, asked in zip(given[1:], shape[1:], strict=True)):
            raise ModelError(
                "the model takes another input size",
                value=" x ".join(map(str, shape[1:])),
                allowed=" x ".join("any" if known is None else str(known) for known in given[1:]),
                where=self.path,
            )
        check_size(self.batch, shape[1:], self.path)
        self._shape = shape
        noise = noise_for(self.inputs[0], (self.batch or 1, *shape[1:]))
        pictures = {self.inputs[0].name: noise}

        def run(model: bytes, names: Sequence[str], feed: Mapping[str, NDArray[Any]] = pictures) -> list[NDArray[Any]]:
            return run_session(self._sessions.open(model, optimize=False), names, dict(feed), trial=self.path)

        model, unlifted = self._graph()
        check_values(model, self.inputs[0].name, noise.shape, self.path)
        self._seen = look_inside(
            model,
            run,
            inputs=self.inputs,
            outputs=self.outputs,
            half=computes_in_half(model),
            unlifted=unlifted,
            batch=len(noise),
            folder=self.path.parent.resolve(),
        )
        return self._steadied(self._seen.description)

    def _steadied(self, description: Description) -> Description:
        """With a note where the answers are not steady."""
        import numpy as np

        noise = noise_for(self.inputs[0], (self.batch or 2, *self._shape[1:]))

        def answers(pictures: NDArray[Any]) -> list[NDArray[np.float32]]:
            names = [spec.name for spec in description.outputs]
            values = run_session(self._untouched(), names, {self.inputs[0].name: pictures}, trial=self.path)
            return [value.astype(np.float32) for value in values if value.shape[:1] == pictures.shape[:1]]

        alike = np.repeat(noise[:1], len(noise), axis=0)
        try:
            note = unsteady(answers, noise, alike, half=computes_in_half(self._graph()[0]))
        except ModelError:  # it says that it takes any batch, and does not: a run will tell
            note = None
        return description if note is None else dataclasses.replace(description, notes=(*description.notes, note))

    def prepare(self, request: Request) -> None:
        names = [spec.name for spec in self.outputs]
        if request.output not in names:
            raise UsageError(
                "the model has no such output", value=request.output, allowed=names, hint=nearest(request.output, names)
            )
        self._tapped, self._apart, self.guard, self.notes = None, False, None, ()
        self._strengths, self._activation, self._request = {}, None, request
        self._onward = self._rerun = self._backward = self._head = None
        if (request.tail or request.gradients) and request.cam_layer is None:
            raise ModelError("gradients and the network behind a layer need a layer", where=self.path)
        if not request.reductions and request.cam_layer is None:
            return
        taps = Taps(self._graph()[0])
        taps.keep(request.output)
        seen = self._described()
        channels = {layer.name: layer.shape[0] for layer in seen.description.layers if layer.shape}
        for name, reductions in request.reductions.items():
            place = seen.places[self._layer(seen, name)]
            for reduction in reductions:
                if reduction not in REDUCTIONS:
                    raise ModelError(f"unknown reduction of the layer {name!r}", value=reduction, allowed=REDUCTIONS)
                vector = name in seen.vectors
                value, mean = (
                    taps.reduction(place, one, channels=channels[name], vector=vector) for one in (reduction, "mean")
                )
                self._strengths[name, reduction] = value, mean
        if request.cam_layer is not None:
            place = seen.places[self._layer(seen, request.cam_layer, spatial=True)]
            self._activation = taps.activation(place)
            if request.tail or request.gradients:
                self._go_on(seen, place, request, taps)
        self._tapped = self._sessions.open(taps.finished())

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:  # noqa: ARG002 a network sees pictures
        import numpy as np

        images = np.ascontiguousarray(images.astype(self.inputs[0].dtype, copy=False))
        if self._tapped is None:
            return Capture(outputs=self._outputs_of(self._untouched(), images), strengths={})
        names = [self._request.output, *itertools.chain(*self._strengths.values())]
        names += [self._activation] if self._activation else []
        bare = self._answers(images) if self.guard is None else None
        more = self._onward.names if self._onward is not None else []
        asked = list(dict.fromkeys([*names, *more]))
        seen = [
            Piece(values=dict(zip(asked, self._once(self._tapped, asked, fed), strict=True)), real=real)
            for fed, real in pieces(images, self.batch)
        ]
        got = {name: joined([piece.values[name][: piece.real] for piece in seen]) for name in names}
        outputs = rows(got[self._request.output])
        if bare is not None:
            self._compare(outputs, bare)
        if self._apart:
            outputs = bare if bare is not None else self._outputs_of(self._untouched(), images)
        activation = got[self._activation] if self._activation else None
        return Capture(
            outputs=outputs,
            strengths={key: strength(got[value], got[mean]) for key, (value, mean) in self._strengths.items()},
            activation=activation,
            gradient=self._gradient(seen, activation),
            tail=self._rerun.of(seen) if self._rerun is not None else None,
        )

    def randomized(self, share: float, seed: int) -> Randomized:
        other, layers, of = redrawn(self._graph()[0], self.path, share, seed)
        sessions = self._sessions.of(serialized(other, self.path))
        noise = {self.inputs[0].name: noise_for(self.inputs[0], (self.batch or 1, *self._shape[1:]))}

        def run(model: bytes, names: Sequence[str], feed: Mapping[str, NDArray[Any]] = noise) -> list[NDArray[Any]]:
            return run_session(sessions.open(model, optimize=False), names, dict(feed), trial=self.path)

        changed = OnnxModel(self.path, other, sessions)
        changed._shape = self._shape
        changed._seen = look_again(other, run, self._described(), half=computes_in_half(other))
        heads = changed._seen.description.heads
        changed.prepare(dataclasses.replace(self._request, reductions={}))
        changed.guard = 0.0  # its outputs are nobody's answer, so there is nothing to hold them against
        return Randomized(model=changed, head=heads.get(self._request.output), layers=layers, of=of)

    def close(self) -> None:
        self._bare = self._tapped = self._file = self._lifted = self._seen = None
        self._onward = self._rerun = self._backward = None

    def _graph(self) -> tuple[ModelProto, str | None]:
        """The graph as it is read and tapped, and why it can't be."""
        if self._file is None:
            raise ModelError("the model has been closed", where=self.path)
        if self._lifted is None:
            self._lifted = lift(self._file, self.path)
        return self._lifted

    def _untouched(self) -> InferenceSession:
        if self._bare is None:
            self._bare = self._sessions.open()
        return self._bare

    def _described(self) -> Seen:
        """What `describe` saw last, or would see if the file says its own input size."""
        if self._seen is None:
            _, *size = self.inputs[0].shape
            if None in size:
                raise ModelError("describe the model for an input size before asking for its layers", where=self.path)
            self.describe((1, *size))  # type: ignore[arg-type]
        assert self._seen is not None  # noqa: S101 - set by describe
        return self._seen

    def _layer(self, seen: Seen, name: str, *, spatial: bool = False) -> str:
        known = {layer.name: layer for layer in seen.description.layers}
        if name not in known:
            hint = nearest(name, known)
            raise ModelError("the model has no such layer", value=name, allowed=known, where=self.path, hint=hint)
        reason = known[name].reason
        if reason is None and spatial and not known[name].spatial:
            reason = "it is a vector, not a map"
        if reason is not None:
            raise ModelError(f"the layer {name!r} can't be looked at: {reason}", where=self.path)
        return name

    def _go_on(self, seen: Seen, place: Place, request: Request, taps: Taps) -> None:
        """What runs the network on from a layer, forward and back, as far as it is asked for."""
        graph, head = self._graph()[0], seen.description.heads.get(request.output)
        self._head = head if request.gradients and head is not None and head.layer == request.cam_layer else None
        if not request.tail and self._head is not None:
            return
        tail = tail_of(seen.graph, place, [seen.logits[request.output]])
        self._onward = Onward(graph, tail, taps, taps.activation(place))
        if request.tail:
            self._rerun = Rerun(self._onward, self._sessions, tolerance_of(graph, fused=True))
        if request.gradients and self._head is None:
            if importlib.util.find_spec("torch") is None:
                raise ModelError(NO_TORCH, where=self.path)
            folder = self.path.parent.resolve()
            self._backward = Backward(self._onward, folder, tolerance_of(graph, fused=True), self._sessions.threads)

    def _gradient(
        self, seen: Sequence[Piece], activation: NDArray[np.float32] | None
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float32]] | None:
        if self._head is not None and activation is not None:
            return of_head(self._head, activation)
        return self._backward.of(seen) if self._backward is not None else None

    def _once(self, session: InferenceSession, names: Sequence[str], fed: NDArray[Any]) -> list[NDArray[Any]]:
        """One forward pass; the first of `names` is an output of the model."""
        values = run_session(session, names, {self.inputs[0].name: fed})
        rows = values[0].shape[0] if values[0].ndim else 0
        if rows != len(fed):
            raise ModelError(
                f"the output {names[0]!r} does not give one row a picture: {rows} rows for {len(fed)} pictures",
                where=self.path,
            )
        return values

    def _outputs_of(self, session: InferenceSession, images: NDArray[Any]) -> NDArray[np.float32]:
        names = [self._request.output]
        return rows(run_in_batches(lambda fed: self._once(session, names, fed), images, self.batch)[0])

    def _answers(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """The untouched model's. It is closed again before the copy runs: each takes the memory of a whole pass."""
        outputs = self._outputs_of(self._untouched(), images).copy()  # onnxruntime's own array keeps its memory alive
        self._bare = None
        return outputs

    def _compare(self, tapped: NDArray[np.float32], bare: NDArray[np.float32]) -> None:
        """Decide on the first batch where the outputs of all batches come from."""
        self.guard, same = difference(bare, tapped)
        self._apart = self.guard > GUARD_TOLERANCE or not same
        if self._apart:
            self.notes = (APART.format(self.guard),)


class OnnxRuntime:
    """The ONNX format."""

    suffixes: tuple[str, ...] = (".onnx",)

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        file = read_safely(path)
        picture = picture_input(file, path)
        check_size(picture.shape[0], [n for n in picture.shape[1:] if n is not None], path)
        check_values(file, picture.name, picture.shape, path)
        return OnnxModel(path, file, Sessions(path, device=device, threads=threads))


RUNTIMES.add("onnx", OnnxRuntime())
