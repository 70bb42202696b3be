"""Networks that learned a badge instead of a face, more and more: the audit sees it, and its report says so.

In training a badge goes with the label in 50 (not at all), 70, 90 and 100 of 100 pictures; in the probe set it sits on
every second picture, whoever is on it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import reports
from reports._together import TOPIC
from tests.support.badges import Planted, audited

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Planted]:
    pytest.importorskip("torch")
    return audited(tmp_path_factory.mktemp("badges"), seed=2, people=60)


def rising(values: Iterator[float]) -> bool:
    return all(low < high for low, high in itertools.pairwise(values))


def test_relevance_on_the_badge_rises_with_the_correlation(networks: list[Planted]) -> None:
    assert rising(n.cell("context_mass", "female", "yes") for n in networks)
    assert networks[0].cell("context_lift", "female", "yes") < 1
    assert networks[-1].cell("context_lift", "female", "yes") > 4


def test_right_answers_fall_where_the_badge_is_missing_and_where_it_misleads(networks: list[Planted]) -> None:
    """From 0.5 to 0.7 it moves less than one training differs from the next: the slow test below has the means."""
    for gender, badge in (("female", "no"), ("male", "yes")):
        assert rising(-n.cell("co_occurrence", gender, badge) for n in networks[1:])
        assert networks[0].cell("co_occurrence", gender, badge) > 0.8
        assert networks[-1].cell("co_occurrence", gender, badge) < 0.2


def test_the_map_of_a_misled_answer_lies_on_the_badge(networks: list[Planted]) -> None:
    assert networks[-1].cell("context_lift", "male", "yes", "wrong") > 4


def test_the_figures_are_those_of_the_table_of_items(networks: list[Planted]) -> None:
    """Counted again from the rows: right answers and the mean mass of each cell."""
    result = networks[2].result
    items = result.items
    mass = next(c for c in items if c.startswith("relevance_mass[") and "region=badge" in c and "decisions=all" in c)
    for gender, badge in itertools.product(("female", "male"), ("yes", "no")):
        cell = items[(items["attribute.gender"] == gender) & (items["attribute.badge"] == badge)]
        assert networks[2].cell("co_occurrence", gender, badge) == pytest.approx((cell.decision == gender).mean())
        np.testing.assert_allclose(networks[2].cell("context_mass", gender, badge), cell[mass].mean())


def said(planted: Planted) -> list[str]:
    """The findings that connect answers and map, as the summary has them."""
    summary = reports.render(planted.result, None, "md").decode("utf-8").partition("## Rates")[0]
    return [re.sub(r"\s+", " ", line) for line in summary.splitlines() if "may rely on it" in line]


def test_the_report_connects_answers_and_map_where_the_badge_is_taken_for_the_label(networks: list[Planted]) -> None:
    for planted in networks[2:]:
        sentence = said(planted)[0]
        less, more = (100 * planted.cell("co_occurrence", "female", badge) for badge in ("no", "yes"))
        assert "badge" in sentence
        assert re.search(rf"women are judged rightly {less:.1f} % of the time instead of {more:.4g}", sentence) or (
            "men are judged rightly" in sentence
        )
        assert re.search(r"\d+(\.\d+)? % of the map lies on the region “badge”", sentence)


def test_it_does_not_where_the_badge_means_nothing(networks: list[Planted]) -> None:
    plain = reports.render(networks[0].result, None, "html").decode("utf-8")

    assert said(networks[0]) == []
    assert "may rely on it" not in plain
    assert TOPIC in plain  # the table stands there all the same


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_is_so_whatever_the_seed(tmp_path: Path) -> None:
    runs = [audited(tmp_path / str(seed), seed=seed, people=90) for seed in range(10, 13)]
    mass = np.mean([[n.cell("context_mass", "female", "yes") for n in run] for run in runs], axis=0)
    sway = np.mean([[_sway(n) for n in run] for run in runs], axis=0)
    assert rising(iter(mass)), mass
    assert rising(iter(sway)), sway
    for gender, badge in (("female", "no"), ("male", "yes")):
        right = np.mean([[n.cell("co_occurrence", gender, badge) for n in run] for run in runs], axis=0)
        assert rising(iter(-right[1:])), right
    assert [bool(said(run[0])) for run in runs] == [False] * len(runs)
    assert [bool(said(run[-1])) for run in runs] == [True] * len(runs)


def _sway(planted: Planted) -> float:
    """By how much the badge moves answers toward women, whoever wears it: mean over the two genders."""
    toward = [
        planted.cell("co_occurrence", gender, with_it) - planted.cell("co_occurrence", gender, without)
        for gender, with_it, without in (("female", "yes", "no"), ("male", "no", "yes"))
    ]
    return float(np.mean(toward))
