"""Areas under the curve: scikit-learn, the jackknife done the long way, planted differences and none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from audit.analyses.auc import pairs_in_order
from tests.support import slow_analyses
from tests.support.finished import finished, people, run


def measured(**table: object):  # type: ignore[no-untyped-def]
    found, skipped = run("auc", finished(**table))  # type: ignore[arg-type]
    assert len(found) == 1
    return found[0], skipped


def test_two_classes_agree_with_scikit_learn_in_every_group() -> None:
    table = people(1)
    found, _ = measured(**table)
    skin = np.array(table["attributes"]["skin"])

    assert found.overall.value == pytest.approx(roc_auc_score(table["labels"], table["scores"][:, 1]), abs=1e-12)
    for group in found.groups("skin"):
        rows = skin == group.attributes["skin"]
        assert group.value == pytest.approx(roc_auc_score(table["labels"][rows], table["scores"][rows, 1]), abs=1e-12)


def test_ties_count_half_as_in_scikit_learn() -> None:
    table = people(2)
    coarse = np.round(table["scores"][:, 1] * 8) / 8
    found, _ = measured(**{**table, "scores": np.stack([1 - coarse, coarse], axis=1)})

    assert found.overall.value == pytest.approx(roc_auc_score(table["labels"], coarse), abs=1e-12)


def test_several_classes_are_the_mean_of_each_against_all_others() -> None:
    table = people(4, classes=("cat", "dog", "owl"), label="animal")
    found, _ = measured(**table)
    expected = roc_auc_score(table["labels"], table["scores"], multi_class="ovr", average="macro")

    assert found.overall.value == pytest.approx(expected, abs=1e-12)


def test_pairs_are_counted_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    codes, scores, positive = rng.integers(0, 3, 60), rng.integers(0, 5, 60) / 4.0, rng.random(60) < 0.4
    slow = [
        sum(
            (0.5 if scores[i] == scores[j] else float((scores[i] > scores[j]) == positive[i]))
            for j in range(60)
            if codes[i] == codes[j] and positive[i] != positive[j]
        )
        for i in range(60)
    ]

    assert pairs_in_order(codes, scores, positive).tolist() == slow


def test_no_item_has_no_pair() -> None:
    nothing = np.zeros(0)

    assert pairs_in_order(nothing.astype(np.int64), nothing, nothing.astype(bool)).shape == (0,)


@pytest.mark.parametrize("mixed", [False, True], ids=["one label a subject", "both labels of a subject"])
def test_interval_is_wilsons_at_the_size_that_the_long_jackknife_gives(mixed: bool) -> None:
    table = people(5, subjects=60, pictures=3, groupings=[])
    if mixed:
        table["labels"] = np.random.default_rng(1).integers(0, 2, len(table["labels"]))
    rows = list(zip(table["labels"] == 1, table["scores"][:, 1], strict=True))
    variance = slow_analyses.jackknife_variance(rows, table["subjects"], slow_analyses.area)
    found, _ = measured(**table)
    p = found.overall.value
    assert p is not None
    kish = min(_kish(table["subjects"], table["labels"] == side) for side in (0, 1))
    own, alike = len(rows) * variance / (p * (1 - p)), len(rows) / kish
    behind = slow_analyses.people_behind(rows, table["subjects"])
    lean = min(1.0, (5 / behind) ** 4)  # few people: pictures count as all alike
    n = len(rows) / (own + lean * max(0.0, alike - own))
    c = stats.t.isf(0.025, kish - 1)
    half = c * np.sqrt(p * (1 - p) / n + c * c / (4 * n * n)) / (1 + c * c / n)
    middle = (p + c * c / (2 * n)) / (1 + c * c / n)

    assert (found.overall.low, found.overall.high) == pytest.approx((middle - half, middle + half), rel=1e-9)


def _kish(subjects: list[str], rows: np.ndarray) -> float:
    _, counts = np.unique(np.array(subjects)[rows], return_counts=True)
    return float(counts.sum() ** 2 / (counts**2).sum())


def test_perfect_order_is_no_certainty() -> None:
    table = people(1, subjects=40, pictures=1, groupings=[])
    right = np.where(table["labels"] == 1, 0.9, 0.1)
    found, _ = measured(**{**table, "scores": np.stack([1 - right, right], axis=1)})

    assert found.overall.value == 1
    assert found.overall.high == 1
    assert found.overall.low is not None
    assert 0.75 < found.overall.low < 0.85  # as of 15 to 20 out of as many


def test_the_two_classes_may_change_places() -> None:
    table = people(3)
    found, _ = measured(**table)
    turned, _ = measured(**{**table, "labels": 1 - table["labels"], "scores": table["scores"][:, ::-1]})

    assert turned.overall == found.overall


def test_scores_that_do_not_add_up_to_1_are_read_as_the_decision_reads_them() -> None:
    table = people(3)
    scaled = table["scores"] * np.random.default_rng(0).uniform(0.3, 1.0, (len(table["labels"]), 1))

    assert measured(**{**table, "scores": scaled})[0].overall.value == pytest.approx(
        measured(**table)[0].overall.value, abs=1e-12
    )


def test_a_planted_difference_is_found() -> None:
    table = people(6, subjects=600, groupings=[("skin",)])
    blurred = (np.array(table["attributes"]["skin"]) == "dark") & (np.arange(1200) // 2 % 2 == 0)
    scores = table["scores"].copy()
    scores[blurred] = np.random.default_rng(0).dirichlet([1, 1], int(blurred.sum()))
    found, _ = measured(**{**table, "scores": scores})
    gap = found.disparity("skin")

    assert gap is not None
    assert gap.clear
    assert gap.worst == {"skin": "dark"}


def test_without_an_effect_few_runs_are_clear_though_groups_are_small_and_unequal() -> None:
    clear, covered, runs = 0, 0, 120
    truth = float(stats.norm.cdf(1.5))  # the difference of two logits shifted by 1.5 each way
    for seed in range(runs):
        table = people(seed, subjects=220, pictures=2, groupings=[("skin",)])
        skin = ["small" if k < 80 else "large" for k in range(440)]
        found, _ = measured(**{**table, "attributes": {"skin": skin}})
        gap = found.disparity("skin")
        clear += gap is not None and gap.clear
        low, high = found.overall.low, found.overall.high
        covered += low is not None and high is not None and low <= truth <= high

    assert clear <= 13  # 5 % of 120 and three standard errors
    assert covered >= 104


def test_groups_of_the_label_are_skipped_and_a_group_with_one_label_is_null_and_named() -> None:
    table = people(1, groupings=[("gender",), ("skin",)])
    skin = np.array(table["attributes"]["skin"])
    labels = np.where(skin == "dark", 0, table["labels"])
    found, skipped = measured(**{**table, "labels": labels})
    values = {g.attributes["skin"]: g.value for g in found.groups("skin")}

    assert values["dark"] is None
    assert values["light"] is not None
    assert found.disparity("skin").left_out == ({"skin": "dark"},)  # type: ignore[union-attr]
    assert [s.attribute for s in skipped] == ["gender", "skin"]
    assert skipped[1].reason.endswith("nothing to tell apart in them: dark")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"scores": None}, "scores"),
        ({"labels": np.full(480, -1)}, "label"),
        ({"labels": np.zeros(480)}, "labeled male"),
    ],
    ids=["decisions only", "no labels", "one label only"],
)
def test_what_is_missing_is_said(changed: dict[str, object], words: str) -> None:
    found, skipped = run("auc", finished(**{**people(1), **changed}))

    assert found == []
    assert words in skipped[0].reason


def test_too_many_classes_are_skipped() -> None:
    table = people(1, classes=tuple(f"c{k:02}" for k in range(21)), label="kind")
    found, skipped = run("auc", finished(**table))

    assert found == []
    assert "21 classes" in skipped[0].reason
