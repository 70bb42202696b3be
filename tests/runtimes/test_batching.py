"""A fixed batch size is nobody's business outside the runtime."""

from __future__ import annotations

import numpy as np
import pytest

from audit.runtimes._batching import pieces


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])
def test_every_image_comes_back_once_and_in_order(count: int) -> None:
    images = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    found = list(pieces(images, 4))

    assert {len(piece) for piece, _ in found} == {4}
    assert np.array_equal(np.concatenate([piece[:real] for piece, real in found]), images)


def test_a_free_batch_goes_through_in_one_piece() -> None:
    images = np.zeros((7, 1))

    assert [(piece is images, real) for piece, real in pieces(images, None)] == [(True, 7)]


def test_padding_repeats_the_last_image() -> None:
    ((piece, real),) = pieces(np.array([[1.0], [5.0]]), 4)

    assert real == 2
    assert piece.ravel().tolist() == [1.0, 5.0, 5.0, 5.0]
