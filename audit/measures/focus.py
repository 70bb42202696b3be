"""Focus: where in the picture the model found its evidence, read off its class activation map (CAM)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from audit.measures import MEASURES, Context, Measure, Observed
from audit.measures._focus import Meeting, Regions, Relevance, center, entropy, overlap, scaled, shares, spread
from audit.measures._variants import NO_REGIONS, Row, Values, once, variants
from audit.result import Skipped

_SYMBOLS = "; A is the map, clipped at 0 and brought bilinearly to the region's grid, R the share of each cell covered"


_BY_REGION: tuple[tuple[Row, Callable[[Meeting], Values]], ...] = (
    (
        Row(
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
        Row(
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
        Row(
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
        Row(
            name="pointing_game",
            title="Pointing game",
            definition="The share of pictures whose place of largest relevance lies inside the region.",
            formula="1 if R ≥ 0.5 max R where A is largest (mean of R over cells of equal largest A), else 0; max R is "
            "1 but for regions that fill no cell; no tolerance around the region",
            source="pointing game, Zhang et al. 2018, without its tolerance",
            unit="proportion",
            proportion=True,
        ),
        Meeting.pointing_game,
    ),
    (
        Row(
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
        Row(
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
_ALONE: tuple[tuple[Row, Callable[[Values], Values]], ...] = (
    (
        Row(
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
        Row(
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
        Row(
            name="center_x",
            title="Center of the map, from the left",
            definition="Where the relevance has its center, as a share of the picture's width: 0 % is the left edge.",
            formula=f"Σ p x, {_OWN_GRID}; x: a cell's middle in shares of the width",
            source="standard: center of mass",
        ),
        functools.partial(center, axis=2),
    ),
    (
        Row(
            name="center_y",
            title="Center of the map, from the top",
            definition="Where the relevance has its center, as a share of the picture's height: 0 % is the top edge.",
            formula=f"Σ p y, {_OWN_GRID}; y: a cell's middle in shares of the height",
            source="standard: center of mass",
        ),
        functools.partial(center, axis=1),
    ),
)


_OF_TWO = Row(
    name="class_overlap",
    title="Overlap with the runner-up's map",
    definition="How far the map of the class and that of the likeliest other class lie on the same places: 0 where "
    "they share none, 100 % where they are the same. A high value says that the model tells the two apart by how much "
    "it sees there, not by where it looks.",
    formula="Σ min(A, B) / Σ max(A, B), with A and B the two maps, clipped at 0, each divided by its largest value",
    source="the confusion of classes that ReCAM is about (Chen et al., CVPR 2022, arXiv 2203.00962), as an "
    "intersection over union without a threshold",
)


@MEASURES.register("focus")
def focus(context: Context) -> Iterator[Measure | Skipped]:
    """Six measures for every region, four of the map alone and one of two maps, for both targets and all, right, wrong
    decisions."""
    if context.cam is None:
        reason = context.cam_missing or "no class activation map can be had for this model"
        for row in (*(row for row, _ in _BY_REGION), *(row for row, _ in _ALONE), _OF_TWO):
            yield Skipped(measure=row.name, reason=reason)
        return
    for row, meet in _BY_REGION:
        if not context.regions:
            yield Skipped(measure=row.name, reason=NO_REGIONS)
        for region in context.regions:
            every = functools.partial(_by_region, rule=meet, region=region)
            told = dataclasses.replace(row, formula=row.formula + _SYMBOLS)
            yield from variants(told, {"cam": context.cam, "region": region}, every)
    for row, alone in _ALONE:
        yield from variants(row, {"cam": context.cam}, functools.partial(_of_map, rule=alone))
    if context.rivals_missing is not None:
        yield Skipped(measure=_OF_TWO.name, reason=context.rivals_missing)
    else:
        yield from variants(_OF_TWO, {"cam": context.cam}, _of_two)


def _by_region(observed: Observed, target: str, *, rule: Callable[[Meeting], Values], region: str) -> Values:
    maps, masks = observed.maps.get(target), observed.regions.get(region)
    if maps is None or masks is None:
        return np.full(len(observed.labels), np.nan)
    # All regions on the same grid at once: numpy takes longer to be called than to work out a few numbers.
    grid = masks.shape[1:]
    alike = once(observed, grid, lambda: [n for n, other in observed.regions.items() if other.shape[1:] == grid])
    values: Values = once(observed, (rule, target, grid), lambda: _in_regions(observed, target, alike, rule))
    return np.asarray(values[alike.index(region)])


def _in_regions(observed: Observed, target: str, names: list[str], rule: Callable[[Meeting], Values]) -> Values:
    """What a rule says of each of several regions on one grid, [R, B]."""
    masks = [observed.regions[name] for name in names]
    grid = (masks[0].shape[1], masks[0].shape[2])
    relevance = once(observed, (Relevance, target, grid), lambda: Relevance.of(observed.maps[target], grid))
    places = once(observed, (Regions, grid), lambda: Regions.of(masks))
    meeting = once(observed, (Meeting, target, grid), lambda: Meeting(relevance, places))
    return meeting.where_both(rule(meeting))


def _of_map(observed: Observed, target: str, *, rule: Callable[[Values], Values]) -> Values:
    maps = observed.maps.get(target)
    if maps is None:
        return np.full(len(observed.labels), np.nan)
    return rule(once(observed, (shares, target), lambda: shares(maps)))


def _of_two(observed: Observed, target: str) -> Values:
    maps, rivals = observed.maps.get(target), observed.rivals.get(target)
    if maps is None or rivals is None:
        return np.full(len(observed.labels), np.nan)
    return overlap(scaled(maps), scaled(rivals))
