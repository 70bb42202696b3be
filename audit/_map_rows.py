"""Maps by group: the sums that mean maps are drawn from; difference maps, with their figures and their arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit._rows import Attributes, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ARRAYS = ("mean", "rest", "p_cells")  # of a difference map; the other fields stand in the record


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MeanMap:
    """Sums of the images' class activation maps by group: enough to draw mean maps without the model.

    Each image's map is divided by its own sum first, so a mean map holds shares of relevance. `sums` is float64
    [G, 3, h, w] and `counts` int64 [G, 3]; the second axis is wrong (0) and right (1) decisions, and images of which
    neither can be said (2): without a stated label, or without an answer.
    """

    cam: str
    target: str
    attribute: str
    groups: tuple[Attributes, ...]
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    def mean(self, group: int, decisions: str = "all") -> NDArray[np.float64] | None:
        """Mean map [h, w] of one group, None where no image counts."""
        part = {"all": slice(None), "wrong": slice(0, 1), "right": slice(1, 2)}[decisions]
        count = int(self.counts[group, part].sum())
        return None if count == 0 else self.sums[group, part].sum(axis=0) / count


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DifferenceMap:
    """Where the maps of one group differ from those of the others, cell by cell, faces lying over each other.

    `mean` and `rest` are the mean maps [h, w] of the group and of what it is compared with, as shares of relevance;
    `p_cells` [h, w] is over all cells and groups of the attribute together, None where the group is not tested.
    `against` says what it is compared with: "others", the other groups of the attribute that have the evidence;
    "same label", those of them that share its label; "right", where the group are wrong answers of one class
    (`attribute` is then "decision"), the right answers of this class.
    """

    cam: str
    target: str
    attribute: str
    group: Attributes
    against: str
    n: int  # images of the group
    subjects: int
    rest_n: int  # images that it is compared with
    rest_subjects: int
    indicative: bool  # too few subjects on one side: shown, not tested
    p_value: float | None  # of the whole map: that of its clearest cell
    p_adjusted: float | None  # times the number of attributes with a test (Bonferroni)
    mean: NDArray[np.float64]
    rest: NDArray[np.float64]
    p_cells: NDArray[np.float64] | None

    @property
    def difference(self) -> NDArray[np.float64]:
        return self.mean - self.rest

    def marked(self, alpha: float = 0.05) -> NDArray[np.bool_]:
        """Cells [h, w] that differ: by chance any cell of any group is marked with probability alpha at most."""
        import numpy as np

        return np.zeros(self.mean.shape, dtype=np.bool_) if self.p_cells is None else self.p_cells < alpha

    def to_json(self, alpha: float) -> dict[str, Any]:
        """The figures, without the arrays."""
        plain_fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _ARRAYS}
        marks = None if self.p_cells is None else int(self.marked(alpha).sum())
        return {**plain(plain_fields), "cells": self.mean.size, "cells_that_differ": marks}

    @classmethod
    def of(cls, row: Mapping[str, Any], arrays: Mapping[str, Any]) -> DifferenceMap:
        """The inverse of `to_json`, with the arrays."""
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in row.items() if k in known}, **arrays)


def pack_differences(maps: tuple[DifferenceMap, ...]) -> dict[str, Any]:
    """Arrays by name for an .npz file, in the record's order."""
    return {
        f"{name}-{i}": array for i, m in enumerate(maps) for name in _ARRAYS if (array := getattr(m, name)) is not None
    }


def unpack_differences(rows: Sequence[Mapping[str, Any]], held: Mapping[str, Any]) -> tuple[DifferenceMap, ...]:
    """Difference maps from the record's `difference_maps` and an opened .npz file."""
    return tuple(DifferenceMap.of(row, _arrays(held, i, row.get("p_value") is not None)) for i, row in enumerate(rows))


def _arrays(held: Mapping[str, Any], number: int, tested: bool) -> dict[str, Any]:  # noqa: FBT001 one caller
    found = {name: held[f"{name}-{number}"] for name in (_ARRAYS if tested else _ARRAYS[:2])}
    shapes = {array.shape for array in found.values()}
    if len(shapes) > 1 or any(a.ndim != 2 or a.size == 0 or a.dtype.kind != "f" for a in found.values()):
        raise ValueError(f"difference map {number} has arrays that don't fit together")
    return {"p_cells": None, **found}
