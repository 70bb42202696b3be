"""Which ways there are to hand the same values to other groups: all of them, or a fair draw.

A *unit* is moved as a whole, with all its pictures. A *block* is a set of units that may change places with one
another: all subjects who are in one group only are one block; the cells (subject x group) of a subject who is in
several groups are a block of their own, so that they go round among the groups which that subject has.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

EXACT = 150_000  # arrangements: up to here all of them are looked at (three groups of five: 126,126)
DRAWS = 2_000
_ENTRIES = 3_000_000  # arrangements x units: where all of them would be more than that, they are drawn


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Design:
    """Who may change places with whom. Groups are numbered from the smallest up: their names decide nothing."""

    cells: Index  # [U], the units, block after block
    groups: Index  # [U], where each is
    blocks: Index  # [U]
    sizes: Index  # [B, G], how many units of a block belong to a group, in every arrangement
    within: bool  # some subject is in several groups
    between: bool  # some subject is in one only

    @classmethod
    def of(cls, group: Index, subject: Index) -> Self:
        """From the group and the subject of each cell [C]; no subject has two cells of one group."""
        _, of_subject, often = np.unique(subject, return_inverse=True, return_counts=True)
        several = often[of_subject] > 1
        _, blocks = np.unique(np.where(several, of_subject, -1), return_inverse=True)
        _, codes, count = np.unique(group, return_inverse=True, return_counts=True)
        groups = np.argsort(np.argsort(count, kind="stable"))[codes]
        order = np.lexsort((groups, blocks))
        sizes = np.zeros((blocks.max() + 1, len(count)), dtype=np.int64)
        np.add.at(sizes, (blocks, groups), 1)
        return cls(
            cells=order,
            groups=groups[order],
            blocks=blocks[order],
            sizes=sizes,
            within=bool(several.any()),
            between=not several.all(),
        )

    def count(self) -> int:
        """How many arrangements differ: groups of the same make-up stand for one another."""
        ways = math.prod(_ways(row) for row in self.sizes.tolist())
        return ways // math.prod(math.factorial(len(twins)) for twins in self._twins())

    def arrangements(self, seed: int) -> tuple[Index, bool]:
        """The units' groups [R, U], one arrangement a row, and whether these are all there are."""
        if self.count() <= min(EXACT, _ENTRIES // len(self.cells)):
            return self._every(), True
        rng = np.random.default_rng(seed)
        slots = (np.repeat(np.arange(len(row)), row) for row in self.sizes)
        return np.hstack([rng.permuted(np.tile(s, (DRAWS, 1)), axis=1) for s in slots]), False

    def _twins(self) -> list[tuple[int, ...]]:
        """Groups by make-up: as many units of every block."""
        found: dict[tuple[int, ...], list[int]] = {}
        for group, column in enumerate(self.sizes.T.tolist()):
            found.setdefault(tuple(column), []).append(group)
        return [tuple(groups) for groups in found.values()]

    def _every(self) -> Index:
        classes = self._twins()
        made = np.zeros((1, 0), dtype=np.int64)
        for row in self.sizes.tolist():
            here = [groups for groups in classes if row[groups[0]]]
            dealt = _deals([(groups, row[groups[0]]) for groups in here])
            made = np.hstack([np.repeat(made, len(dealt), axis=0), np.tile(dealt, (len(made), 1))])
            # What they hold of this block tells the groups of a class apart in the next.
            classes = [c for groups in classes for c in ([(g,) for g in groups] if groups in here else [groups])]
        return made


def _ways(sizes: list[int]) -> int:
    """The multinomial coefficient."""
    return math.prod(math.comb(total, size) for total, size in zip(itertools.accumulate(sizes), sizes, strict=True))


def _deals(classes: list[tuple[tuple[int, ...], int]]) -> Index:
    """Every way to deal units out to groups: the units' groups [R, U].

    `classes` are groups that stand for one another, with their size; of all the ways that differ only in which of
    them is which, one is given.
    """
    classes = sorted(classes, key=lambda c: c[1])
    slots = np.concatenate([np.repeat(groups, size) for groups, size in classes])
    order, start = np.arange(len(slots))[None], 0  # units in the order of the slots
    for groups, size in classes:
        end = start + len(groups) * size
        order = _split(order, start, len(slots), end - start)
        for _ in groups:
            order = _split(order, start + 1, end, size - 1)  # the first that is left goes to the next group
            start += size
    dealt = np.empty_like(order)
    np.put_along_axis(dealt, order, np.broadcast_to(slots, order.shape), axis=1)
    return dealt


def _split(order: Index, start: int, end: int, size: int) -> Index:
    """Every way to bring `size` of the units between start and end to the front of them."""
    between = end - start
    if size in (0, between):
        return order
    chosen = np.array(list(itertools.combinations(range(between), size)), dtype=np.int64)
    left = np.ones((len(chosen), between), dtype=bool)
    np.put_along_axis(left, chosen, values=False, axis=1)
    turned = np.hstack([chosen, np.nonzero(left)[1].reshape(len(chosen), between - size)])
    made = np.repeat(order, len(chosen), axis=0)
    made[:, start:end] = order[:, start:end][:, turned].reshape(-1, between)
    return made
