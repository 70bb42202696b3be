"""Faces that were shifted, turned and zoomed come to lie over each other."""

from __future__ import annotations

import numpy as np
import pytest

from audit.inputs import InputSpec
from audit.probes._alignment import align
from audit.probes._geometry import place

SPEC = InputSpec(size=(100, 200))


def moved(shape: np.ndarray, zoom: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    matrix = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return shape @ matrix.T + np.array(shift)


@pytest.fixture
def faces() -> np.ndarray:
    generator = np.random.default_rng(0)
    shape = generator.uniform(0, 50, (68, 2))
    return np.stack(
        [
            moved(shape, generator.uniform(0.5, 2), generator.normal(0, 20), tuple(generator.uniform(0, 99, 2)))
            for _ in range(40)
        ]
    )


def test_the_square_lands_on_every_faces_own_points(faces: np.ndarray) -> None:
    alignment = align(faces)
    assert alignment is not None
    square = np.stack([alignment.shape.real, alignment.shape.imag, np.ones(68)])
    for row, points in enumerate(faces):
        placed = alignment.transform(row, place((300, 150), SPEC)) @ square
        expected = points / np.array([300, 150])  # squashed to the input: shares of width and height

        # The input is twice as wide as high, as the picture is: a similarity stays one.
        assert pytest.approx(expected, abs=1e-6) == placed.T


def test_the_mean_face_stands_in_the_middle_and_upright(faces: np.ndarray) -> None:
    upright = np.stack([moved(faces[0], 1.0, degrees, (0, 0)) for degrees in (-30, -10, 0, 10, 30)])
    alignment = align(upright)
    assert alignment is not None
    span = np.ptp(alignment.shape.real), np.ptp(alignment.shape.imag)
    alone = align(faces[:1])
    assert alone is not None

    assert max(span) == pytest.approx(0.8)
    assert alignment.shape == pytest.approx(alone.shape, abs=1e-6)


def test_a_face_without_all_points_has_no_place(faces: np.ndarray) -> None:
    faces[3, 10] = np.nan
    alignment = align(faces)
    assert alignment is not None

    assert np.isnan(alignment.transform(3, place((9, 9), SPEC))).all()
    assert np.isfinite(alignment.transform(4, place((9, 9), SPEC))).all()


def test_no_face_with_all_points_gives_no_alignment(faces: np.ndarray) -> None:
    faces[:, 0] = np.nan

    assert align(faces) is None
