"""What is kept of single images: a sample of whole subjects, small groups first, on a small grid."""

from __future__ import annotations

import numpy as np
import pytest

from audit.features import ENOUGH, GRID, Feature, drawn, joined, pack, small, unpack


def test_a_small_set_is_kept_whole() -> None:
    assert drawn([np.zeros(7, dtype=np.int64)], np.arange(7), seed=0, most=7).tolist() == list(range(7))


def test_a_sample_holds_whole_subjects_and_is_drawn_by_the_seed() -> None:
    subjects = np.repeat(np.arange(400), 3)
    codes = [np.zeros(1200, dtype=np.int64)]
    rows, again, other = (drawn(codes, subjects, seed, most=100) for seed in (0, 0, 1))

    assert rows.tolist() == again.tolist()
    assert rows.tolist() != other.tolist()
    assert len(rows) == 99
    assert set(np.bincount(subjects[rows], minlength=400)) == {0, 3}
    assert (np.diff(rows) > 0).all()


def test_a_small_group_is_not_lost() -> None:
    rare = np.repeat([0, 1, 2], [20_000, 60, 300])
    halves = np.arange(len(rare)) % 2
    rows = drawn([rare, halves], np.arange(len(rare)), seed=0, most=1000)

    assert len(rows) == 1000
    assert (rare[rows] == 1).sum() == 60
    assert (rare[rows] == 2).sum() >= ENOUGH
    assert abs(int((halves[rows] == 0).sum()) - 500) < 80


def test_a_subject_with_more_images_than_fit_gives_as_many_as_fit() -> None:
    assert len(drawn([np.zeros(50, dtype=np.int64)], np.zeros(50, dtype=np.int64), seed=0, most=20)) == 20


@pytest.mark.parametrize("shape", [(7, 7), (14, 5), (20, 33), (56, 56)])
def test_a_map_on_fewer_cells_keeps_its_shares_where_they_are(shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).gamma(0.5, size=(4, *shape))
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    kept = small(maps)
    height, width = (min(side, GRID) for side in shape)
    places = [((np.arange(n) + 0.5) / n) for n in shape]
    fewer = [((np.arange(n) + 0.5) / n) for n in (height, width)]

    assert kept.shape == (4, height, width)
    assert kept.sum(axis=(1, 2)) == pytest.approx(np.ones(4), abs=1e-6)
    for axis in (0, 1):
        center = (maps.sum(axis=2 - axis) * places[axis]).sum(axis=1)
        assert (kept.sum(axis=2 - axis) * fewer[axis]).sum(axis=1) == pytest.approx(center, abs=0.005)


def test_pieces_come_together_in_row_order_and_through_a_file() -> None:
    def piece(*rows: int) -> tuple[Feature, ...]:
        values = np.array(rows, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), dtype=np.float32)
        return (Feature(name="cam_predicted", rows=np.array(rows), values=values),)

    (whole,) = joined([piece(4, 9), (), piece(0, 2)])
    (read,) = unpack(pack((whole,)))

    assert read.rows.tolist() == [0, 2, 4, 9]
    assert read.values[:, 0, 0].tolist() == [0, 2, 4, 9]
