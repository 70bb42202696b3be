"""Each group against all others: the general comparison of two groups, done one group at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.statistics.against_rest import Contrasts, JeffreysRates, against_rest
from audit.statistics.couples import Overlap
from audit.statistics.disparity import Pairs
from audit.statistics.estimates import Rates
from tests.support.slow_statistics import slow, t_quantile


def drawn(seed: int, *, people: int = 90, pictures: int = 4, stays: bool = False) -> tuple[np.ndarray, ...]:
    """Codes, subjects and events; people take part in several groups unless each stays in one."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, pictures + 1, people))
    codes = (rng.integers(0, 4, people)[subjects] if stays else rng.integers(0, 4, len(subjects))).astype(np.int64)
    events = (rng.random(len(subjects)) < rng.beta(0.5, 2, people)[subjects]).astype(float)
    return codes, subjects, events


def simple(alpha: float, groups: int, df: float) -> float:
    return t_quantile(alpha, df)


@pytest.mark.parametrize("stays", [True, False], ids=["people in one group", "people in many groups"])
@pytest.mark.parametrize("seed", range(4))
def test_every_group_is_compared_as_two_groups_are(seed: int, stays: bool) -> None:
    """The slow comparison of two groups, but for the kind of limits: those are tested by themselves."""
    codes, subjects, events = drawn(seed, stays=stays)
    found = against_rest(codes, subjects, events, 4)
    sample = found.sample()
    wilsons = Rates(value=sample.value, kish=sample.kish, size=sample.size)
    overlap = Overlap(
        correlation=np.array([[np.zeros(4), found.correlation], [found.correlation, np.zeros(4)]]),
        shared=np.array([[np.zeros(4), found.shared], [found.shared, np.zeros(4)]]) > 0,
    )
    apart = Pairs(wilsons, overlap, 0.05).differences(together=False)
    for group in range(4):
        names = ["own" if c == group else "rest" for c in codes]
        slowly = slow(list(events), names, list(subjects), proportion=True, min_subjects=2, critical=simple)
        rows = [slowly.groups["own"], slowly.groups["rest"]]

        assert found.mean[:, group] == pytest.approx([r.value for r in rows])
        assert found.items[:, group].tolist() == [r.n for r in rows]
        assert found.subjects[:, group].tolist() == [r.subjects for r in rows]
        assert slowly.pairs["own", "rest"] == pytest.approx(
            (apart.value[0, group], apart.low[0, group], apart.high[0, group]), abs=1e-9
        )


def test_limits_are_jeffreys_at_the_effective_size() -> None:
    codes, subjects, events = drawn(1, pictures=1, stays=True)
    sample = against_rest(codes, subjects, events, 4).sample()
    found = jeffreys(sample)
    low, high = sample.limits(np.full((2, 4), stats.norm.isf(0.005)))

    for row, column in np.ndindex(2, 4):
        assert (low[row, column], high[row, column]) == pytest.approx(found[row][column], abs=1e-9)


def jeffreys(sample: JeffreysRates) -> list[list[tuple[float, float]]]:
    """99 % intervals by hand: sizes need not be whole."""
    return [
        [
            tuple(stats.beta.ppf((0.005, 0.995), n * p + 0.5, n * (1 - p) + 0.5))
            for n, p in zip(sizes, values, strict=True)
        ]
        for sizes, values in zip(sample.size.tolist(), sample.value.tolist(), strict=True)
    ]


def test_limits_far_out_hold_everything_and_never_nothing() -> None:
    values = np.array([[0.0, 0.02, 0.5, 1.0]])
    sample = JeffreysRates(value=values, kish=np.full((1, 4), 40.0), size=np.full((1, 4), 40.0))
    for critical in (1e-9, 1.0, 5.0, 13.0, 40.0, 1e12):
        low, high = sample.limits(np.full((1, 4), critical))

        assert (low >= 0).all()
        assert (low <= values).all()
        assert (values <= high).all()
        assert (high <= 1).all()
    assert (low.tolist(), high.tolist()) == ([[0, 0, 0, 0]], [[1, 1, 1, 1]])


@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_level_at_which_the_interval_reaches_zero(seed: int) -> None:
    codes, subjects, events = drawn(seed)
    found = against_rest(codes, subjects, events, 4)
    p = found.pairs(0.05).p_values()[0]
    # These limits stand a little apart from the value even at level 1, so that a tiny difference has a p of 1.
    below_1 = [(group, level) for group, level in enumerate(p.tolist()) if level < 0.99]

    assert below_1
    for group, level in below_1:
        apart = found.pairs(level).differences(together=False)
        assert min(abs(apart.low[0, group]), abs(apart.high[0, group])) == pytest.approx(0, abs=1e-6)


def test_memory_is_shared_out_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, subjects, events = drawn(7)
    whole = against_rest(codes, subjects, events, 4)
    monkeypatch.setattr("audit.statistics.against_rest._AT_ONCE", 1)
    parts = against_rest(codes, subjects, events, 4)

    for name in ("items", "subjects", "mean", "kish", "variance", "events", "correlation", "shared"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_a_rest_without_a_single_event_has_no_variance_left_by_rounding() -> None:
    subjects = np.repeat(np.arange(40), 3)
    codes = (subjects >= 20).astype(np.int64)
    events = np.where(codes == 0, (np.arange(120) % 7 == 0).astype(float), 0.0)
    found = against_rest(codes, subjects, events, 2)

    assert found.variance[1, 0] == 0
    assert found.variance[0, 1] == 0
    assert found.sample().size[1, 0] == pytest.approx(found.kish[1, 0])


def test_groups_can_be_taken_and_set_side_by_side() -> None:
    found = against_rest(*drawn(3), 4)
    again = Contrasts.side_by_side([found.take(np.array([0, 1])), found.take(np.array([2, 3]))])

    np.testing.assert_array_equal(again.pairs(0.05).p_values(), found.pairs(0.05).p_values())
