"""What the runtimes' lists of layers have in common: names given once, shapes as [C, h, w], depth by position."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from audit.runtimes import Layer

Seen = tuple[int, ...]
INSIDE = "it stands inside a branch or a loop of the file, where values can't be reached"
_SPARE = 3  # tokens beside those of a grid that is only a guess, at most: a class token, a distillation token, one more
_REGISTERS = 9  # beside those of a grid that the network's own maps have: DINOv2 puts four registers behind the first


class Found(Protocol):
    """A layer as a reader of some format found it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def convolution(self) -> bool: ...
    @property
    def non_negative(self) -> bool: ...
    @property
    def layout(self) -> Layout: ...


class UniqueNames:
    """Gives a name as it is the first time, and with a number behind it after that."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._given = set(given)

    def __call__(self, plain: str) -> str:
        name, number = plain, 1
        while name in self._given:
            number += 1
            name = f"{plain}_{number}"
        self._given.add(name)
        return name


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a layer's value lies in memory.

    `last`: if it has four axes they are [N, h, w, C]. `grid`: it is tokens [N, T, C], of which the last h times w are
    the cells of a map, row by row; the `spare` ones before them (a class token) are no part of it.
    """

    last: bool = False
    grid: tuple[int, int] | None = None
    spare: int = 0


def layout_of(seen: Seen, *, last: bool, grids: Collection[tuple[int, int]]) -> Layout:
    """The layout of a value [N, ...] of this shape. Tokens are laid out on one of the `grids` that the network's own
    maps have, else on a square."""
    if len(seen) != 3:
        return Layout(last=last)
    for spare in range(_REGISTERS + 1):
        cells = seen[1] - spare
        side = math.isqrt(max(cells, 0))
        square = side > 1 and side**2 == cells and spare <= _SPARE
        found = [grid for grid in grids if math.prod(grid) == cells] or [(side, side)] * square
        if found:
            return Layout(grid=found[0], spare=spare)
    return Layout()


PLAIN = Layout()


def grids_of(seen: Iterable[tuple[Seen, bool]]) -> tuple[tuple[int, int], ...]:
    """Height and width of the maps among values, given by shape and whether channels are last; each once."""
    found = ((s[1], s[2]) if last else (s[2], s[3]) for s, last in seen if len(s) == 4)
    return tuple(dict.fromkeys(found))


def shape_of(seen: Seen, layout: Layout) -> Seen:
    """(C, h, w) of one image for a map or tokens; (C,) for a map of one cell and for a vector."""
    if layout.grid is not None:
        return (seen[2], *layout.grid)
    shape = (seen[3], seen[1], seen[2]) if len(seen) == 4 and layout.last else seen[1:]
    return shape[:1] if len(seen) == 4 and shape[1:] == (1, 1) else shape


def odd(seen: Seen, layout: Layout, batch: int) -> str | None:
    """Why a value of this shape can't be read; None: it can. `batch`: how many pictures went in."""
    if seen[:1] != (batch,):
        return f"its value has the shape {list(seen)} for a batch of {batch}: it is not one picture after the other"
    if len(seen) in (2, 4) or layout.grid is not None:
        return None
    return f"its value has the shape {list(seen)}; maps [N, C, h, w], tokens [N, h w, C] and vectors [N, C] can be read"


def layers_of(
    found: Iterable[tuple[Found, Seen, str | None]], *, pooled: Collection[str], answers: Collection[str], batch: int
) -> tuple[Layer, ...]:
    """Layers from what was found, the shape of its value and why it can't be tapped, in order of execution.

    Left out are vectors that are the answer, and in a network of maps those that weigh one: sigmoids, and convolutions
    that work on a pooled vector.

    Args:
        found: in order of execution.
        pooled: names of those that a head reads, which always stay.
        answers: names of those that an output shows as they are, or behind a softmax or sigmoid.
        batch: how many pictures went in.
    """
    shaped = [(one, seen, shape_of(seen, one.layout), reason) for one, seen, reason in found]
    maps = any(len(shape) == 3 for _, _, shape, _ in shaped)
    kept = []
    for one, seen, shape, reason in shaped:
        aside = one.name in answers or (maps and one.kind in {"sigmoid", "conv"})
        if seen and len(shape) <= 1 and aside and one.name not in pooled:
            continue
        kept.append((one, shape, reason or odd(seen, one.layout, batch)))
    return tuple(
        Layer(
            name=one.name,
            kind=one.kind,
            shape=shape,
            depth=(at + 1) / len(kept),
            convolution=one.convolution,
            non_negative=one.non_negative,
            reason=reason,
        )
        for at, (one, shape, reason) in enumerate(kept)
    )


def judged(layers: Sequence[Layer], unread: Collection[str], costs: Sequence[float | None]) -> tuple[Layer, ...]:
    """The layers with what a trial has shown: names of those whose cells nothing reads, and the share of the work."""
    return tuple(
        replace(layer, unread=layer.name in unread, cost=cost) for layer, cost in zip(layers, costs, strict=True)
    )
