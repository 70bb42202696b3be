"""One pass through an ONNX network that gives all that is asked for: which values are read, and what they mean."""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ModelError
from audit.runtimes import Capture, Head, Request
from audit.runtimes._onnx_gradients import NO_TORCH, Backward
from audit.runtimes._onnx_onward import Onward, Piece, Rerun, table, tolerance_of
from audit.runtimes._onnx_tail import tail_of
from audit.runtimes._onnx_taps import Taps
from audit.runtimes._onnx_values import strength, whole
from audit.runtimes._requests import tappable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from audit.runtimes._onnx_describe import Seen
    from audit.runtimes._onnx_gradients import Gradient
    from audit.runtimes._onnx_graph import Place
    from audit.runtimes._onnx_session import Sessions


class Pass:
    """A session of the network with taps. `names` are the values to ask it for, the output first.

    Args:
        request: what is wanted.
        seen: what the network turned out to be.
        model: the graph that is tapped.
        sessions: opens what is made of it.
        path: of the file.

    Raises:
        ModelError: a layer or a way to look at it can't be had.
    """

    def __init__(self, request: Request, seen: Seen, model: ModelProto, sessions: Sessions, path: Path) -> None:
        self._model, self._sessions, self._path = model, sessions, path
        self._taps = taps = Taps(model)
        self.output = taps.keep(request.output)
        # Names of the values that are read, each with that of the mean.
        self._strengths: dict[tuple[str, str], tuple[str, str]] = {}
        self._activation: str | None = None
        self._head: Head | None = None  # where gradients follow from its weights
        self._onward: Onward | None = None
        self._rerun: Rerun | None = None
        self._backward: Backward | None = None
        self._logits = taps.take(seen.logits[request.output]) if request.logits else None
        for name in request.reductions:
            self._reduce(name, request, seen)
        if request.cam_layer is not None:
            place = seen.places[tappable(request.cam_layer, seen.description.layers, path, spatial=True).name]
            self._activation = taps.activation(place)
            self._go_on(request, seen, place)
        self.session = sessions.open(taps.finished())
        self.names = list(dict.fromkeys([self.output, *self._read(), *(self._onward.names if self._onward else ())]))

    def capture(self, pieces: Sequence[Piece], outputs: NDArray[np.float32]) -> Capture:
        """What the pass gave for the pieces of a batch, with the outputs to go by."""
        got = {name: whole(pieces, name) for name in self._read()}
        activation = got[self._activation] if self._activation is not None else None
        return Capture(
            outputs=outputs,
            strengths={key: strength(got[value], got[mean]) for key, (value, mean) in self._strengths.items()},
            activation=activation,
            gradient=self._gradient(pieces, activation),
            tail=self._rerun.of(pieces) if self._rerun is not None else None,
            logits=table(got[self._logits]) if self._logits is not None else None,
        )

    def _read(self) -> list[str]:
        return [*itertools.chain(*self._strengths.values()), *filter(None, (self._activation, self._logits))]

    def _reduce(self, name: str, request: Request, seen: Seen) -> None:
        layer = tappable(name, seen.description.layers, self._path)
        for wanted in request.reductions[name]:
            value, mean = (
                self._taps.reduction(seen.places[name], one, channels=layer.shape[0], vector=name in seen.vectors)
                for one in (wanted, "mean")
            )
            self._strengths[name, wanted] = value, mean

    def _go_on(self, request: Request, seen: Seen, place: Place) -> None:
        """What runs the network on from the layer, forward and back, as far as it is asked for."""
        head = seen.description.heads.get(request.output)
        self._head = head if request.gradients and head is not None and head.layer == request.cam_layer else None
        back = request.gradients and self._head is None
        if not request.tail and not back:
            return
        tail = tail_of(seen.graph, place, [seen.logits[request.output]])
        tolerance = tolerance_of(self._model, fused=True)
        self._onward = Onward(self._model, tail, self._taps, self._taps.activation(place))
        if request.tail:
            self._rerun = Rerun(self._onward, self._sessions, tolerance)
        if back:
            if importlib.util.find_spec("torch") is None:
                raise ModelError(NO_TORCH, where=self._path)
            self._backward = Backward(self._onward, self._sessions.weights, tolerance, self._sessions.threads)

    def _gradient(self, pieces: Sequence[Piece], activation: NDArray[np.float32] | None) -> Gradient | None:
        if self._head is not None and activation is not None:
            return functools.partial(self._head.gradient, shape=activation.shape)
        return self._backward.of(pieces) if self._backward is not None else None
