from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import _numbers as numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(0.1946, "19.5\u00a0%", id="one decimal"),
        pytest.param(0.0, "0\u00a0%", id="exactly none"),
        pytest.param(0.0001, "<\u20090.1\u00a0%", id="hardly any is not none"),
        pytest.param(1.0, "100\u00a0%", id="exactly all"),
        pytest.param(0.9999, ">\u200999.9\u00a0%", id="nearly all is not all"),
    ],
)
def test_percentages_never_round_a_finding_away(value: float, shown: str) -> None:
    assert numbers.percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.83, "0.83"), (1.0, "1"), (0.0, "0"), (0.9973, "0.997"), (0.99999, ">\u20090.999"), (0.0001, "<\u20090.001")],
)
def test_ratios_say_one_and_zero_only_when_exact(value: float, shown: str) -> None:
    assert numbers.ratio(value) == shown


def test_a_ratio_that_nothing_bounds_is_no_row_of_digits() -> None:
    assert [numbers.ratio(value) for value in (999.6, 1000.0, 163964.99)] == ["999.60", "1000.00", ">\u20091,000"]


@given(st.floats(min_value=0, max_value=1))
def test_zero_and_hundred_percent_stand_only_for_zero_and_one(value: float) -> None:
    shown = numbers.percent(value)

    assert (shown == "0\u00a0%", shown == "100\u00a0%") == (value == 0, 100 * value == 100)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9, "0.900"),
        (104.2, "104"),
        (12.34, "12.3"),
        (98765, "98,765"),
        (0, "0"),
        (-3.14159, "−3.14"),
        (2e-6, "2.00e-06"),
    ],
)
def test_other_units_have_three_significant_digits(value: float, shown: str) -> None:
    assert numbers.significant(value) == shown


@pytest.mark.parametrize(
    ("shares", "shown"),
    [
        pytest.param((0.1946, 0.034), ("19 in 100", "3 in 100"), id="as people say it"),
        pytest.param((0.003, 0.2), ("fewer than 1 in 100", "20 in 100"), id="few are not none"),
        pytest.param((0.0, 1.0), ("none", "all"), id="none and all when exact"),
        pytest.param((0.999, 0.5), ("more than 99 in 100", "50 in 100"), id="most are not all"),
        pytest.param((0.0004, 0.003), ("fewer than 1 in 1,000", "3 in 1,000"), id="a finer scale tells them apart"),
        pytest.param((0.1, 0.1), ("10 in 100", "10 in 100"), id="equal shares look equal"),
    ],
)
def test_counts_in_a_hundred(shares: tuple[float, ...], shown: tuple[str, ...]) -> None:
    assert numbers.in_hundred(*shares) == shown


def test_an_interval_names_its_unit_once() -> None:
    assert numbers.interval(0.031, 0.08, "proportion") == "3.1 to 8.0\u00a0%"


def test_a_missing_number_is_a_dash_and_no_zero() -> None:
    assert (numbers.number(None, "proportion"), numbers.interval(None, 0.2, "proportion")) == ("–", "")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, "–"),
        (1.0, "1"),
        (0.9999, ">\u20090.99"),
        (0.85, "0.85"),
        (0.0996, "0.0996"),
        (0.04996, "0.0500"),
        (0.0029, "0.0029"),
        (1e-9, "<\u20090.0001"),
        (0.0, "<\u20090.0001"),
    ],
)
def test_p_is_never_rounded_to_nothing_or_to_one(value: float | None, printed: str) -> None:
    assert numbers.p(value) == printed
