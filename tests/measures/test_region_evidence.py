"""Evidence by region against its formula, with its completeness, planted and absent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.measures import plan
from tests.support import slow_measures as slow
from tests.support.observed import block, context, seen, stack, values

ONE = context(regions=("mouth",))


def found(
    maps: NDArray[np.float32], masks: NDArray[np.float32], region: str = "mouth"
) -> tuple[list[float], list[float]]:
    observed = seen(len(maps), evidence=maps, regions={"mouth": masks})
    speaks_for, against = (values(ONE, observed, f"evidence_{name}", region=region) for name in ("for", "against"))
    return speaks_for, against


@pytest.mark.parametrize("grid", [(8, 8), (7, 5), (28, 28), (4, 6), (1, 1)])
def test_evidence_agrees_with_its_formula(grid: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    maps = random.normal(size=(4, *grid)).astype(np.float32)
    masks = random.random((4, 14, 12), dtype=np.float32)
    masks[1] = 0
    maps[2], masks[3] = np.nan, np.nan
    for sign, numbers in zip((1, -1), found(maps, masks), strict=True):
        expected = [slow.evidence(e.tolist(), r.tolist(), sign) for e, r in zip(maps, masks, strict=True)]

        assert numbers == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True)
        assert np.isnan(numbers).tolist() == [False, True, True, True]


def test_over_regions_that_make_up_the_picture_it_adds_up_to_the_mean_of_the_map() -> None:
    random = np.random.default_rng(1)
    maps = random.normal(size=(3, 7, 7)).astype(np.float32)
    part = random.random((3, 56, 56), dtype=np.float32)
    whole = np.zeros(3)
    for masks in (part, 1 - part):
        speaks_for, against = found(maps, masks)
        whole += np.array(speaks_for) - np.array(against)

    np.testing.assert_allclose(whole, maps.mean(axis=(1, 2)), atol=1e-5)


def test_the_whole_picture_is_beside_the_regions_as_a_region_that_covers_it_all() -> None:
    maps = np.random.default_rng(2).normal(size=(4, 7, 5)).astype(np.float32)
    maps[3] = np.nan
    nowhere, everywhere = np.zeros((4, 14, 10), np.float32), np.ones((14, 10)).tolist()
    for sign, numbers in zip((1, -1), found(maps, nowhere, "whole picture"), strict=True):
        expected = [slow.evidence(e.tolist(), everywhere, sign) for e in maps]

        assert numbers == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True)
        assert np.isnan(numbers).tolist() == [False, False, False, True]


def test_evidence_planted_in_the_region_is_found_there_and_not_elsewhere() -> None:
    mouth, eyes = block(8, slice(5, 7), slice(2, 6)), block(8, slice(1, 3), slice(1, 7))
    maps = stack(16 * mouth, -16 * mouth, 16 * eyes, np.zeros((8, 8)))
    speaks_for, against = found(maps, stack(mouth, mouth, mouth, mouth))

    assert speaks_for == pytest.approx([2, 0, 0, 0])
    assert against == pytest.approx([0, 2, 0, 0])


def test_evidence_does_not_depend_on_the_map_that_was_asked_for() -> None:
    columns = [m.parameters["cam"] for m in plan(ONE)[0] if m.name.startswith("evidence")]

    assert (set(columns), len(columns)) == ({"infocam"}, 12)


@pytest.mark.parametrize(
    ("known", "said"),
    [(context(evidence_missing="no pool before it"), "no pool before it"), (context(regions=()), "region.NAME")],
)
def test_where_there_is_none_the_reason_is_given(known: object, said: str) -> None:
    reasons = [s.reason for s in plan(known)[1] if s.measure.startswith("evidence")]

    assert len(reasons) == 2
    assert all(said in reason for reason in reasons)
