"""Adjusted p against statsmodels and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from audit.statistics.multiplicity import benjamini_hochberg, holm
from tests.support import slow_statistics

PS = [
    pytest.param([0.01], id="one"),
    pytest.param([0.04, 0.01, 0.03, 0.5], id="four"),
    pytest.param([0.02, 0.02, 0.02, 1.0, 1.0], id="ties"),
    pytest.param([1e-12] * 3 + [0.9] * 40, id="a few far out"),
    pytest.param(np.random.default_rng(0).random(200).tolist(), id="two hundred of nothing"),
    pytest.param((np.random.default_rng(1).random(157) ** 4).tolist(), id="many small"),
]


@pytest.mark.parametrize("p", PS)
def test_holm_is_statsmodels_and_the_plain_loop(p: list[float]) -> None:
    found = holm(np.array(p))

    np.testing.assert_allclose(found, multipletests(p, method="holm")[1], rtol=1e-12)
    np.testing.assert_allclose(found, slow_statistics.holm(p), rtol=1e-12)


@pytest.mark.parametrize("p", PS)
def test_benjamini_hochberg_is_statsmodels_and_the_plain_loop(p: list[float]) -> None:
    found = benjamini_hochberg(np.array(p))

    np.testing.assert_allclose(found, multipletests(p, method="fdr_bh")[1], rtol=1e-12)
    np.testing.assert_allclose(found, slow_statistics.benjamini_hochberg(p), rtol=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_order_of_the_tests_does_not_matter(adjust) -> None:  # type: ignore[no-untyped-def]
    p = np.random.default_rng(2).random(50) ** 3
    order = np.random.default_rng(3).permutation(50)

    np.testing.assert_array_equal(adjust(p)[order], adjust(p[order]))
    assert (adjust(p) >= p).all()
    assert (adjust(p) <= 1).all()
    assert adjust(np.array([])).tolist() == []


def test_no_adjusted_p_is_below_its_own_by_rounding() -> None:
    for count in range(1, 60):
        p = np.random.default_rng(count).random(count)
        assert (benjamini_hochberg(p) >= p).all()
        assert (holm(p) >= p).all()
