"""Evidence by region: how much of the difference between the answer's logit and the others' comes from where."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from audit._grids import covered
from audit.measures import MEASURES, Context, Measure, Observed
from audit.measures._variants import NO_REGIONS, Row, Values, once, variants
from audit.result import Skipped

WHOLE = "whole picture"  # beside the regions, which overlap and leave places out; no region's name has a space
_FORMULA = (
    "with E the map of infoCAM for the class that was answered, h × w cells, and R the share of each cell that the "
    "region covers. Over the whole picture, for less against is that class's logit less the mean of the others', bias "
    "terms left out; maps of other methods are not used"
)
_SOURCE = "positive and negative mass of infoCAM (Qin, Kim, Gedeon, arXiv 2106.10472), which adds up to logits"
_ROWS = (
    Row(
        name="evidence_for",
        title="Evidence for the answer",
        definition="How much the places inside the region that speak for the answer add to it, in logits: to the score "
        "by which the answer is ahead of the others.",
        formula=f"Σ max(E, 0) R / (h w), {_FORMULA}",
        source=_SOURCE,
        unit="logits",
    ),
    Row(
        name="evidence_against",
        title="Evidence against the answer",
        definition="How much the places inside the region that speak against the answer take away from it, in logits: "
        "from the score by which the answer is ahead of the others.",
        formula=f"Σ max(−E, 0) R / (h w), {_FORMULA}",
        source=_SOURCE,
        unit="logits",
    ),
)


@MEASURES.register("region_evidence")
def region_evidence(context: Context) -> Iterator[Measure | Skipped]:
    """For and against, for every region and the whole picture, and for all, right, wrong decisions."""
    reason = context.evidence_missing or (None if context.regions else NO_REGIONS)
    for row, sign in zip(_ROWS, (1, -1), strict=True):
        if reason is not None:
            yield Skipped(measure=row.name, reason=reason)
            continue
        for region in (*context.regions, WHOLE):
            every = functools.partial(_inside, region=region, sign=sign)
            yield from variants(row, {"cam": "infocam", "region": region}, every, targets=("predicted",))


def _inside(observed: Observed, target: str, *, region: str, sign: int) -> Values:  # noqa: ARG001 there is but one
    maps, masks = observed.evidence, observed.regions.get(region)
    if maps is None or (masks is None and region != WHOLE):
        return np.full(len(observed.labels), np.nan)
    grid = (maps.shape[1], maps.shape[2])
    speaks = np.maximum(sign * maps, 0)  # NaN where there is no map
    if masks is None:
        return np.asarray(speaks.mean(axis=(1, 2), dtype=np.float64))
    place = once(observed, (covered, region), lambda: covered(masks, grid))
    found = np.einsum("bhw,bhw->b", speaks, place, dtype=np.float64) / (grid[0] * grid[1])
    there = np.asarray(place.sum(axis=(1, 2)) > 0)
    return np.where(there, found, np.nan)
