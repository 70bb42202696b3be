"""The table of the studentized range, and Student's t."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics import _make_quantiles, _quantiles
from audit.statistics._quantiles import MOST_GROUPS, plain, simultaneous, tail
from tests.support.slow_statistics import range_quantile, t_quantile


@pytest.mark.parametrize(
    ("alpha", "groups", "df"),
    [
        pytest.param(0.05, 3, 29.0, id="three groups of thirty"),
        pytest.param(0.05, 8, 57.3, id="eight groups"),
        pytest.param(0.05, 100, 210.0, id="as many groups as there can be"),
        pytest.param(0.05, 77, 1.7, id="hardly any subjects"),
        pytest.param(0.01, 20, 1e6, id="very many subjects"),
        pytest.param(0.2, 5, 12.0, id="a loose level"),
        pytest.param(1e-5, 12, 88.0, id="a strict level"),
    ],
)
def test_simultaneous_critical_values_are_within_a_thousandth_of_scipy(alpha: float, groups: int, df: float) -> None:
    found = float(simultaneous(alpha, groups, np.array([df]))[0])

    assert found == pytest.approx(range_quantile(alpha, groups, df), rel=1e-3)


def test_two_groups_need_no_more_than_student() -> None:
    df = np.array([0.5, 3.0, 29.0, 1e4, math.inf])

    np.testing.assert_array_equal(simultaneous(0.05, 2, df), plain(0.05, df))


def test_plain_critical_values_are_students() -> None:
    df = np.array([0.4, 1.0, 14.0, 250.5])

    np.testing.assert_allclose(plain(0.05, df), [t_quantile(0.05, d) for d in df], rtol=1e-9)


def test_infinitely_many_degrees_of_freedom_give_the_normal() -> None:
    assert float(plain(0.05, np.array([math.inf]))[0]) == pytest.approx(1.959964, abs=1e-6)


def test_critical_values_rise_with_the_groups_and_fall_with_alpha_and_df() -> None:
    df = np.geomspace(0.3, 1e5, 60)
    by_groups = np.array([simultaneous(0.05, g, df) for g in range(2, MOST_GROUPS + 1)])
    by_alpha = np.array([simultaneous(a, 9, df) for a in np.geomspace(1e-8, 0.9, 40)])

    assert (np.diff(by_groups, axis=0) > 0).all()
    assert (np.diff(by_alpha, axis=0) < 0).all()
    assert (np.diff(by_groups, axis=1) < 0).all()


def test_hardly_any_degrees_of_freedom_stay_finite() -> None:
    found = simultaneous(0.05, 40, np.array([0.0, 1e-9, 0.25]))

    assert np.isfinite(found).all()
    assert len(set(found)) == 1


@pytest.mark.parametrize("groups", [2, 3, 8, 40, 100])
def test_p_of_a_critical_value_is_scipys(groups: int) -> None:
    from scipy.stats import studentized_range

    c, df = np.meshgrid([0.8, 2.0, 3.1, 4.5, 7.0], [2.5, 29.0, 400.0, math.inf])
    expected = studentized_range.sf(c * math.sqrt(2), groups, df)
    held = (expected > 1e-10) & (expected < 0.99)
    found = tail(c, groups, df)

    assert held.sum() > 10
    np.testing.assert_allclose(found[held], expected[held], rtol=1e-3)
    np.testing.assert_allclose(found[~held], expected[~held], atol=1e-2)


@pytest.mark.parametrize("groups", [2, 3, 17, 100])
@pytest.mark.parametrize("alpha", [1e-11, 1e-4, 0.05, 0.5, 0.98])
def test_p_is_the_inverse_of_the_critical_value(alpha: float, groups: int) -> None:
    df = np.array([0.4, 2.0, 31.5, 1e5, math.inf])

    np.testing.assert_allclose(tail(simultaneous(alpha, groups, df), groups, df), alpha, rtol=1e-9)


@pytest.mark.parametrize("groups", [2, 5])
def test_p_falls_from_one_to_its_floor(groups: int) -> None:
    c = np.concatenate([np.linspace(0, 8, 200), [50.0, math.inf]])
    found = tail(c, groups, 80.0)

    assert found[0] == 1.0
    assert (np.diff(found[found > 1e-12]) < 0).all()
    assert found[-2:].tolist() == [1e-12, 1e-12]
    assert np.isnan(tail(math.nan, groups, 80.0))


@pytest.mark.parametrize("groups", [1, 101])
def test_groups_outside_the_table_are_refused(groups: int) -> None:
    with pytest.raises(ValueError, match=f"2 to 100 groups, not {groups}"):
        simultaneous(0.05, groups, np.array([10.0]))


def test_the_shipped_table_is_what_its_script_makes() -> None:
    table, at = np.load(_quantiles.TABLE), (6, 9)
    log_w = _make_quantiles.log_grid()
    tail = _make_quantiles.range_tail(float(_quantiles.groups()[at[0]]), np.exp(log_w))
    df = _quantiles.dfs()[at[1]]
    logs = _make_quantiles.critical((log_w, tail), float(df), _quantiles.alphas())
    made = logs - np.log(2) / 2 - np.log(plain(_quantiles.alphas(), df))

    assert table.shape == (len(_quantiles.groups()), len(_quantiles.dfs()), len(_quantiles.alphas()))
    np.testing.assert_allclose(table[at], made, atol=1e-9)
