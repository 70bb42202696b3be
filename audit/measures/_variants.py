"""What the measures of the focus family have in common: whose map it is, and which pictures count."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from audit.measures import DECISIONS, TARGETS, Measure, Observed

T = TypeVar("T")
Values = NDArray[np.float64]

NO_REGIONS = (
    "the probe set names no region to look at; give one as a manifest column region.NAME (a mask image, or a box "
    "x0,y0,x1,y1 in pixels), as a [regions] table in the probe folder's bias-audit.toml, or as landmarks68.csv"
)
_TARGETS = " Target is the class whose map it is: the one the model answered (predicted) or the stated label (true)."
_DECISIONS = " Decisions says which pictures count: all, or only those answered rightly or wrongly."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What a measure of the family says of itself."""

    name: str
    title: str
    definition: str
    formula: str
    source: str
    unit: str = "share"
    proportion: bool = False


def variants(
    row: Row,
    parameters: Mapping[str, str],
    every: Callable[[Observed, str], Values],
    targets: tuple[str, ...] = TARGETS,
) -> Iterator[Measure]:
    """One measure for each target and choice of decisions; predicted and all stand first.

    Args:
        row: what it is.
        parameters: beside target and decisions.
        every: its value of each image, for the map of a target.
        targets: whose maps there are.
    """
    for target in targets:
        for decisions in DECISIONS:
            yield Measure(
                name=row.name,
                title=row.title,
                family="focus",
                unit=row.unit,
                better="none",
                definition=row.definition + (_TARGETS if len(targets) > 1 else "") + _DECISIONS,
                formula=row.formula,
                source=row.source,
                compute=functools.partial(_value, every=every, target=target, decisions=decisions),
                parameters={**parameters, "target": target, "decisions": decisions},
                can_be_zero=True,
                proportion=row.proportion,
                diagnostic=True,
                absent=_absent(decisions, parameters.get("region")),
            )


def _absent(decisions: str, region: str | None) -> str:
    """Why a variant may have no value in any picture."""
    which = {"all": "no picture", "right": "no rightly answered picture", "wrong": "no wrongly answered picture"}
    if region is None:
        return (
            f"{which[decisions]} has a map: nothing in it speaks for the class (the map is 0 everywhere), or the "
            "network's own numbers are not finite; a map of one cell has no evenness"
        )
    return (
        f"{which[decisions]} has both a map and the region {region} in what the model sees of it: the region may lie "
        "outside of the crop, or be empty after resizing"
    )


def _value(observed: Observed, *, every: Callable[[Observed, str], Values], target: str, decisions: str) -> Values:
    """What `every` says of each image, NaN for those whose decision is not asked for. [B]"""
    values = once(observed, (every, target), lambda: _of_target(observed, every, target))
    if decisions == "all":
        return values
    return values + once(observed, decisions, lambda: _counting(observed, decisions))


def _of_target(observed: Observed, every: Callable[[Observed, str], Values], target: str) -> Values:
    """What `every` says of each image. Most decisions are right, so the true class's map is measured only where it is
    another one than the predicted class's. [B]"""
    predicted = TARGETS[0]
    if target == predicted or not {target, predicted} <= observed.maps.keys():
        return every(observed, target)
    rows = once(observed, ("others", target), lambda: _others(observed, predicted, target))
    values = once(observed, (every, predicted), lambda: every(observed, predicted)).copy()
    if len(rows):
        values[rows] = every(once(observed, ("of others", target), lambda: observed.of(rows)), target)
    return values


def _others(observed: Observed, first: str, second: str) -> NDArray[np.int64]:
    """The images whose map of the second target, or of its rival, is not that of the first."""
    unlike = np.zeros(len(observed.labels), dtype=np.bool_)
    for maps in (observed.maps, observed.rivals):
        if first in maps and second in maps:
            unlike |= (maps[first] != maps[second]).any(axis=(1, 2))
    return np.flatnonzero(unlike)


def _counting(observed: Observed, decisions: str) -> Values:
    """0 for each image that was decided that way, "right" or "wrong", NaN for the others: to be added. [B]"""
    known = (observed.decisions >= 0) & (observed.labels >= 0)
    right = observed.decisions == observed.labels
    return np.where(known & (right if decisions == "right" else ~right), 0.0, np.nan)


def once(observed: Observed, key: Hashable, make: Callable[[], T]) -> T:
    """The batch's own copy of a thing that several measures need."""
    if key not in observed.shared:
        observed.shared[key] = make()
    return cast("T", observed.shared[key])
