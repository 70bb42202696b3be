"""Calibration: the plain definition, the jackknife done the long way, and small groups that are calibrated like large
ones: the trap of this measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from audit.analyses.calibration_error import BINS, SquaredGaps, bins_of
from audit.result import Measurement
from audit.statistics.estimates import Cells
from tests.support import slow_analyses
from tests.support.finished import finished, people, run


def measured(**table: Any) -> Measurement:
    (found,), _ = run("calibration_error", finished(**table))
    return found


def judged(
    seed: int, sizes: tuple[int, ...], *, pictures: int = 1, heat: float | tuple[float, ...] = 1.0
) -> dict[str, Any]:
    """People whose labels come out as often as the model says at heat 1, and less often than it says above. One heat
    for all groups, or one a group."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), np.array(sizes) * pictures)
    logits = rng.normal(0, 1.5, len(group))
    often = 1 / (1 + np.exp(-logits / np.broadcast_to(heat, len(sizes))[group]))
    sure = 1 / (1 + np.exp(-logits))
    return {
        "labels": (rng.random(len(group)) < often).astype(int),
        "decisions": (sure >= 0.5).astype(int),
        "scores": np.stack([1 - sure, sure], axis=1),
        "subjects": [f"p{k}" for k in np.repeat(np.arange(sum(sizes)), pictures)],
        "attributes": {"skin": [f"g{k}" for k in group]},
        "groupings": [("skin",)],
    }


def plain_rows(table: dict[str, Any]) -> list[tuple[int, str, float]]:
    """(bin, subject, confidence - right) of each image, by loops."""
    confidence = [float(s[d]) for s, d in zip(table["scores"], table["decisions"], strict=True)]
    return [
        (slow_analyses.bin_of(c, confidence, BINS), subject, c - float(d == y))
        for c, d, y, subject in zip(confidence, table["decisions"], table["labels"], table["subjects"], strict=True)
    ]


@pytest.mark.parametrize("pictures", [1, 3])
def test_it_is_the_root_of_the_mean_product_of_different_peoples_gaps(pictures: int) -> None:
    table = judged(1, (90, 40), pictures=pictures, heat=3.0)
    rows = plain_rows(table)
    found = measured(**table)
    expected = slow_analyses.squared_calibration(rows)

    assert expected is not None
    assert found.overall.value == pytest.approx(np.sqrt(expected), abs=1e-12)
    for group, number in zip(found.groups("skin"), ("g0", "g1"), strict=True):
        inside = [r for r, g in zip(rows, table["attributes"]["skin"], strict=True) if g == number]
        assert group.value == pytest.approx(np.sqrt(slow_analyses.squared_calibration(inside)), abs=1e-12)  # type: ignore[arg-type]


def test_its_interval_is_students_on_the_square_with_the_long_jackknife() -> None:
    table = {**judged(2, (70,), pictures=2, heat=4.0), "groupings": []}
    rows = plain_rows(table)
    variance = slow_analyses.jackknife_variance(rows, table["subjects"], slow_analyses.squared_calibration)
    square = slow_analyses.squared_calibration(rows)
    assert square is not None
    margin = stats.t.isf(0.025, 69) * np.sqrt(variance)
    found = measured(**table)

    assert found.overall.low == pytest.approx(np.sqrt(max(0, square - margin)), abs=1e-9)
    assert found.overall.high == pytest.approx(np.sqrt(square + margin), abs=1e-9)


def test_with_many_images_it_is_the_usual_error_in_bins() -> None:
    table = judged(3, (40_000,), heat=2.0)
    confidence = table["scores"].max(axis=1)
    over = confidence - (table["decisions"] == table["labels"])
    bins = bins_of(confidence, BINS)
    usual = np.sqrt(sum((bins == b).mean() * over[bins == b].mean() ** 2 for b in range(BINS)))

    assert measured(**table).overall.value == pytest.approx(usual, abs=0.002)


def test_bins_hold_as_many_images_each_and_equal_numbers_together() -> None:
    confidence = np.random.default_rng(0).random(1500)

    assert np.bincount(bins_of(confidence, 15)).tolist() == [100] * 15
    assert bins_of(np.array([0.5, 0.5, 0.5, 1.0]), 2).tolist() == [0, 0, 0, 1]
    assert bins_of(np.repeat(confidence, 2), 15).tolist() == np.repeat(bins_of(confidence, 15), 2).tolist()
    assert bins_of(np.zeros(0), 15).tolist() == []


@pytest.mark.parametrize(
    ("sizes", "pictures", "heat"),
    [((30, 1000), 1, 1.0), ((40, 500), 3, 2.0), ((30,) * 5, 1, 1.0)],
    ids=["small against large, calibrated", "small against large, alike wrong", "five small ones"],
)
def test_small_groups_that_are_calibrated_alike_are_not_flagged(
    sizes: tuple[int, ...], pictures: int, heat: float
) -> None:
    runs = 60
    gaps = [measured(**judged(seed, sizes, pictures=pictures, heat=heat)).disparity("skin") for seed in range(runs)]

    assert sum(gap is not None and gap.clear for gap in gaps) <= 8  # 5 % of 60 and three standard errors


def test_size_alone_moves_no_square() -> None:
    """The mean over many runs is the same in a small and in a large group, and not the plain estimate's."""
    squares, plain = [], []
    for seed in range(150):
        table = judged(seed, (40, 1500), heat=2.5)
        confidence = table["scores"].max(axis=1)
        right = table["decisions"] == table["labels"]
        bins, group = bins_of(confidence, BINS), np.repeat([0, 1], (40, 1500))
        statistic = SquaredGaps(counts=np.ones(1540, dtype=bool), bins=bins, over=confidence - right, right=right)
        squares.append(statistic.groups(Cells(group, np.arange(1540), 2)).mean[:, 0])
        small = [(confidence - right)[:40][bins[:40] == b] for b in range(BINS)]
        plain.append(sum(len(part) * part.mean() ** 2 for part in small if len(part)) / 40)
    small_square, large_square = np.mean(squares, axis=0)

    assert small_square == pytest.approx(large_square, abs=3 * np.std(squares, axis=0)[0] / np.sqrt(150))
    assert np.mean(plain) > 2 * large_square


def test_a_group_that_is_surer_than_it_is_right_is_found() -> None:
    found = measured(**judged(4, (400, 400), heat=(1.0, 8.0)))
    gap = found.disparity("skin")

    assert gap is not None
    assert gap.clear
    assert gap.worst == {"skin": "g1"}
    assert found.disparity("skin", "ratio") is None


def test_never_wrong_and_quite_sure_is_no_certainty() -> None:
    table = judged(5, (50,))
    sure = np.eye(2)[table["labels"]]
    found = measured(**{**table, "decisions": table["labels"], "scores": sure})

    assert found.overall.value == 0
    assert found.overall.low == 0
    assert found.overall.high == pytest.approx(0.0748, abs=0.001)  # Wilson's, of none in 50


def test_abstentions_and_missing_labels_do_not_count() -> None:
    table = people(1)
    rows = np.arange(480) % 3 == 0
    without = measured(**{**table, "decisions": np.where(rows, -1, table["decisions"])})
    unlabeled = measured(**{**table, "labels": np.where(rows, -1, table["labels"])})

    assert without.overall == unlabeled.overall
    assert without.overall.n == 320


def test_a_table_of_decisions_is_skipped_with_the_reason() -> None:
    found, skipped = run("calibration_error", finished(**{**people(1), "scores": None}))

    assert found == []
    assert "probability" in skipped[0].reason
