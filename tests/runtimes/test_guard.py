"""On the first batch it is decided where the outputs of all come from."""

from __future__ import annotations

import numpy as np
import pytest

from audit.runtimes._guard import Guard, Guarded

ONE = np.array([[1.0, 3.0], [2.0, -4.0]], np.float32)


def test_what_agrees_is_taken_from_the_tapped_pass_alone() -> None:
    guard = Guard()
    close = ONE + np.float32(1e-5)

    assert guard.asks
    assert guard.settled(close, ONE) is close
    assert guard.found == pytest.approx(1e-5 / 4, rel=0.1)
    assert (guard.asks, guard.notes) == (False, ())


def test_what_differs_comes_from_the_untouched_model_from_then_on() -> None:
    guard = Guard()

    assert guard.settled(ONE + 1, ONE) is ONE
    assert guard.asks
    assert guard.settled(ONE, ONE) is ONE
    assert "by up to 2.5e-01, relative, in the first batch" in guard.notes[0]


def test_another_decision_is_a_difference_however_small() -> None:
    guard = Guard()
    bare = np.array([[0.5, 0.5 + 1e-6]], np.float32)

    assert guard.settled(bare[:, ::-1].copy(), bare) is bare
    assert guard.found == pytest.approx(1e-6, rel=0.1)


def test_numbers_that_are_finite_on_one_side_only_are_a_difference() -> None:
    guard = Guard()
    bare = np.array([[np.nan, 1.0]], np.float32)

    assert guard.settled(np.ones((1, 2), np.float32), bare) is bare
    assert "(other numbers are finite in the first batch)" in guard.notes[0]
    assert Guard().settled(bare, bare.copy()) is bare


def test_where_nothing_is_to_be_compared_nothing_is_asked() -> None:
    assert not Guard(0.0).asks


@pytest.mark.parametrize(("off", "passes"), [(0.0, 1), (1.0, 2)], ids=["alike", "apart"])
def test_a_model_says_how_often_it_computes_a_picture(off: float, passes: int) -> None:
    model = Guarded()
    model._guard = Guard()
    before = model.passes
    model._guard.settled(ONE + np.float32(off), ONE)

    assert (before, model.passes) == (2, passes)
