"""Gradients of ONNX files: exact from the weights of a pool + linear head, else through the tail run in torch."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import MachineError, ModelError
from audit.runtimes import Head, Layer, last_map
from audit.runtimes._agreement import apart
from audit.runtimes._onnx_onward import Onward, Piece, cut_up, table
from audit.runtimes._onnx_tail import CHANGED, NoTail
from audit.runtimes._onnx_trials import Tried
from audit.runtimes._onnx_weights import Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes._onnx_torch.network import Network

    Gradient = Callable[[NDArray[np.int64]], NDArray[np.float32]]

NO_TORCH = (
    "gradients of an ONNX file need torch unless they follow from a pool and a linear layer at its end: "
    "pip install 'bias-audit[torch]'"
)


class Backward:
    """The tail in torch, made when the first values are there and compared with onnxruntime's logits.

    Args:
        onward: the tail.
        weights: the constants of the network.
        tolerance: how far, relative, its logits may be off.
        threads: how many torch may use, None for its own choice.
    """

    def __init__(self, onward: Onward, weights: Weights, tolerance: float, threads: int | None = None) -> None:
        self._onward, self._weights, self._tolerance, self._threads = onward, weights, tolerance, threads
        self._network: Network | None = None

    def of(self, pieces: Sequence[Piece]) -> Gradient:
        """`Capture.gradient` for these pieces of a batch. Raises ModelError where there is none."""
        import numpy as np

        if self._network is None:
            reason = self.trial(pieces[0])
            if reason is not None:
                raise ModelError(f"there are no gradients at this layer: {reason}")
        runs: list[Gradient] = []  # made at the first target: a second one goes back through the same pass

        def gradient(targets: NDArray[np.int64]) -> NDArray[np.float32]:
            if not runs:
                runs.extend(self._gradient(piece) for piece in pieces)
            parts = cut_up(targets, [piece.real for piece in pieces])
            with enough_memory():
                return np.concatenate([run(part) for run, part in zip(runs, parts, strict=True)])

        return gradient

    def trial(self, piece: Piece) -> str | None:
        """Make the network, and why its gradients can't be relied on; None: they can."""
        if importlib.util.find_spec("torch") is None:
            return NO_TORCH
        import torch

        from audit.runtimes._onnx_torch.network import Network
        from audit.runtimes._onnx_torch.operators import Unsupported

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            network = Network(self._onward.model(piece), self._weights)
            with torch.no_grad():
                logits = [table(one.numpy()) for one in self._run(network, piece)[0]]
        except (NoTail, Unsupported) as reason:
            return str(reason)
        except MachineError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever torch has against values of these shapes and types
            return f"what is behind it does not run in torch ({str(error).splitlines()[0][:200]})"
        off = max(apart(a, b) for a, b in zip(self._onward.logits(piece), logits, strict=True))
        if not off <= self._tolerance:
            return f"what is behind it gives other logits in torch (by {off:.1e}, relative)"
        self._network = network
        return None

    def _gradient(self, piece: Piece) -> Gradient:
        from audit.runtimes._layers import PLAIN
        from audit.runtimes._torch_capture import gradient_of

        assert self._network is not None  # noqa: S101 - made by `of`
        (logits, *_), leaf = self._run(self._network, piece)
        return gradient_of(logits, leaf, piece.real, PLAIN)

    def _run(self, network: Network, piece: Piece) -> tuple[list[Any], Any]:
        """Logits, and the leaf that they are computed from."""
        feed = {name: network.tensor(array) for name, array in self._onward.feed(piece, network.inputs).items()}
        leaf = feed[CHANGED].requires_grad_()
        with enough_memory():
            return network(feed), leaf


def no_gradients(
    tried: Tried,
    layers: tuple[Layer, ...],
    heads: Mapping[str, Head],
    missing: Mapping[str, str],
    weights: Weights,
    tolerance: float,
) -> str | None:
    """Why there are none at the last map. Heads that pool this very map need no trial: they are exact."""
    last = last_map(layers)
    if last is not None and heads and not missing and {head.layer for head in heads.values()} == {last.name}:
        return None
    if tried.last is None:
        return tried.tail
    reason = Backward(tried.last[0], weights, tolerance).trial(tried.last[1])
    return reason if reason in {None, NO_TORCH} else f"this file gives no gradients: {reason}"


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Raises MachineError where torch finds none."""
    from audit.runtimes._torch_process import check_memory

    try:
        yield
    except RuntimeError as error:
        check_memory(error)
        raise
