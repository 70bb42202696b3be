from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from audit._grids import resample
from audit.measures import DECISIONS, TARGETS, Observed, plan
from tests.support import slow_measures as slow
from tests.support.observed import block, context, find, seen, some, stack, values

NAN = np.nan
ONE = context(regions=("mouth",))
BY_REGION = tuple(slow.BY_REGION)
OF_MAP = tuple(slow.OF_MAP)
EVIDENCE = ("evidence_for", "evidence_against")


def on(maps: NDArray[np.float32], masks: NDArray[np.float32] | None = None, **fields: NDArray[np.int64]) -> Observed:
    return seen(
        len(maps), maps=dict.fromkeys(TARGETS, maps), regions={} if masks is None else {"mouth": masks}, **fields
    )


def measured(name: str, maps: NDArray[np.float32], masks: NDArray[np.float32] | None = None) -> list[float]:
    return values(ONE, on(maps, masks), name)


# Values far enough apart that float32 and the oracle agree on what is equal; many of them are.
STEPPED = st.integers(0, 12).map(lambda i: i / 12)
maps_on_grid = arrays(np.float32, (3, 6, 5), elements=STEPPED.map(np.float32))
masks_on_grid = arrays(np.float32, (3, 6, 5), elements=st.floats(0, 1, width=32))


@pytest.mark.parametrize("name", BY_REGION)
@settings(max_examples=40, deadline=None)
@given(maps=maps_on_grid, masks=masks_on_grid)
def test_a_region_measure_agrees_with_its_formula(
    name: str, maps: NDArray[np.float32], masks: NDArray[np.float32]
) -> None:
    masks[masks < 1e-6] = 0
    if name == "pointing_game":
        masks = masks.round()
    expected = [slow.BY_REGION[name](a.tolist(), r.tolist()) for a, r in zip(maps, masks, strict=True)]

    assert measured(name, maps, masks) == pytest.approx(expected, rel=1e-4, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", OF_MAP)
@settings(max_examples=40, deadline=None)
@given(maps=maps_on_grid)
def test_a_measure_of_the_map_alone_agrees_with_its_formula(name: str, maps: NDArray[np.float32]) -> None:
    expected = [slow.OF_MAP[name](a.tolist()) for a in maps]

    assert measured(name, maps) == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", BY_REGION)
@pytest.mark.parametrize("side", [4, 7])
def test_a_small_map_meets_the_region_on_the_regions_grid(name: str, side: int) -> None:
    random = np.random.default_rng(side)
    maps = random.gamma(1.0, size=(6, side, side)).astype(np.float32)
    masks = stack(*(block(28, slice(i, 9 + 2 * i), slice(3, 20 - i)) for i in range(6)))
    expected = [
        slow.BY_REGION[name](slow.bilinear(a.tolist(), 28, 28), r.tolist()) for a, r in zip(maps, masks, strict=True)
    ]

    assert measured(name, maps, masks) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("shape", "grid"), [((7, 7), (56, 56)), ((7, 5), (9, 16)), ((1, 1), (4, 4)), ((3, 4), (3, 4))])
def test_resampling_is_bilinear_between_the_centers_of_cells(shape: tuple[int, int], grid: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    expected = [slow.bilinear(a.tolist(), *grid) for a in maps]

    np.testing.assert_allclose(resample(maps, grid), expected, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "grid"), [((7, 7), (56, 56)), ((112, 56), (56, 56)), ((50, 30), (20, 24))])
def test_resampling_is_what_torch_calls_bilinear_and_antialiased(shape: tuple[int, int], grid: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], size=grid, mode="bilinear", align_corners=False, antialias=True
    )

    np.testing.assert_allclose(resample(maps, grid), expected[:, 0].numpy(), atol=1e-5)


MOUTH = block(8, slice(5, 7), slice(2, 6))
EYES = block(8, slice(1, 3), slice(1, 7))


@pytest.mark.parametrize(
    ("name", "inside"),
    [("relevance_mass", 1.0), ("lift", 8.0), ("relevance_rank", 1.0), ("pointing_game", 1.0), ("region_iou", 1.0),
     ("attention_iou", 1.0)],
)  # fmt: skip
def test_relevance_planted_in_the_region_is_found_and_elsewhere_is_not(name: str, inside: float) -> None:
    assert measured(name, stack(MOUTH, EYES), stack(MOUTH, MOUTH)) == pytest.approx([inside, 0.0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("entropy", [1.0, 0.0]), ("center_x", [0.5, 7.5 / 8]), ("center_y", [0.5, 0.5 / 8]),
     ("spread", [math.sqrt(2 * (1 - 1 / 64) / 12), 0.0])],
)  # fmt: skip
def test_an_even_map_and_a_map_of_one_cell(name: str, expected: list[float]) -> None:
    maps = stack(np.ones((8, 8)), block(8, slice(0, 1), slice(7, 8)))

    assert measured(name, maps) == pytest.approx(expected)


def test_a_map_of_a_single_cell_has_a_center_and_no_evenness() -> None:
    maps = np.ones((1, 1, 1), dtype=np.float32)

    assert measured("center_x", maps) == [0.5]
    assert np.isnan(measured("entropy", maps)).all()


def test_x_is_across_and_y_is_down() -> None:
    maps = stack(block(4, slice(3, 4), slice(0, 1)))

    assert (measured("center_x", maps), measured("center_y", maps)) == ([0.125], [0.875])


@pytest.mark.parametrize("name", ["relevance_mass", "relevance_rank", "region_iou", "attention_iou", "entropy"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_shares_stay_within_0_and_1(name: str, data: st.DataObject) -> None:
    side = data.draw(st.integers(1, 7))
    maps = data.draw(arrays(np.float32, (2, side, side), elements=st.floats(0, 2.0**60, width=32)))
    masks = data.draw(arrays(np.float32, (2, 6, 6), elements=st.floats(0, 1, width=32)))
    found = np.array(measured(name, maps, masks))

    assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()


@settings(max_examples=30, deadline=None)
@given(maps=arrays(np.float32, (2, 5, 5), elements=st.floats(2**-7, 100, width=32)))
def test_the_whole_picture_holds_all_relevance_and_is_not_preferred(maps: NDArray[np.float32]) -> None:
    whole = np.ones((2, 20, 20), dtype=np.float32)

    assert measured("relevance_mass", maps, whole) == pytest.approx([1, 1], abs=1e-6)
    assert measured("lift", maps, whole) == pytest.approx([1, 1], abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(masks=arrays(np.float32, (2, 6, 6), elements=st.floats(2**-7, 1, width=32)), scale=st.floats(1e-3, 1e3))
def test_attention_iou_of_a_map_that_is_the_region_is_1(masks: NDArray[np.float32], scale: float) -> None:
    assert measured("attention_iou", masks * np.float32(scale), masks) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("name", [*BY_REGION, *OF_MAP])
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_scale_of_a_map_means_nothing(name: str, scale: float) -> None:
    observed = some(ONE, 20, seed=4)
    maps, masks = observed.maps["predicted"], observed.regions["mouth"]

    assert measured(name, maps * np.float32(scale), masks) == pytest.approx(
        measured(name, maps, masks), rel=1e-3, abs=1e-4, nan_ok=True
    )


@pytest.mark.parametrize("name", BY_REGION)
def test_a_flat_map_prefers_no_place_whatever_the_order_of_the_cells(name: str) -> None:
    """An even map over a region and over its mirror image: the same number."""
    flat = np.ones((2, 4, 4), dtype=np.float32)
    masks = stack(MOUTH, MOUTH[::-1, ::-1])
    found = measured(name, flat, masks)

    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("name", BY_REGION)
def test_no_map_an_empty_map_no_region_and_an_empty_region_do_not_count(name: str) -> None:
    missing = np.full((8, 8), NAN)
    endless = np.where(MOUTH > 0, np.inf, 0)
    nothing = np.zeros((8, 8))
    maps = stack(missing, nothing, endless, MOUTH, MOUTH, MOUTH)
    masks = stack(MOUTH, MOUTH, MOUTH, missing, nothing, MOUTH)

    assert np.isnan(measured(name, maps, masks)).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize("name", OF_MAP)
def test_the_map_alone_does_not_count_where_there_is_none(name: str) -> None:
    maps = stack(np.full((8, 8), NAN), np.zeros((8, 8)), MOUTH)

    assert np.isnan(measured(name, maps)).tolist() == [True, True, False]


def test_regions_are_told_apart() -> None:
    observed = seen(1, maps={"predicted": stack(MOUTH)}, regions={"eyes": stack(EYES), "mouth": stack(MOUTH)})

    assert [values(context(), observed, "relevance_mass", region=r) for r in ("eyes", "mouth")] == [[0.0], [1.0]]


def test_targets_are_told_apart() -> None:
    observed = seen(1, maps={"predicted": stack(MOUTH), "true": stack(EYES)}, regions={"mouth": stack(MOUTH)})

    assert [values(ONE, observed, "relevance_mass", target=t) for t in TARGETS] == [[1.0], [0.0]]


def test_only_maps_that_are_not_alike_are_measured_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """And they come to the same as by themselves."""
    random = np.random.default_rng(1)
    maps, rivals, mouth, eyes = (random.random((6, 8, 8), dtype=np.float32) for _ in range(4))
    other, other_rivals = maps.copy(), rivals.copy()
    other[2], other[5], other_rivals[1] = maps[0], maps[1], maps[0]
    regions = {"mouth": mouth, "eyes": eyes}
    both = {"predicted": maps, "true": other}, {"predicted": rivals, "true": other_rivals}
    together = seen(6, maps=both[0], rivals=both[1], regions=regions)
    alone = seen(6, maps={"predicted": other}, rivals={"predicted": other_rivals}, regions=regions)
    rows, part_of = [], Observed.of

    def of(observed: Observed, some: NDArray[np.int64]) -> Observed:
        rows.append(some.tolist())
        return part_of(observed, some)

    monkeypatch.setattr(Observed, "of", of)
    measures = plan(context())[0]

    for true in (m for m in measures if m.parameters.get("target") == "true"):
        parameters = {**true.parameters, "target": "predicted"}
        predicted = next(m for m in measures if m.name == true.name and m.parameters == parameters)
        np.testing.assert_array_equal(true.compute(together), predicted.compute(alone))
    assert rows == [[1, 2, 5]]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [("all", [1, 1, 1, 1, 1]), ("right", [1, NAN, NAN, NAN, NAN]), ("wrong", [NAN, 1, NAN, NAN, NAN])],
)
def test_right_and_wrong_take_an_answer_and_a_label(decisions: str, expected: list[float]) -> None:
    observed = on(
        np.repeat(stack(MOUTH), 5, axis=0),
        np.repeat(stack(MOUTH), 5, axis=0),
        labels=np.array([1, 1, -1, 1, -1]),
        decisions=np.array([1, 0, 1, -1, -1]),
    )

    assert values(ONE, observed, "relevance_mass", decisions=decisions) == pytest.approx(expected, nan_ok=True)


def test_a_runtime_that_gave_no_map_leaves_nothing_to_count() -> None:
    observed = seen(2, regions={"mouth": stack(MOUTH, MOUTH)})

    assert np.isnan([values(ONE, observed, n) for n in (*BY_REGION, *OF_MAP)]).all()


def test_without_a_map_each_measure_is_skipped_once_with_the_reason() -> None:
    known = context(cam=None, cam_missing="CAM: no pool", evidence_missing="CAM: no pool")
    skipped = [(s.measure, s.reason) for s in plan(known)[1]]

    names = (*BY_REGION, *OF_MAP, "class_overlap", *EVIDENCE)
    assert sorted(skipped) == sorted((name, "CAM: no pool") for name in names)


def test_without_regions_the_region_measures_say_how_to_give_them() -> None:
    measures, skipped = plan(context(regions=()))

    assert {s.measure for s in skipped} == {*BY_REGION, *EVIDENCE}
    assert all("region.NAME" in s.reason and "landmarks68.csv" in s.reason for s in skipped)
    assert {m.name for m in measures if m.family == "focus"} == {*OF_MAP, "class_overlap"}


def test_with_map_and_regions_everything_is_there() -> None:
    focus = [m for m in plan(context())[0] if m.family == "focus"]

    of_both = len(BY_REGION) * 2 + len(OF_MAP) + 1
    assert len(focus) == (of_both * len(TARGETS) + len(EVIDENCE) * (2 + 1)) * len(DECISIONS)  # and the whole picture


def test_all_of_it_is_diagnostic_and_takes_no_side() -> None:
    assert {(m.diagnostic, m.better) for m in plan(context())[0] if m.family == "focus"} == {(True, "none")}


def test_the_pointing_game_is_a_proportion() -> None:
    assert (find(ONE, "pointing_game").proportion, find(ONE, "relevance_mass").proportion) == (True, False)


def overlapped(maps: NDArray[np.float32], rivals: NDArray[np.float32]) -> list[float]:
    observed = seen(len(maps), maps=dict.fromkeys(TARGETS, maps), rivals=dict.fromkeys(TARGETS, rivals))
    return values(ONE, observed, "class_overlap")


@settings(max_examples=40, deadline=None)
@given(maps=maps_on_grid, rivals=maps_on_grid)
def test_the_overlap_of_two_maps_agrees_with_its_formula(
    maps: NDArray[np.float32], rivals: NDArray[np.float32]
) -> None:
    expected = [slow.class_overlap(a.tolist(), b.tolist()) for a, b in zip(maps, rivals, strict=True)]

    assert overlapped(maps, rivals) == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)


def test_classes_seen_at_the_same_place_overlap_and_those_seen_apart_do_not() -> None:
    half = block(8, slice(5, 7), slice(2, 4))
    missing = np.full((8, 8), NAN)
    found = overlapped(stack(MOUTH, MOUTH, MOUTH, MOUTH, missing, MOUTH * 0),
                       stack(MOUTH * 7, EYES, half, missing, MOUTH, MOUTH))  # fmt: skip

    assert found == pytest.approx([1.0, 0.0, 0.5, NAN, NAN, NAN], nan_ok=True)


def test_where_maps_of_two_classes_can_not_be_compared_the_reason_is_given() -> None:
    skipped = [s.reason for s in plan(context(rivals_missing="one map for all"))[1] if s.measure == "class_overlap"]

    assert skipped == ["one map for all"]


# On the borders, by hand: a map of four cells that are 4, 2, 1 and 1, on its own grid.
FOUR = np.array([[[4, 2], [1, 1]]], dtype=np.float32)
BORDERS = {
    # mass, lift, rank, pointing game, overlap, Attention-IoU (4 Σ a r over Σ a² + Σ r² + 2 Σ a r)
    "a region of everything": ([[1, 1], [1, 1]], FOUR, (1, 1, 1, 1, 2 / 4, 1 / (22 / 64 + 1 / 4 + 2 / 4))),
    "a map of one cell": ([[1, 0], [0, 0]], np.ones((1, 1, 1), np.float32), (1 / 4, 1, 1 / 4, 0, 1 / 4, 4 / 7)),
    "a fifth of the cell of the peak": ([[0.2, 0], [0, 0]], FOUR, (0.1, 2, 0.2, 1, 0.2 / 2, 2 / (22 / 64 + 1 + 1))),
    "a fifth of another cell": ([[0, 0], [0, 0.2]], FOUR, (0.025, 0.5, 0, 0, 0, 0.5 / (22 / 64 + 1 + 2 / 8))),
}


@pytest.mark.parametrize("border", BORDERS)
def test_measures_by_region_hold_on_the_borders(border: str) -> None:
    region, maps, expected = BORDERS[border]
    masks = np.array([region], dtype=np.float32)
    names = ("relevance_mass", "lift", "relevance_rank", "pointing_game", "region_iou", "attention_iou")
    for name, value in zip(names, expected, strict=True):
        oracle = slow.BY_REGION[name](slow.bilinear(maps[0].tolist(), 2, 2), region)

        assert measured(name, maps, masks) == pytest.approx([oracle], abs=1e-5), name
        assert oracle == pytest.approx(value, abs=1e-6), name


def test_a_region_of_less_than_half_a_cell_can_be_pointed_at() -> None:
    speck = np.zeros((2, 4, 4), dtype=np.float32)
    speck[:, 1, 1] = 0.3
    maps = stack(block(4, slice(1, 2), slice(1, 2)), block(4, slice(2, 3), slice(1, 2)))

    assert measured("pointing_game", maps, speck) == [1.0, 0.0]
