"""Maps in files: tallies, running sums over the images, in `tallies.npz` (today mean maps by group), and the arrays of
difference maps, whose figures stand in the record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.result import DifferenceMap, MeanMap


def merge(pieces: Iterator[tuple[MeanMap, ...]] | Sequence[tuple[MeanMap, ...]]) -> tuple[MeanMap, ...]:
    """Mean maps of several shards added up, in the order they first came."""
    total: dict[tuple[str, str, str], MeanMap] = {}
    for piece in pieces:
        for new in piece:
            key = (new.cam, new.target, new.attribute)
            old = total.get(key)
            if old is None:
                total[key] = new
                continue
            total[key] = MeanMap(
                cam=new.cam,
                target=new.target,
                attribute=new.attribute,
                groups=new.groups,
                sums=old.sums + new.sums,
                counts=old.counts + new.counts,
            )
    return tuple(total.values())


def pack(maps: tuple[MeanMap, ...]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Arrays by name for an .npz file, and the index that says what they are."""
    arrays: dict[str, Any] = {}
    index = []
    for i, m in enumerate(maps):
        arrays[f"sums-{i}"], arrays[f"counts-{i}"] = m.sums, m.counts
        index.append(
            {"cam": m.cam, "target": m.target, "attribute": m.attribute, "groups": [dict(g) for g in m.groups]}
        )
    return arrays, index


def unpack(held: Mapping[str, Any]) -> tuple[MeanMap, ...]:
    """The mean maps of an opened .npz file."""
    return tuple(
        MeanMap(**{**row, "groups": tuple(row["groups"])}, sums=held[f"sums-{i}"], counts=held[f"counts-{i}"])
        for i, row in enumerate(json.loads(str(held["index"])))
    )


_ARRAYS = ("mean", "rest", "p_cells")


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
