"""Tallies: running sums over the images, in `tallies.npz`. Today mean maps by group."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.result import MeanMap


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
