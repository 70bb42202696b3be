"""What is tried before it is relied on: the network runs on from a layer, and reads the layer's cells when it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import ModelError
from audit.runtimes import Layer
from audit.runtimes._agreement import apart
from audit.runtimes._onnx_graph import Graph, Place
from audit.runtimes._onnx_onward import Onward, Piece, table
from audit.runtimes._onnx_tail import CHANGED, NoTail, Tail, behind_of, tail_of
from audit.runtimes._onnx_taps import Taps

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

NO_MAP = "the network has no spatial layer that can be tapped, so there is no map"
_BLOCKS = 6  # maps of tokens that are tried, from the last one on


class Run(Protocol):
    """A pass through a model: a changed copy and the names wanted, to their values. Fed with pictures of noise."""

    def __call__(
        self, model: ModelProto, names: Sequence[str], feed: Mapping[str, NDArray[Any]] = ...
    ) -> list[NDArray[Any]]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """Why the network can't be run on from its last map, None where it can; the maps whose cells nothing behind reads;
    the tail of the last one that is read, with what noise gave it."""

    tail: str | None
    unread: frozenset[str] = frozenset()
    last: tuple[Onward, Piece] | None = None


def try_tails(
    graph: Graph,
    model: ModelProto,
    run: Run,
    layers: Sequence[tuple[Layer, Place]],
    logits: Sequence[str],
    *,
    tolerance: float,
    batch: int,
) -> Tried:
    """Run on from the last map.

    In the last block of a vision transformer only the class token is read by what follows: where changed cells change
    no logit the layer is said to be unread, and the map before it is tried.

    Args:
        graph: the network.
        model: the same.
        run: a pass over pictures of noise.
        layers: what was seen, and where.
        logits: of all outputs.
        tolerance: how far, relative, logits may be off.
        batch: how many pictures `run` feeds.
    """
    places = list(_candidates(layers))
    if not places:
        return Tried(tail=NO_MAP)
    taps = Taps(model)
    cuts: list[tuple[Place, Tail, Onward]] = []
    for place in places:
        behind = {place.tensor, *behind_of(graph, place)}
        reached = [name for name in logits if name in behind]
        if reached:
            tail = tail_of(graph, place, reached)
            cuts.append((place, tail, Onward(model, tail, taps, taps.activation(place))))
    if not cuts:
        return Tried(tail=f"no output depends on its last map, {places[0].name}")
    names = list(dict.fromkeys(name for _, _, onward in cuts for name in onward.names))
    piece = Piece(values=dict(zip(names, run(taps.finished(), names), strict=True)), real=batch)
    unread: list[str] = []
    for place, tail, onward in cuts:
        try:
            same, read = _try(onward, tail, piece, run, tolerance)
        except (NoTail, ModelError) as error:
            return Tried(tail=str(error), unread=frozenset(unread))
        if not same:
            off = f"run on from its last map, {place.name}, the network gives other logits"
            return Tried(tail=off, unread=frozenset(unread))
        if read:
            return Tried(tail=None, unread=frozenset(unread), last=(onward, piece))
        unread.append(place.name)
    return Tried(tail="nothing behind its maps reads them", unread=frozenset(unread))


def _candidates(layers: Sequence[tuple[Layer, Place]]) -> Iterator[Place]:
    """The last map, and as long as it is one of tokens those before it."""
    maps = [(layer, p) for layer, p in layers if layer.reason is None and layer.spatial and layer.shape[1:] != (1, 1)]
    for _, place in maps[: -_BLOCKS - 1 : -1]:
        yield place
        if place.layout.grid is None:
            return


def _try(onward: Onward, tail: Tail, piece: Piece, run: Run, tolerance: float) -> tuple[bool, bool]:
    """Whether the tail gives the same logits for the same activation, and others for another."""
    model = onward.model(piece)
    feed = onward.feed(piece, [value.name for value in model.graph.input])
    whole = onward.logits(piece)
    again = [table(array) for array in run(model, tail.logits, feed)]
    same = all(apart(a, b) <= tolerance for a, b in zip(whole, again, strict=True))
    if not same or tail.place.layout.grid is None:
        return same, True
    # Channels in another order: the range stays, which a network in integers may take its scales from.
    other = [table(array) for array in run(model, tail.logits, {**feed, CHANGED: feed[CHANGED][:, ::-1].copy()})]
    return True, any(apart(a, b) > tolerance for a, b in zip(again, other, strict=True))
