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


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_a_processor_gets_no_more_than_it_has_room_for_and_nothing_is_filled_up(count: int, sizes: list[int]) -> None:
    images = np.arange(count, dtype=np.float32)
    found = list(pieces(images, None, most=4))

    assert [(len(piece), real) for piece, real in found] == [(size, size) for size in sizes]
    assert np.array_equal(np.concatenate([piece for piece, _ in found]), images)


def test_what_the_file_has_fixed_comes_before_what_a_processor_likes() -> None:
    assert [len(piece) for piece, _ in pieces(np.zeros((5, 1)), 5, most=2)] == [5]
    assert [len(piece) for piece, _ in pieces(np.zeros((5, 1)), 3, most=8)] == [3, 3]


def test_padding_repeats_the_last_image() -> None:
    ((piece, real),) = pieces(np.array([[1.0], [5.0]]), 4)

    assert real == 2
    assert piece.ravel().tolist() == [1.0, 5.0, 5.0, 5.0]
