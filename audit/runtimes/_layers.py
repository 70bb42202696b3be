"""What the runtimes' lists of layers have in common: names given once, shapes as [C, h, w], depth by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audit.runtimes import Layer

Seen = tuple[int, ...]


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


class UniqueNames:
    """Gives a name as it is the first time, and with a number behind it after that."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, plain: str) -> str:
        name, number = plain, 1
        while name in self._given:
            number += 1
            name = f"{plain}_{number}"
        self._given.add(name)
        return name


def shape_of(seen: Seen, *, channels_last: bool) -> Seen:
    """(C, h, w) of one image for a value [N, C, h, w] or [N, h, w, C]; (C,) for a map of one cell and for a vector."""
    shape = (seen[3], seen[1], seen[2]) if len(seen) == 4 and channels_last else seen[1:]
    return shape[:1] if len(seen) == 4 and shape[1:] == (1, 1) else shape


def odd(seen: Seen) -> str | None:
    """Why a value of this shape can't be read; None: it can."""
    if len(seen) in (2, 4):
        return None
    return f"its value has the shape {list(seen)}; maps [N, C, h, w] and vectors [N, C] can be read"


def in_order(kept: Sequence[tuple[Found, Seen, str | None]]) -> tuple[Layer, ...]:
    """Layers from what was found, the shape of one image and why it can't be tapped, in order of execution."""
    return tuple(
        Layer(
            name=found.name,
            kind=found.kind,
            shape=shape,
            depth=(at + 1) / len(kept),
            convolution=found.convolution,
            non_negative=found.non_negative,
            reason=reason,
        )
        for at, (found, shape, reason) in enumerate(kept)
    )
