"""Many roots at once."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics._roots import rising_root

SHAPES = [
    pytest.param(lambda x: x, id="straight"),
    pytest.param(lambda x: np.expm1(4 * x), id="steep"),
    pytest.param(lambda x: x**9, id="flat at the root"),
    pytest.param(np.sign, id="a step"),
    pytest.param(lambda x: np.arctan(1e6 * x), id="nearly a step"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_function_has_its_own_root(shape) -> None:  # type: ignore[no-untyped-def]
    roots = np.random.default_rng(0).uniform(-5, 5, 500)
    found = rising_root(lambda x, which: shape(x - roots[which]), np.full(500, -6.0), np.full(500, 7.0))

    near = 1e-2 if shape(0.1) < 1e-5 else 1e-9  # a function that is flat there has no sharp root
    np.testing.assert_allclose(found, roots, atol=near)


def test_without_a_crossing_the_nearer_end_is_given() -> None:
    found = rising_root(lambda x, which: x + np.array([10.0, -10.0])[which], np.zeros(2), np.ones(2))

    assert found.tolist() == [0.0, 1.0]


def test_smooth_functions_take_few_calls() -> None:
    calls = []

    def f(x: np.ndarray, which: np.ndarray) -> np.ndarray:
        calls.append(len(which))
        return np.log1p(x) - 0.3

    rising_root(f, np.zeros(10), np.full(10, 4.0))

    assert len(calls) <= 12
