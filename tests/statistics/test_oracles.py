"""Other people's programs: Fairlearn for values, scipy and statsmodels for the inner functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.statistics.couples import Overlap
from audit.statistics.disparity import Pairs
from audit.statistics.estimates import Rates
from tests.support.figures import figures


def labels(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stated labels, decisions and groups of three sizes."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c"], 600, p=[0.6, 0.3, 0.1])
    stated = rng.integers(0, 2, 600)
    wrong = rng.random(600) < np.select([groups == "a", groups == "b"], [0.1, 0.2], 0.3)
    return stated, np.where(wrong, 1 - stated, stated), groups


@pytest.mark.parametrize("seed", range(3))
def test_values_are_fairlearns(seed: int) -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    stated, decided, groups = labels(seed)
    frame = fairlearn.MetricFrame(
        metrics=lambda y_true, y_pred: float(np.mean(y_true != y_pred)),
        y_true=stated,
        y_pred=decided,
        sensitive_features=pd.Series(groups, name="skin"),
    )
    found, _ = figures((stated != decided).astype(float), groups)

    assert {g.attributes["skin"]: g.value for g in found.groups("skin")} == pytest.approx(dict(frame.by_group))
    assert found.overall.value == pytest.approx(frame.overall)
    assert found.disparity("skin").value == pytest.approx(frame.difference())
    assert found.disparity("skin", "ratio").value == pytest.approx(frame.ratio())


def test_selection_rates_are_fairlearns_demographic_parity() -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    stated, decided, groups = labels(9)
    found, _ = figures(decided.astype(float), groups, better="none")
    given = {"y_true": stated, "y_pred": decided, "sensitive_features": groups}

    assert found.disparity("skin").value == pytest.approx(fairlearn.demographic_parity_difference(**given))
    assert found.disparity("skin", "ratio").value == pytest.approx(fairlearn.demographic_parity_ratio(**given))


@pytest.mark.parametrize("sizes", [(40, 40), (30, 90, 300), (35, 60, 60, 120, 31)])
def test_means_of_single_pictures_are_games_and_howells(sizes: tuple[int, ...]) -> None:
    """scipy has no floor under a group's variance, so all groups are given the same."""
    from scipy.stats import tukey_hsd

    rng = np.random.default_rng(len(sizes))
    samples = []
    for k, size in enumerate(sizes):
        raw = rng.gamma(2.0, 1.0, size)
        samples.append((raw - raw.mean()) / raw.std(ddof=1) + 5 + 0.3 * k)
    names = [f"g{k}" for k, size in enumerate(sizes) for _ in range(size)]
    found, _ = figures(np.concatenate(samples), names, proportion=False, non_negative=False)
    theirs = tukey_hsd(*samples, equal_var=False)
    interval = theirs.confidence_interval(0.95)

    for pair in found.pairs:
        i, j = int(pair.first["skin"][1:]), int(pair.second["skin"][1:])
        assert (pair.difference, pair.difference_low, pair.difference_high) == pytest.approx(
            (theirs.statistic[i, j], interval.low[i, j], interval.high[i, j]), rel=1e-3, abs=1e-4
        )
        assert pair.p_value == pytest.approx(theirs.pvalue[i, j], rel=5e-3, abs=1e-6)
    off = ~np.eye(len(sizes), dtype=bool)
    assert found.disparity("skin").p_value == pytest.approx(theirs.pvalue[off].min(), rel=5e-3)


@pytest.mark.parametrize(("events", "size"), [(0, 15), (3, 40), (200, 400), (39, 40), (40, 40)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_limits_of_one_rate_are_statsmodels_wilson(events: int, size: int, alpha: float) -> None:
    from scipy.stats import norm
    from statsmodels.stats.proportion import proportion_confint

    one = np.array([[events / size]])
    rates = Rates(value=one, kish=np.array([[size]]), size=np.array([[float(size)]]))
    low, high = rates.limits(np.array([[norm.isf(alpha / 2)]]))

    assert (low[0, 0], high[0, 0]) == pytest.approx(proportion_confint(events, size, alpha=alpha, method="wilson"))


@pytest.mark.parametrize(
    ("first", "second"),
    [((15, 100), (5, 80)), ((0, 40), (7, 40)), ((0, 30), (0, 50)), ((30, 30), (10, 90)), ((3, 2000), (30, 2000))],
)
def test_limits_of_a_pair_are_statsmodels_newcombe(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Two groups with so many degrees of freedom that Student's t is the normal."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    events, sizes = np.array([first[0], second[0]], dtype=float), np.array([first[1], second[1]], dtype=float)
    rates = Rates(value=(events / sizes)[:, None], kish=np.full((2, 1), 1e9), size=sizes[:, None])
    apart = Overlap(correlation=np.zeros((2, 2, 1)), shared=np.zeros((2, 2, 1), dtype=np.bool_))
    found = Pairs(rates, apart, 0.05).differences()
    theirs = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")

    assert (found.low[0, 0], found.high[0, 0]) == pytest.approx(theirs, abs=1e-6)
