"""What must hold for any probe set: doubling, reordering and renaming change nothing; intervals hold their value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.result import Measurement
from audit.statistics._quantiles import simultaneous, tail
from tests.support.figures import figures
from tests.support.slow_statistics import slow

FIGURE = ("value", "low", "high")
POSSIBLE = {"difference": (0, math.inf), "ratio": (0, 1), "max_geomean": (1, math.inf), "gini": (0, 1)}


def table_quantile(alpha: float, groups: int, df: float) -> float:
    """The audit's own critical value, so that everything else can be compared exactly."""
    return float(simultaneous(alpha, groups, np.array([df]))[0])


def table_tail(critical: float, groups: int, df: float) -> float:
    return float(tail(np.array([critical]), groups, np.array([df]))[0])


@st.composite
def sets(draw: st.DrawFn) -> tuple[np.ndarray, list[str | None], list[int], bool]:
    """Values (0 or 1, or any), groups and subjects of a small probe set; some values don't count."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(2, 30))
    subjects = np.repeat(np.arange(people), rng.integers(1, draw(st.integers(2, 12)), people))
    names: list[str | None] = ["a", "b", "c", "d", None][: draw(st.integers(1, 5))]
    of_person = draw(st.booleans())
    codes = rng.integers(0, len(names), people)[subjects] if of_person else rng.integers(0, len(names), len(subjects))
    proportion = draw(st.booleans())
    rate = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    values = (rng.random(len(subjects)) < rate).astype(float) if proportion else rng.gamma(0.7, 2.0, len(subjects))
    values[rng.random(len(subjects)) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    return values, [names[c] for c in codes], subjects.tolist(), proportion


def all_figures(found: Measurement) -> list[float | None]:
    rows = [found.overall, *found.by_group, *found.disparities]
    flat = [getattr(row, name) for row in rows for name in FIGURE]
    flat += [row.p_value for row in found.disparities]
    for p in found.pairs:
        flat += [p.difference, p.difference_low, p.difference_high, p.ratio, p.ratio_low, p.ratio_high, p.p_value]
    return flat


def same(one: Measurement, other: Measurement) -> bool:
    return close(all_figures(one), all_figures(other))


def close(a: Sequence[float | None], b: Sequence[float | None]) -> bool:
    return len(a) == len(b) and all(
        x is y if x is None or y is None else x == pytest.approx(y, rel=1e-7, abs=1e-9)
        for x, y in zip(a, b, strict=True)
    )


def run(values: np.ndarray, groups: list[str | None], subjects: list[int], proportion: bool) -> Measurement:
    return figures(values, groups, subjects, proportion=proportion, min_subjects=3)[0]


@settings(max_examples=100, deadline=None)
@given(sets())
def test_figures_are_those_of_the_slow_implementation(probe) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects, proportion = probe
    found = run(*probe)
    expected = slow(
        values, groups, subjects, proportion=proportion, min_subjects=3, critical=table_quantile, tail=table_tail
    )

    for group in found.by_group:
        want = expected.groups[group.attributes["skin"]]
        assert close((group.value, group.low, group.high), (want.value, want.low, want.high))
    for gap in found.disparities:
        want_gap = getattr(expected, gap.kind)
        assert gap.descriptive is (expected.difference is None)
        if gap.descriptive or want_gap is None:  # no interval, or not even a value where groups are at 0
            assert (gap.low, gap.high) == (None, None)
        else:
            assert close((gap.value, gap.low, gap.high), want_gap)
        assert gap.descriptive or close((gap.p_value,), (expected.p,))


@settings(max_examples=60, deadline=None)
@given(sets())
def test_doubling_every_picture_changes_no_figure(probe) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects, proportion = probe
    doubled = run(np.tile(values, 2), groups * 2, subjects * 2, proportion)

    assert same(run(*probe), doubled)


@settings(max_examples=60, deadline=None)
@given(sets(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_figure(probe, random) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects, proportion = probe
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = run(values[order], [groups[i] for i in order], [subjects[i] for i in order], proportion)

    assert same(run(*probe), shuffled)


@settings(max_examples=60, deadline=None)
@given(sets())
def test_the_names_of_groups_and_people_change_no_gap(probe) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects, proportion = probe
    new = {"a": "z", "b": "y", "c": "x", "d": "w", None: None}
    renamed = run(values, [new[g] for g in groups], [-s for s in subjects], proportion)
    before = run(*probe)
    gaps = [(d.kind, d.value, d.low, d.high, d.p_value) for d in before.disparities]

    assert [(d.kind, d.value, d.low, d.high, d.p_value) for d in renamed.disparities] == [
        tuple(pytest.approx(x, rel=1e-7, abs=1e-9) if isinstance(x, float) else x for x in gap) for gap in gaps
    ]
    assert {new[g.attributes["skin"]]: pytest.approx(g.high) for g in before.by_group} == {
        g.attributes["skin"]: g.high for g in renamed.by_group
    }


@settings(max_examples=100, deadline=None)
@given(sets())
def test_every_interval_holds_its_value(probe) -> None:  # type: ignore[no-untyped-def]
    found = run(*probe)

    for row in (found.overall, *found.by_group, *found.disparities):
        if row.value is not None and row.low is not None:
            assert row.low <= row.value + 1e-12
            assert row.value <= row.high + 1e-12
    for gap in found.disparities:
        if gap.low is not None:
            least, most = POSSIBLE[gap.kind]
            assert gap.low >= least
            assert gap.high <= most


@settings(max_examples=60, deadline=None)
@given(sets())
def test_rates_stay_between_zero_and_one(probe) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects, proportion = probe
    found = run((values > 0.5) * 1.0 if not proportion else values, groups, subjects, proportion=True)

    gaps = [d for d in found.disparities if d.kind != "max_geomean"]
    for row in (found.overall, *found.by_group, *gaps):
        assert all(0 <= x <= 1 for x in (row.low, row.high) if x is not None)
