"""Maps of pictures that don't stand alike come to lie over each other."""

from __future__ import annotations

import numpy as np
import pytest

from audit.engines._look import _columns, _rivals
from audit.engines._shard import _aligned

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_aligned_pictures_keep_their_maps() -> None:
    maps = np.random.default_rng(0).uniform(size=(3, 7, 5)).astype(np.float32)

    assert _aligned(maps, np.stack([IDENTITY] * 3)) == pytest.approx(maps, abs=1e-6)


def test_a_shifted_face_is_shifted_back_and_what_lies_outside_is_zero() -> None:
    maps = np.zeros((1, 8, 8), dtype=np.float32)
    maps[0, 4, 6] = 1.0
    shifted = np.array([[[1.0, 0.0, 2 / 8], [0.0, 1.0, 1 / 8]]])  # the face stands two cells right and one down
    seen = _aligned(maps, shifted)

    assert np.unravel_index(seen[0].argmax(), (8, 8)) == (3, 4)
    assert seen[0, 3, 4] == pytest.approx(1.0)
    assert (seen[0, :, 6:] == 0).all()


def test_a_turned_face_is_turned_back() -> None:
    maps = np.zeros((1, 9, 9), dtype=np.float32)
    maps[0, 4, 8] = 1.0  # right of the middle
    quarter = np.array([[[0.0, -1.0, 1.0], [1.0, 0.0, 0.0]]])  # the face stands a quarter turn clockwise
    seen = _aligned(maps, quarter)

    assert np.unravel_index(seen[0].argmax(), (9, 9)) == (0, 4)


def test_a_picture_without_landmarks_has_no_place() -> None:
    maps = np.ones((2, 4, 4), dtype=np.float32)
    seen = _aligned(maps, np.stack([IDENTITY, np.full((2, 3), np.nan)]))

    assert np.isnan(seen[1]).all()
    assert (seen[0] == 1).all()


def test_targets_of_an_image_come_in_as_few_columns_as_it_has_classes() -> None:
    targets = np.array([[0, 0, 2, 1], [0, 1, 2, -1], [1, 1, 0, 0], [1, 0, 0, 2]])
    columns, place = _columns(targets)

    assert len(columns) == 4
    np.testing.assert_array_equal(columns[place, np.arange(4)], targets)
    for few, kinds in ((targets[:, :3], 2), (targets[:1], 1), (np.zeros((3, 5), np.int64), 1)):
        columns, place = _columns(few)

        assert len(columns) == kinds
        np.testing.assert_array_equal(columns[place, np.arange(few.shape[1])], few)
    assert _columns(np.zeros((2, 0), np.int64))[0].shape == (1, 0)


def test_the_runner_up_is_the_likeliest_class_beside_the_target() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [np.nan] * 3, [0.1, 0.2, 0.7]])

    assert _rivals(scores, np.array([0, 1, 2, 0, -1])).tolist() == [1, 0, 0, -1, -1]
