"""Maps of pictures that don't stand alike come to lie over each other."""

from __future__ import annotations

import numpy as np
import pytest

from audit.engines._observe import _aligned

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
