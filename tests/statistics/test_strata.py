"""Differences standardized over strata: against a slow second implementation, and what must hold for any set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.statistics._quantiles import simultaneous
from tests.support.slow_strata import slow_within
from tests.support.strata import compared, within

FIGURES = ("value", "low", "high", "p_value", "comparable")


def table_quantile(alpha: float, groups: int, df: float) -> float:
    return float(simultaneous(alpha, groups, np.array([df]))[0])


def a_set(seed: int, *, proportion: bool, crossed: str = "", rate: float = 0.2) -> tuple[Any, ...]:
    """Values, groups, strata and subjects: subjects in one cell, or `crossed` over strata, groups or both."""
    rng = np.random.default_rng(seed)
    people = 160
    subjects = np.repeat(np.arange(people), rng.integers(1, 6, people))
    skin, light = rng.integers(0, 3, people)[subjects], rng.integers(0, 3, people)[subjects]
    if crossed in ("strata", "both"):
        light = rng.integers(0, 3, len(subjects))
    if crossed in ("groups", "both"):
        skin = rng.integers(0, 3, len(subjects))
    own = rng.random(people)[subjects]
    if proportion:
        values = (rng.random(len(subjects)) < rate * (0.5 + own) * (1 + light / 2)).astype(float)
    else:
        values = rng.gamma(1.0, 1.0 + own) * (1 + light)
    values[rng.random(len(subjects)) < 0.1] = np.nan
    names = np.array(["a", "b", "c"], dtype=object)
    strata = np.array(["x", "y", "z"], dtype=object)[light]
    strata[rng.random(len(subjects)) < 0.05] = None
    return values, names[skin].tolist(), strata.tolist(), subjects.tolist()


@pytest.mark.parametrize("crossed", ["", "strata", "groups", "both"], ids=lambda c: c or "one cell each")
@pytest.mark.parametrize("rate", [None, 0.01, 0.2], ids=["mean", "rare events", "events"])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_slow_oracle(crossed: str, rate: float | None, seed: int) -> None:
    values, skin, light, subjects = a_set(seed, proportion=rate is not None, crossed=crossed, rate=rate or 0.0)
    found = within(values, skin, light, subjects, min_subjects=12, proportion=rate is not None)
    expected = slow_within(
        values, skin, light, subjects, proportion=rate is not None, min_subjects=12, critical=table_quantile
    )

    assert [found.value, found.low, found.high, found.comparable] == pytest.approx(
        [expected.value, expected.low, expected.high, expected.comparable], rel=1e-9, abs=1e-12
    )
    assert found.p_value == pytest.approx(expected.p, rel=5e-4, abs=1e-6)


def test_means_that_can_be_zero_have_an_absolute_floor() -> None:
    values, skin, light, subjects = a_set(5, proportion=False)
    found = within(values, skin, light, subjects, min_subjects=12, proportion=False, non_negative=False)
    expected = slow_within(values, skin, light, subjects, proportion=False, relative=False, min_subjects=12)

    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_several_measures_with_different_evidence_are_each_their_own() -> None:
    values, skin, light, subjects = a_set(1, proportion=True)
    columns = np.column_stack([values, np.where(np.array(light) == "x", np.nan, values), np.full(len(values), np.nan)])
    (one, other, nothing), _ = compared(columns, skin, light, subjects, min_subjects=12)

    for measurement, column in ((one, columns[:, 0]), (other, columns[:, 1])):
        alone = within(column, skin, light, subjects, min_subjects=12)
        (found,) = measurement.within
        assert [getattr(found, f) for f in FIGURES] == pytest.approx([getattr(alone, f) for f in FIGURES])
        assert [s.attributes for s in found.strata] == [s.attributes for s in alone.strata]
    assert other.within[0].left_out == ({"light": "x"},)
    assert nothing.within == ()


@given(st.integers(0, 10**6), st.sampled_from(["", "strata", "groups", "both"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_doubling_reordering_and_renaming_change_nothing(seed: int, crossed: str, proportion: bool) -> None:
    values, skin, light, subjects = a_set(seed, proportion=proportion, crossed=crossed)
    plain = within(values, skin, light, subjects, min_subjects=10, proportion=proportion)
    twice = within(np.tile(values, 2), skin * 2, light * 2, subjects * 2, min_subjects=10, proportion=proportion)
    order = np.random.default_rng(seed).permutation(len(values))
    names = {"a": "z", "b": "y", "c": "x", None: None}
    turned = within(
        values[order],
        [names[skin[i]] for i in order],
        [light[i] for i in order],
        [f"s{subjects[i]}" for i in order],
        min_subjects=10,
        proportion=proportion,
    )

    for other in (twice, turned):
        assert [getattr(other, f) for f in FIGURES] == pytest.approx(
            [getattr(plain, f) for f in FIGURES], rel=1e-6, abs=1e-9
        )
        for one, again in zip(plain.strata, other.strata, strict=True):
            assert (again.value, again.low, again.high, again.p_value) == pytest.approx(
                (one.value, one.low, one.high, one.p_value), rel=1e-6, abs=1e-9
            )
            assert again.subjects == one.subjects
    assert turned.worst == (plain.worst and {"skin": names[plain.worst["skin"]]})


@pytest.mark.parametrize("proportion", [True, False])
def test_the_interval_holds_the_value_and_p_agrees_with_it(proportion: bool) -> None:
    for seed in range(20):
        values, skin, light, subjects = a_set(seed, proportion=proportion, crossed=["", "both"][seed % 2])
        found = within(values, skin, light, subjects, min_subjects=10, proportion=proportion)

        assert 0 <= found.low <= found.value <= found.high
        assert (found.low > 0) == (found.p_value < 0.05)


def test_strata_alone_allow_for_having_looked_at_all_of_them() -> None:
    values, skin, light, subjects = a_set(2, proportion=True)
    found = within(values, skin, light, subjects, min_subjects=10)
    strict = [s for s in found.strata if s.low is not None and s.low > 0]

    assert len(found.strata) == 3
    assert all((s.p_value < 0.05) == (s in strict) for s in found.strata)
    assert all(s.p_value <= 1 for s in found.strata)


@pytest.mark.parametrize("seed", [21, 26, 38])
def test_rates_of_one_stay_one_over_many_strata(seed: int) -> None:
    """Weights that add up to one but for rounding made more than 1 of them, and a root of less than 0."""
    rng = np.random.default_rng(seed)
    skin, light = rng.choice(["a", "b", "c"], 1200), rng.choice(list("abcdefghijklmnopqrstuvw"), 1200)
    values = np.where(skin != "c", 1.0, rng.random(1200) < 0.995)
    row = within(values, skin.tolist(), light.tolist(), proportion=True, min_subjects=5)

    assert row.low is not None
    assert row.high is not None
    assert row.low <= (row.value or 0) <= row.high < 0.1
