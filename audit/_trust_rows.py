"""What the second stage found out about the maps: the record's `trust` block, to and from JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from audit._rows import Estimate

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "supported", "not supported", "inconclusive"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrustCheck:
    """One question put to the maps. `name`: "randomization", "deletion", "insertion".

    `estimate` is the mean over the pictures that the state follows from: the likeness of two maps, or by how much the
    area under the curve beats a random order. None where it could not be had, and `reason` says why.
    """

    name: str
    state: str
    estimate: Estimate | None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrustLevel:
    """The maps beside those of the same network, the last `layers` of its `of` layers with weights having theirs drawn
    anew.

    `correlation` is the mean rank correlation, `likeness` the mean of its size: a map that is turned round in one draw
    and not in the next is like itself, and its correlations cancel out. Each of `draws` draws is met by its own share
    of the pictures, and an interval is over the draws; few of them have none. `blank` pictures have no map with these
    weights, or one that is the same everywhere, and do not count.
    """

    layers: int
    of: int
    draws: int
    likeness: Estimate
    correlation: Estimate
    blank: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrustCurves:
    """Mean probability of the answer, one value a share of the picture's cells.

    `deletion` has that share taken away, `insertion` that share and no other shown, both in the map's order; `random`
    has it taken away in a random order.
    """

    shares: tuple[float, ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    random: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Whether focus can be read off the maps. `state` is "supported", "not supported" or "inconclusive", and `because`
    a clause that says why."""

    state: str
    because: str
    cam: str
    target: str
    images: int
    subjects: int
    cells: int  # of a map
    checks: tuple[TrustCheck, ...]
    levels: tuple[TrustLevel, ...] = ()
    curves: TrustCurves | None = None

    @property
    def by_chance(self) -> float:
        """The likeness of two unrelated maps: the mean size of a normal value of variance 1 / (cells - 1)."""
        return math.sqrt(2 / (math.pi * max(1, self.cells - 1)))

    def check(self, name: str) -> TrustCheck | None:
        return next((c for c in self.checks if c.name == name), None)


def trust_of(record: Mapping[str, Any] | None) -> Trust | None:
    """The inverse of `plain` for a `trust` block."""
    if record is None:
        return None
    curves = record["curves"]
    return Trust(
        **{
            **record,
            "checks": tuple(
                TrustCheck(**{**c, "estimate": None if c["estimate"] is None else Estimate(**c["estimate"])})
                for c in record["checks"]
            ),
            "levels": tuple(
                TrustLevel(**{**level, **{name: Estimate(**level[name]) for name in ("likeness", "correlation")}})
                for level in record["levels"]
            ),
            "curves": None if curves is None else TrustCurves(**{k: tuple(v) for k, v in curves.items()}),
        }
    )
