"""From a layer on: the logits of the same pictures for another activation, by a second session of the tail alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.runtimes._agreement import FUSED_TOLERANCE, HALF_TOLERANCE, TOLERANCE, apart
from audit.runtimes._onnx_input import computes_in_half
from audit.runtimes._onnx_session import Sessions, run_session
from audit.runtimes._onnx_tail import CHANGED, NoTail, Tail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto
    from onnxruntime import InferenceSession

    from audit.runtimes._onnx_taps import Taps


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What a tapped pass gave for a piece of a batch, of which the first `real` pictures count."""

    values: Mapping[str, NDArray[Any]]
    real: int


class Onward:
    """Runs a network on from a layer, for pictures that a tapped pass has seen.

    Args:
        model: the graph.
        tail: the part of it behind the layer.
        taps: the copy that is being tapped; what the tail needs is added to it.
        activation: what it calls the layer's activation.
    """

    def __init__(self, model: ModelProto, tail: Tail, taps: Taps, activation: str) -> None:
        self._model, self._tail, self._activation = model, tail, activation
        self._fed = tail.tap(taps)
        self._logits = [taps.take(name) for name in tail.logits]
        self.names = list(dict.fromkeys([activation, *self._fed.values(), *self._logits]))

    def model(self, piece: Piece) -> ModelProto:
        """The tail for values of these types. Raises NoTail."""
        return self._tail.model(self._model, {name: piece.values[tapped] for name, tapped in self._fed.items()})

    def feed(self, piece: Piece, wanted: Sequence[str], changed: NDArray[np.float32] | None = None) -> dict[str, Any]:
        """The values of the tail's inputs `wanted`; pictures that only fill the piece keep their activation."""
        import numpy as np

        activation = piece.values[self._activation]
        if changed is not None:
            activation = np.concatenate([changed.astype(np.float32, copy=False), activation[len(changed) :]])
        given = {name: piece.values[tapped] for name, tapped in self._fed.items()} | {CHANGED: activation}
        return {name: given[name] for name in wanted}

    def logits(self, piece: Piece) -> list[NDArray[np.float32]]:
        """Those of the tapped pass, [N, K] each, in the order of the tail's."""
        return [table(piece.values[name]) for name in self._logits]


class Rerun:
    """A session of the tail, opened when the first values are there and compared with the whole network's."""

    def __init__(self, onward: Onward, sessions: Sessions, tolerance: float) -> None:
        self._onward, self._sessions, self._tolerance = onward, sessions, tolerance
        self._session: InferenceSession | None = None  # None until one has been seen to give the same logits

    def of(self, pieces: Sequence[Piece]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """`Capture.tail` for these pieces of a batch. Raises ModelError where the tail gives other logits."""
        import numpy as np

        session = self._session = self._session or self._opened(pieces[0])

        def tail(changed: NDArray[np.float32]) -> NDArray[np.float32]:
            parts = cut_up(changed, [piece.real for piece in pieces])
            found = [self._run(session, one, part)[: one.real] for one, part in zip(pieces, parts, strict=True)]
            return np.concatenate(found)

        return tail

    def _opened(self, piece: Piece) -> InferenceSession:
        try:
            model = self._onward.model(piece)
        except NoTail as reason:
            raise ModelError(f"the network can't be run on from the layer: {reason}") from reason
        session = self._sessions.open(model)
        off = apart(self._onward.logits(piece)[0], self._run(session, piece))
        if not off <= self._tolerance:
            raise ModelError(f"run on from the layer, the network gives other logits (by {off:.1e}, relative)")
        return session

    def _run(
        self, session: InferenceSession, piece: Piece, changed: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        inputs = [value.name for value in session.get_inputs()]
        fed = self._onward.feed(piece, inputs, changed)
        return table(run_session(session, [session.get_outputs()[0].name], fed)[0])


def tolerance_of(model: ModelProto, *, fused: bool = False) -> float:
    """How far, relative, the logits of a network may be off when a part of it runs by itself; `fused`: against what
    onnxruntime has optimized."""
    if any("QuantizeLinear" in node.op_type or node.op_type.startswith("QLinear") for node in model.graph.node):
        return FUSED_TOLERANCE if fused else HALF_TOLERANCE
    return HALF_TOLERANCE if computes_in_half(model) else TOLERANCE


def table(values: NDArray[Any]) -> NDArray[np.float32]:
    """Logits as float32 [N, K]."""
    import numpy as np

    return values.astype(np.float32, copy=False).reshape(len(values), -1)


def cut_up(rows: NDArray[Any], sizes: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Rows of a batch in pieces of these sizes."""
    at = 0
    for size in sizes:
        yield rows[at : at + size]
        at += size
