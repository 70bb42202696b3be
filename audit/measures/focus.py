"""Focus: where in the picture the model found its evidence, read off its class activation map (CAM)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from audit.measures import DECISIONS, MEASURES, TARGETS, Context, Measure, Observed
from audit.measures._focus import Meeting, Region, Relevance, center, entropy, shares, spread
from audit.result import Skipped

T = TypeVar("T")
Values = NDArray[np.float64]

_NO_REGIONS = (
    "the probe set names no region to look at; give one as a manifest column region.NAME (a mask image, or a box "
    "x0,y0,x1,y1 in pixels), as a [regions] table in the probe folder's bias-audit.toml, or as landmarks68.csv"
)
_VARIANTS = (
    " Target is the class whose map it is: the one the model answered (predicted) or the stated label (true). "
    "Decisions says which pictures count: all, or only those answered rightly or wrongly."
)
_SYMBOLS = "; A is the map, clipped at 0 and brought bilinearly to the region's grid, R the share of each cell covered"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What a measure of the family says of itself."""

    name: str
    title: str
    definition: str
    formula: str
    source: str
    unit: str = "share"
    proportion: bool = False


_BY_REGION: tuple[tuple[_Row, Callable[[Meeting], Values]], ...] = (
    (
        _Row(
            name="relevance_mass",
            title="Relevance mass",
            definition="The share of the map's relevance that lies inside the region. A large region holds much of it "
            "by its size alone: see lift.",
            formula="Σ A R / Σ A",
            source="relevance mass accuracy, Arras et al. 2022; with a mask the same as the energy-based pointing game",
        ),
        Meeting.relevance_mass,
    ),
    (
        _Row(
            name="lift",
            title="Lift",
            definition="The relevance mass divided by the share of the picture that the region covers: 1 means no "
            "preference for the region, 2 that it holds twice the relevance its size would give it.",
            formula="(Σ A R / Σ A) / (Σ R / n), with n the number of cells",
            source="our own, so that regions of different size can be compared between groups",
            unit="ratio",
        ),
        Meeting.lift,
    ),
    (
        _Row(
            name="relevance_rank",
            title="Relevance rank",
            definition="Of the most relevant part of the picture, as large as the region is, the share that lies "
            "inside the region.",
            formula="Σ W R / K, with K = Σ R, and W 1 in the K cells of largest A; cells of equal A share what is left "
            "of K evenly (so does the last cell where K is no whole number)",
            source="relevance rank accuracy, Arras et al. 2022; partial cells and ties by our own rule",
        ),
        Meeting.relevance_rank,
    ),
    (
        _Row(
            name="pointing_game",
            title="Pointing game",
            definition="The share of pictures whose place of largest relevance lies inside the region.",
            formula="1 if R ≥ 0.5 where A is largest (mean of R over cells of equal largest A), else 0; "
            "no tolerance around the region",
            source="pointing game, Zhang et al. 2018, without its tolerance",
            unit="proportion",
            proportion=True,
        ),
        Meeting.pointing_game,
    ),
    (
        _Row(
            name="region_iou",
            title="Region overlap",
            definition="How well the bright part of the map (at least half of its largest value) and the region "
            "cover each other: 0 not at all, 100 % exactly.",
            formula="Σ min(B, R) / Σ max(B, R), with B 1 where A ≥ 0.5 max A, else 0",
            source="standard intersection over union; the threshold 0.5 is our choice",
        ),
        Meeting.region_iou,
    ),
    (
        _Row(
            name="attention_iou",
            title="Attention IoU",
            definition="How well the whole map, without any threshold, and the region agree: 0 where they share no "
            "place, 1 where the relevance is spread evenly over exactly the region.",
            formula="Σ a r / Σ ((a + r)/2)², with a = A / Σ A and r = R / Σ R",
            source="mask score of Attention-IoU, Serianni et al., CVPR 2025, arXiv 2503.19846",
            unit="ratio",
        ),
        Meeting.attention_iou,
    ),
)


_OWN_GRID = "with p = A / Σ A on the map's own grid of h × w cells"
_ALONE: tuple[tuple[_Row, Callable[[Values], Values]], ...] = (
    (
        _Row(
            name="entropy",
            title="Evenness of the map",
            definition="How evenly the relevance is spread over the picture: 0 where it is all in one cell of the map, "
            "1 where every cell has the same.",
            formula=f"− Σ p ln p / ln(h w), {_OWN_GRID}",
            source="complexity, Bhatt et al. (as in Quantus), divided by its largest value",
            unit="ratio",
        ),
        entropy,
    ),
    (
        _Row(
            name="spread",
            title="Spread of the map",
            definition="How far from its center the relevance lies, as a share of the picture's side: a root mean "
            "square distance.",
            formula=f"√ Σ p ((x − cx)² + (y − cy)²), {_OWN_GRID}; x, y: a cell's middle in shares of the width and of "
            "the height; cx, cy: center_x, center_y",
            source="standard",
        ),
        spread,
    ),
    (
        _Row(
            name="center_x",
            title="Center of the map, from the left",
            definition="Where the relevance has its center, as a share of the picture's width: 0 % is the left edge.",
            formula=f"Σ p x, {_OWN_GRID}; x: a cell's middle in shares of the width",
            source="standard: center of mass",
        ),
        functools.partial(center, axis=2),
    ),
    (
        _Row(
            name="center_y",
            title="Center of the map, from the top",
            definition="Where the relevance has its center, as a share of the picture's height: 0 % is the top edge.",
            formula=f"Σ p y, {_OWN_GRID}; y: a cell's middle in shares of the height",
            source="standard: center of mass",
        ),
        functools.partial(center, axis=1),
    ),
)


@MEASURES.register("focus")
def focus(context: Context) -> Iterator[Measure | Skipped]:
    """Six measures for every region and four of the map alone, for both targets and all, right, wrong decisions."""
    if context.cam is None:
        reason = context.cam_missing or "no class activation map can be had for this model"
        for row in (*(row for row, _ in _BY_REGION), *(row for row, _ in _ALONE)):
            yield Skipped(measure=row.name, reason=reason)
        return
    for row, meet in _BY_REGION:
        if not context.regions:
            yield Skipped(measure=row.name, reason=_NO_REGIONS)
        for region in context.regions:
            every = functools.partial(_by_region, rule=meet, region=region)
            yield from _variants(row, {"cam": context.cam, "region": region}, every)
    for row, alone in _ALONE:
        yield from _variants(row, {"cam": context.cam}, functools.partial(_of_map, rule=alone))


def _variants(row: _Row, parameters: dict[str, str], every: Callable[[Observed, str], Values]) -> Iterator[Measure]:
    """One measure for each target and choice of decisions; predicted and all stand first."""
    for target in TARGETS:
        for decisions in DECISIONS:
            yield Measure(
                name=row.name,
                title=row.title,
                family="focus",
                unit=row.unit,
                better="none",
                definition=row.definition + _VARIANTS,
                formula=row.formula + (_SYMBOLS if "region" in parameters else ""),
                source=row.source,
                compute=functools.partial(_value, every=every, target=target, decisions=decisions),
                parameters={**parameters, "target": target, "decisions": decisions},
                can_be_zero=True,
                proportion=row.proportion,
                diagnostic=True,
            )


def _value(observed: Observed, *, every: Callable[[Observed, str], Values], target: str, decisions: str) -> Values:
    """What `every` says of each image, NaN for those whose decision is not asked for. [B]"""
    # Where all decisions of a batch are right, both targets are one and the same array.
    alike = next((t for t in TARGETS if observed.maps.get(t) is observed.maps.get(target)), target)
    values = _once(observed, (every, alike), lambda: every(observed, alike))
    if decisions == "all":
        return values
    known = (observed.decisions >= 0) & (observed.labels >= 0)
    right = observed.decisions == observed.labels
    return np.where(known & (right if decisions == "right" else ~right), values, np.nan)


def _by_region(observed: Observed, target: str, *, rule: Callable[[Meeting], Values], region: str) -> Values:
    maps, masks = observed.maps.get(target), observed.regions.get(region)
    if maps is None or masks is None:
        return np.full(len(observed.labels), np.nan)
    grid = (masks.shape[1], masks.shape[2])
    relevance = _once(observed, (Relevance, target, grid), lambda: Relevance.of(maps, grid))
    place = _once(observed, (Region, region), lambda: Region.of(masks))
    meeting = _once(observed, (Meeting, target, region), lambda: Meeting(relevance, place))
    return meeting.where_both(rule(meeting))


def _of_map(observed: Observed, target: str, *, rule: Callable[[Values], Values]) -> Values:
    maps = observed.maps.get(target)
    if maps is None:
        return np.full(len(observed.labels), np.nan)
    return rule(_once(observed, (shares, target), lambda: shares(maps)))


def _once(observed: Observed, key: Hashable, make: Callable[[], T]) -> T:
    """The batch's own copy of a thing that several measures need."""
    if key not in observed.shared:
        observed.shared[key] = make()
    return cast("T", observed.shared[key])
