"""The search for the worst-off group: it names what is planted, is quiet where nothing is, says how far it looked."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.analyses import worst_group
from audit.result import Measurement, attribute_name
from audit.statistics.multiplicity import holm
from tests.benchmarks.sim_worst_group import QUIET, rows
from tests.support.finished import finished, people, run


def searched(**table: Any) -> Measurement:
    found, _ = run("worst_group", finished(**table))
    return next(m for m in found if m.parameters["measure"] == "wrong_label_rate")


def planted(seed: int, group: dict[str, str], rate: float, *, subjects: int = 900) -> dict[str, Any]:
    """10 % of wrong answers, `rate` in one group."""
    table = people(seed, subjects=subjects)
    labels = table["labels"]
    names = {**table["attributes"], "gender": [table["classes"][k] for k in labels]}
    inside = np.logical_and.reduce([np.array(names[a]) == v for a, v in group.items()])
    wrong = np.random.default_rng(seed).random(len(labels)) < np.where(inside, rate, 0.1)
    return {**table, "decisions": np.where(wrong, 1 - labels, labels)}


@pytest.mark.parametrize(
    "group",
    [{"skin": "dark"}, {"skin": "dark", "gender": "female"}, {"skin": "dark", "age": "0-19", "gender": "male"}],
    ids=["one attribute", "two", "three"],
)
def test_a_planted_group_is_named_first_and_stands_out(group: dict[str, str]) -> None:
    found = searched(**planted(3, group, 0.45))
    first, against = found.by_group[0], found.disparities[0]

    assert dict(first.attributes) == group
    assert against.worst == first.attributes
    assert against.p_adjusted is not None
    assert against.p_adjusted < 0.001
    assert against.low is not None
    assert against.low > 0
    assert against.attribute == attribute_name(first.attributes)


def test_every_group_of_up_to_three_attributes_is_searched() -> None:
    table = people(1, subjects=900)
    names = {**table["attributes"], "gender": [table["classes"][k] for k in table["labels"]]}
    frame = pd.DataFrame(names)
    groups = sum(
        frame.groupby(list(names_of)).ngroups for size in (1, 2, 3) for names_of in itertools.combinations(names, size)
    )

    assert searched(**table).searched == groups  # 3 + 3 + 2 + 9 + 6 + 6 + 18


def test_holm_goes_over_all_that_were_searched_not_only_those_listed() -> None:
    found = searched(**planted(4, {"skin": "dark"}, 0.2))
    size = found.searched or 0
    first = found.disparities[0]

    assert size > len(found.disparities)
    assert first.p_adjusted == pytest.approx(min(1, size * (first.p_value or 0)))
    everything = [d.p_value for d in found.disparities] + [1.0] * (size - len(found.disparities))
    assert holm(np.array(everything))[0] == pytest.approx(first.p_adjusted)


def test_a_part_of_a_listed_group_is_listed_only_where_it_is_clearly_worse_still() -> None:
    table = planted(5, {"skin": "dark"}, 0.4)
    wrong = np.random.default_rng(0).random(len(table["labels"])) < 0.9
    inside = (np.array(table["attributes"]["skin"]) == "dark") & (np.array(table["attributes"]["age"]) == "40+")
    worse = {**table, "decisions": np.where(inside & wrong, 1 - table["labels"], table["decisions"])}
    plain = [dict(g.attributes) for g in searched(**table).by_group]
    within = [dict(g.attributes) for g in searched(**worse).by_group]

    assert plain[0] == {"skin": "dark"}
    assert {"skin": "dark", "age": "40+"} in within
    inner = [g for g in plain[1:] if g.get("skin") == "dark"]
    assert len(inner) <= 1  # the one with the highest rate is listed in any case


@pytest.mark.parametrize("subjects", [240, 900])
def test_a_rate_has_the_interval_that_the_record_has_of_the_same_group(subjects: int) -> None:
    """Whatever the record is grouped by: a report must not show one rate with two intervals."""
    table = planted(8, {"skin": "dark", "gender": "female"}, 0.35, subjects=subjects)
    every = [c for size in (1, 2, 3) for c in itertools.combinations((*table["attributes"], "gender"), size)]
    audit = finished(**table, groupings=every)
    recorded = {frozenset(g.attributes.items()): g for g in audit.find("wrong_label_rate").by_group}
    for found in (searched(**table), searched(**table, groupings=every)):
        for row in found.by_group:
            same = recorded[frozenset(row.attributes.items())]

            assert (row.value, row.n, row.subjects) == (pytest.approx(same.value), same.n, same.subjects)
            assert (row.low, row.high) == pytest.approx((same.low, same.high), abs=1e-12)


def test_the_highest_rate_is_listed_though_it_may_be_chance() -> None:
    table = planted(6, {"skin": "dark"}, 0.3)
    found = searched(**table)
    names = {**table["attributes"], "gender": [table["classes"][k] for k in table["labels"]]}
    frame = pd.DataFrame(names).assign(wrong=table["decisions"] != table["labels"], who=table["subjects"])
    highest = max(
        part["wrong"].mean()
        for size in (1, 2, 3)
        for names_of in itertools.combinations(names, size)
        for _, part in frame.groupby(list(names_of))
        if part["who"].nunique() >= 30
    )

    assert max(g.value or 0 for g in found.by_group) == pytest.approx(highest)


def test_the_same_pictures_under_two_names_are_one_group() -> None:
    table = people(1, subjects=600)
    twice = {**table["attributes"], "tone": [f"tone {s}" for s in table["attributes"]["skin"]]}

    assert searched(**{**table, "attributes": twice}).searched == searched(**table).searched


def test_small_groups_are_counted_not_searched() -> None:
    table = people(1, subjects=120)
    found, skipped = run("worst_group", finished(**table))
    wrong = next(s.reason for s in skipped if s.parameters["measure"] == "wrong_label_rate")

    assert found[0].searched is not None
    assert f"{47 - found[0].searched} of 47 groups were not searched" in wrong
    assert all(g.subjects >= 30 for g in found[0].by_group)


def test_people_without_a_stated_attribute_are_in_neither_side() -> None:
    table = planted(7, {"skin": "dark"}, 0.5)
    skin = [None if k % 4 == 0 else s for k, s in enumerate(table["attributes"]["skin"])]
    found = searched(**{**table, "attributes": {"skin": skin}})
    first = found.by_group[0]
    wrong = table["decisions"] != table["labels"]
    dark = np.array([s == "dark" for s in skin])
    other = np.array([s in ("medium", "light") for s in skin])

    assert dict(first.attributes) == {"skin": "dark"}
    assert found.disparities[0].value == pytest.approx(wrong[dark].mean() - wrong[other].mean())


def test_nobody_wrong_and_everybody_wrong_are_no_search() -> None:
    table = people(1)
    for decisions in (table["labels"], 1 - table["labels"]):
        found, skipped = run("worst_group", finished(**{**table, "decisions": decisions}))

        assert found == []
        assert "no group is worse off than another" in skipped[0].reason


def test_where_all_groups_have_the_same_rate_none_is_the_worst() -> None:
    """Every group has one wrong answer in two."""
    people_of = [f"p{k}" for k in range(240)]
    skin, labels = ["dark"] * 120 + ["light"] * 120, np.tile([0, 0, 1, 1], 60)
    wrong = np.tile([0, 1], 120)
    table = {**people(1), "labels": labels, "decisions": np.where(wrong, 1 - labels, labels), "subjects": people_of}
    scores = np.eye(2)[table["decisions"]]
    found, skipped = run("worst_group", finished(**{**table, "scores": scores, "attributes": {"skin": skin}}))

    assert found == []
    assert any("none has a higher rate than all others together" in one.reason for one in skipped)


def test_failures_are_searched_too() -> None:
    table = people(1, subjects=600)
    silent = (np.array(table["attributes"]["age"]) == "40+") & (np.random.default_rng(0).random(1200) < 0.2)
    found, _ = run("worst_group", finished(**{**table, "decisions": np.where(silent, -1, table["decisions"])}))
    failures = next(m for m in found if m.parameters["measure"] == "failure_rate")

    assert dict(failures.by_group[0].attributes) == {"age": "40+"}


def test_with_many_attributes_two_at_a_time_are_searched_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worst_group, "MOST", 40)
    found, skipped = run("worst_group", finished(**people(1, subjects=900)))

    assert {len(g.attributes) for m in found for g in m.by_group} <= {1, 2}
    assert any("groups of 3 attributes were not searched" in s.reason for s in skipped)


def test_of_runs_without_an_effect_at_most_one_in_twenty_names_a_group() -> None:
    quiet = [row for row in rows(160, 1) if row["claim"] == QUIET]

    assert sum(row["measured"] * row["runs"] for row in quiet) <= 0.05 * sum(row["runs"] for row in quiet) + 10
