"""ONNX files, run by onnxruntime. Layers are read through nodes added to a copy of the graph."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.runtimes import RUNTIMES, Capture, Description, Model, Randomized, Request, TensorSpec
from audit.runtimes._batching import pieces
from audit.runtimes._guard import Guard, Guarded
from audit.runtimes._limits import check_size
from audit.runtimes._onnx_describe import Seen, look_again, look_inside
from audit.runtimes._onnx_input import computes_in_half, first_session, noise_for, output_specs, picture_input
from audit.runtimes._onnx_lift import lift
from audit.runtimes._onnx_limits import check_values
from audit.runtimes._onnx_onward import Piece
from audit.runtimes._onnx_pass import Pass
from audit.runtimes._onnx_redraw import redrawn
from audit.runtimes._onnx_safety import external_files, read_safely
from audit.runtimes._onnx_session import CUDA, Sessions, run_session
from audit.runtimes._onnx_values import rows, whole
from audit.runtimes._onnx_weights import put_aside
from audit.runtimes._requests import check_request
from audit.runtimes._steadiness import unsteady

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto
    from onnxruntime import InferenceSession

    from audit.runtimes._onnx_trials import Run

# Pictures that a processor sees at once. What a layer gives for more has left the caches when it is read again, by the
# next layer or a tap; for fewer, threads wait for each other too often.
_FEWEST, _A_THREAD = 8, 4


class OnnxModel(Guarded):
    """An opened ONNX file.

    Two sessions are open until the first batch: the file as it is, which answers first and is closed, and a copy with
    taps. If tapping changed the outputs, the untouched one is opened again and they come from it from then on.

    Args:
        path: the file.
        file: what is in it.
        sessions: opens it, and changed copies.
        changed_from: the model that this is a copy of with other weights; None: it is the file's own.
    """

    format = "onnx"

    def __init__(
        self, path: Path, file: ModelProto, sessions: Sessions, *, changed_from: OnnxModel | None = None
    ) -> None:
        self.path = path
        self.files = (path, *external_files(file, path))
        self.inputs: tuple[TensorSpec, ...] = (picture_input(file, path),)
        self.outputs = output_specs(file, path)
        self.batch = self.inputs[0].shape[0]
        self.metadata: Mapping[str, str] = {entry.key: entry.value for entry in file.metadata_props}
        self._sessions = sessions
        self._bare: InferenceSession | None = None
        self._guarded: float | None = None
        self._shape = (1, 0, 0, 0)  # of the input that it was described for
        if changed_from is None:
            self._bare = first_session(file, sessions, path)
            self.provider: str = self._bare.get_providers()[0]
        else:  # its outputs are nobody's answer, so there is nothing to hold them against
            self._guarded, self._shape, self.provider = 0.0, changed_from._shape, changed_from.provider  # noqa: SLF001
        self.device = "cuda" if self.provider == CUDA else "cpu"
        threads = sessions.threads or os.cpu_count() or 1
        self._together = max(_FEWEST, _A_THREAD * threads) if self.device == "cpu" else None
        self._file: ModelProto | None = file
        self._lifted: tuple[ModelProto, str | None] | None = None
        self._seen: Seen | None = None
        self._request = Request(output=self.outputs[0].name)
        self._guard = Guard()
        self._pass: Pass | None = None  # None: only outputs are asked for

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
        model, unlifted = self._graph()
        check_values(model, self.inputs[0].name, noise.shape, self.path)
        self._seen = look_inside(
            model,
            self._trials(self._sessions, noise),
            inputs=self.inputs,
            outputs=self.outputs,
            half=computes_in_half(model),
            unlifted=unlifted,
            batch=len(noise),
            weights=self._sessions.weights,
        )
        return self._steadied(self._seen.description)

    def _trials(self, sessions: Sessions, noise: NDArray[Any]) -> Run:
        """Runs a changed copy of the model once, on these pictures unless others are given."""
        pictures = {self.inputs[0].name: noise}

        def run(
            model: ModelProto, names: Sequence[str], feed: Mapping[str, NDArray[Any]] = pictures
        ) -> list[NDArray[Any]]:
            return run_session(sessions.open(model, optimize=False), names, dict(feed), trial=self.path)

        return run

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
        check_request(request, self.outputs, self.path)
        self._request, self._guard, self._pass = request, Guard(self._guarded), None
        if request.reductions or request.cam_layer is not None or request.logits:
            self._pass = Pass(request, self._described(), self._graph()[0], self._sessions, self.path)

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:  # noqa: ARG002 a network sees pictures
        import numpy as np

        images = np.ascontiguousarray(images.astype(self.inputs[0].dtype, copy=False))
        if self._pass is None:
            return Capture(outputs=self._answers(images), strengths={})
        bare = self._answers(images) if self._guard.asks else None
        seen = self._through(self._pass.session, self._pass.names, images)
        outputs = rows(whole(seen, self._pass.output))
        return self._pass.capture(seen, outputs if bare is None else self._guard.settled(outputs, bare))

    def randomized(self, share: float, seed: int) -> Randomized:
        other, weights, layers, of = redrawn(self._graph()[0], self._sessions.weights, self.path, share, seed)
        sessions = self._sessions.of(other, weights)
        run = self._trials(sessions, noise_for(self.inputs[0], (self.batch or 1, *self._shape[1:])))
        changed = OnnxModel(self.path, other, sessions, changed_from=self)
        changed._seen = look_again(other, run, self._described(), half=computes_in_half(other))
        heads = changed._seen.description.heads
        changed.prepare(dataclasses.replace(self._request, reductions={}))
        return Randomized(model=changed, head=heads.get(self._request.output), layers=layers, of=of)

    def close(self) -> None:
        self._bare = self._pass = self._file = self._lifted = self._seen = None

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

    def _through(self, session: InferenceSession, names: Sequence[str], images: NDArray[Any]) -> list[Piece]:
        return [
            Piece(values=dict(zip(names, self._once(session, names, fed), strict=True)), real=real)
            for fed, real in pieces(images, self.batch, most=self._together)
        ]

    def _answers(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """The untouched model's. Where it is asked only once, to compare, it is closed again before the copy runs:
        each takes the memory of a whole pass."""
        output = self._request.output
        outputs = rows(whole(self._through(self._untouched(), [output], images), output))
        if self._pass is None or self._guard.apart:
            return outputs
        self._bare = None
        return outputs.copy()  # onnxruntime's own array keeps its memory alive


class OnnxRuntime:
    """The ONNX format."""

    suffixes: tuple[str, ...] = (".onnx",)

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        file = read_safely(path)
        picture = picture_input(file, path)
        check_size(picture.shape[0], [n for n in picture.shape[1:] if n is not None], path)
        check_values(file, picture.name, picture.shape, path)
        file, weights = put_aside(file, path.parent.resolve())
        return OnnxModel(path, file, Sessions(path, device=device, threads=threads, weights=weights))


RUNTIMES.add("onnx", OnnxRuntime())
