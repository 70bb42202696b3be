"""Who is taken for whom: counted again by hand, planted mistakes, and what is not listed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from tests.support.finished import finished, people, run

NAMES = ("cat", "dog", "owl")


def test_overall_shares_are_the_rows_of_the_confusion_matrix() -> None:
    table = people(4, classes=NAMES, label="animal")
    found, _ = run("confusion", finished(**table))
    matrix = confusion_matrix(table["labels"], table["decisions"], normalize="true")
    shares = {(m.parameters["label"], m.parameters["decision"]): m.overall.value for m in found}

    assert len(found) == 6
    for (label, decision), share in shares.items():
        assert share == pytest.approx(matrix[NAMES.index(label), NAMES.index(decision)])


def test_groups_are_counted_one_by_one() -> None:
    table = people(1)
    found, _ = run("confusion", finished(**table))
    called_men = next(m for m in found if m.parameters == {"label": "female", "decision": "male"})
    for group in called_men.groups("skin"):
        rows = [
            decision
            for label, decision, skin in zip(
                table["labels"], table["decisions"], table["attributes"]["skin"], strict=True
            )
            if label == 0 and skin == group.attributes["skin"]
        ]
        assert (group.n, group.value) == (len(rows), pytest.approx(sum(rows) / len(rows)))


def test_a_mistake_planted_in_one_group_is_found_there_and_only_there() -> None:
    table = people(2, subjects=600)
    labels, skin = table["labels"], np.array(table["attributes"]["skin"])
    rng = np.random.default_rng(0)
    mistaken = (labels == 0) & (rng.random(len(labels)) < np.where(skin == "dark", 0.4, 0.05))
    found, _ = run("confusion", finished(**{**table, "decisions": np.where(mistaken, 1, labels)}))
    by = {m.parameters["label"]: m for m in found}
    gap = by["female"].disparity("skin")

    assert gap is not None
    assert gap.clear
    assert gap.worst == {"skin": "dark"}
    assert by["male"].overall.value == 0
    assert not by["male"].disparity("skin").clear  # type: ignore[union-attr]


def test_without_an_effect_few_of_many_runs_are_clear() -> None:
    clear = 0
    for seed in range(60):
        found, _ = run("confusion", finished(**people(seed, subjects=200, groupings=[("skin",)])))
        clear += sum(d.clear for m in found for d in m.disparities)

    assert clear <= 12  # 120 comparisons at 5 %


def test_groups_made_from_the_label_are_skipped_once_with_the_reason() -> None:
    found, skipped = run("confusion", finished(**people(1, groupings=[("gender",), ("skin",), ("gender", "skin")])))

    assert {tuple(g.attributes) for m in found for g in m.by_group} == {("skin",)}
    assert sorted(s.attribute or "" for s in skipped) == ["gender", "gender*skin"]


def test_of_many_classes_the_most_frequent_mistakes_are_listed_and_the_rest_is_told() -> None:
    table = people(4, classes=tuple("abcdefghijkl"), label="letter", subjects=900)
    found, skipped = run("confusion", finished(**table))
    matrix = confusion_matrix(table["labels"], table["decisions"], labels=range(12))
    np.fill_diagonal(matrix, 0)
    most = np.sort(matrix.ravel())[::-1][:20]
    rows = {name: matrix[k].sum() for k, name in enumerate("abcdefghijkl")}
    told = next(s.reason for s in skipped if "most frequent" in s.reason)

    assert len(found) == 20
    listed = [m.overall.value * m.overall.n for m in found]  # type: ignore[operator]
    assert listed == pytest.approx(list(most))
    assert f"({sum(most)} of {sum(rows.values())} wrong answers)" in told


def test_a_label_that_nobody_has_is_told() -> None:
    table = people(4, classes=NAMES, label="animal")
    table = {**table, "labels": np.minimum(table["labels"], 1)}
    found, skipped = run("confusion", finished(**table))

    assert {m.parameters["label"] for m in found} == {"cat", "dog"}
    assert [dict(s.parameters) for s in skipped if s.parameters] == [{"label": "owl"}]


def test_the_wrong_label_rate_is_made_of_it() -> None:
    """Over the labels, the mistakes add up to the wrong answers that the measure counts."""
    given = finished(**people(3))
    found, _ = run("confusion", given)
    wrong = given.find("wrong_label_rate")

    assert wrong is not None
    made = sum((m.overall.value or 0) * m.overall.n for m in found)
    assert made == pytest.approx((wrong.overall.value or 0) * wrong.overall.n)
