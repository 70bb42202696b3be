"""Shares of which every item of a group has 0, or every item has 1: no certainty out of no variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from audit.groups import make_groupings, subject_codes
from audit.strata import with_strata
from audit.summary import Options, summarise
from tests.support.figures import a_measure, a_table, figures

SHARE = {"proportion": False, "can_be_zero": True, "unit": "share"}


def wilson(p: float, people: float, groups: int = 1) -> tuple[float, float]:
    """At Student's critical value instead of the normal one."""
    level = 2 * t.sf(t.isf(0.025, people - 1), 1e9)
    return tuple(proportion_confint(p * people, people, alpha=level, method="wilson"))


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_a_group_at_the_edge_has_wilsons_interval(edge: float) -> None:
    values = np.concatenate([np.full(40, edge), np.random.default_rng(0).uniform(0.2, 0.4, 40)])
    found, _ = figures(values, ["a"] * 40 + ["b"] * 40, **SHARE)
    at_edge, inside = found.groups("skin")

    assert (at_edge.value, at_edge.low, at_edge.high) == pytest.approx((edge, *wilson(edge, 40)), abs=1e-9)
    assert inside.high - inside.low < 0.05


def test_subjects_count_and_not_pictures() -> None:
    values, names = [0.0] * 160 + [0.3, 0.5] * 20, ["a"] * 160 + ["b"] * 40
    subjects = [*np.repeat(np.arange(40), 4), *range(40, 80)]
    found, _ = figures(values, names, subjects, **SHARE)

    assert found.groups("skin")[0].high == pytest.approx(wilson(0.0, 40)[1], abs=1e-9)


def test_no_gap_between_edges_is_reported_as_certain() -> None:
    nothing, _ = figures(np.zeros(80), ["a", "b"] * 40, **SHARE)
    apart, _ = figures([0.0] * 40 + [1.0] * 40, ["a"] * 40 + ["b"] * 40, **SHARE)
    same, other = nothing.disparity("skin"), apart.disparity("skin")

    assert (same.value, same.low) == (0.0, 0.0)
    assert 0.05 < same.high < 0.15
    assert same.p_value == 1.0
    assert other.value == 1.0
    assert 0.8 < other.low < 0.95
    assert other.high == 1.0
    assert nothing.overall.high == pytest.approx(wilson(0.0, 80)[1], abs=1e-9)


def test_an_edge_makes_a_gap_wider_than_the_others_variance_alone() -> None:
    rng = np.random.default_rng(1)
    inside = rng.uniform(0.02, 0.04, 200)
    found, _ = figures([*np.zeros(40), *inside], ["a"] * 40 + ["b"] * 200, **SHARE)
    gap = found.disparity("skin")

    assert gap.low == 0.0  # of 40 people without any, a rare 1 may not have been met
    assert gap.p_value > 0.05
    assert found.disparity("skin", "ratio").value == 0.0


def test_a_value_that_is_no_share_keeps_its_interval() -> None:
    found, _ = figures([0.0] * 40 + [1.0] * 40, ["a"] * 40 + ["b"] * 40, proportion=False, unit="level")

    assert (found.groups("skin")[0].low, found.groups("skin")[0].high) == (0.0, 0.0)


def test_the_whole_set_doubled_is_the_same() -> None:
    values, names = [0.0] * 40 + [0.1, 0.5] * 20, ["a"] * 40 + ["b"] * 40
    once, _ = figures(values, names, range(80), **SHARE)
    twice, _ = figures(values * 2, names * 2, [*range(80), *range(80)], **SHARE)

    for mine, theirs in zip(once.disparities, twice.disparities, strict=True):
        assert (theirs.value, theirs.low, theirs.high, theirs.p_value) == pytest.approx(
            (mine.value, mine.low, mine.high, mine.p_value)
        )


def test_no_gap_within_strata_is_certain_either() -> None:
    table = a_table(range(160), skin=["a", "b"] * 80, age=["young"] * 80 + ["old"] * 80)
    values = np.column_stack([np.zeros(160), np.ones(160), np.tile([0.0, 1.0], 80)])
    measures = [a_measure(f"share{k}", **SHARE) for k in range(3)]
    groupings, strata = (make_groupings(table, ((name,),)) for name in ("skin", "age"))
    found, _ = summarise(values, measures, groupings, subject_codes(table), "gender", Options())
    found, _ = with_strata(found, lambda columns: values, groupings, strata, subject_codes(table), Options())
    zeros, ones, apart = (m.within[0] for m in found)

    for row in (zeros, ones):
        assert (row.value, row.low, row.p_value) == (pytest.approx(0.0, abs=1e-12), 0.0, pytest.approx(1.0))
        assert 0.02 < row.high < 0.15
    assert apart.value == pytest.approx(1.0)
    assert 0.8 < apart.low < 0.99
    assert all(0.02 < stratum.high < 0.2 for stratum in zeros.strata)


def test_no_limit_is_minus_zero() -> None:
    found, _ = figures(np.zeros(80), ["a", "b"] * 40, **SHARE)

    for row in found.disparities:
        assert [str(x) for x in (row.value, row.low) if x == 0] in ([], ["0.0"], ["0.0", "0.0"])
