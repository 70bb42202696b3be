"""Co-occurrence: the table is what a slow count gives, a planted shortcut is found, and nothing where nothing is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from audit.analyses import analyze
from audit.result import Measurement
from tests.support.finished import finished, people, run
from tests.support.slow_co_occurrence import slow_table


def with_badge(
    seed: int, drop: float = 0.0, *, values: tuple[str | None, ...] = ("yes", "no"), subjects: int = 300
) -> dict[str, Any]:
    """People of whom half wear a badge. 10 % are misjudged, `drop` more of the women without it; of the map some lies
    on it where it is."""
    table = people(seed, subjects=subjects)
    rng = np.random.default_rng([seed, 5])
    badge = rng.choice(np.array(values, dtype=object), len(table["labels"]))
    women = table["labels"] == 0
    rate = 0.1 + drop * (women & (badge == "no"))
    decisions = np.where(rng.random(len(badge)) < rate, 1 - table["labels"], table["labels"])
    mass = np.where(badge == "yes", rng.beta(2, 20, len(badge)), np.nan)
    wrong = np.where(decisions != table["labels"], mass, np.nan)
    return {
        **table,
        "decisions": decisions,
        "attributes": {"badge": list(badge)},
        "focus": {
            ("relevance_mass", "badge", "all"): mass,
            ("relevance_mass", "badge", "wrong"): wrong,
            ("lift", "badge", "all"): mass / 0.02,
            ("lift", "badge", "wrong"): wrong / 0.02,
        },
    }


def measured(table: dict[str, Any]) -> dict[tuple[str, str], Measurement]:
    found, _ = run("co_occurrence", finished(**table))
    return {(m.measure, m.parameters.get("decisions", "")): m for m in found}


@pytest.mark.parametrize("values", [("yes", "no"), ("yes", "no", "hidden"), ("yes", "no", None)], ids=str)
def test_every_cell_is_what_counting_gives(values: tuple[str | None, ...]) -> None:
    table = with_badge(4, 0.2, values=values)
    table["decisions"] = np.where(np.arange(600) % 9 == 0, -1, table["decisions"])
    names = [["female", "male", None][k] for k in (0, 1, -1)]
    labels = [names[k] for k in table["labels"]]
    decisions = [None if k < 0 else names[k] for k in table["decisions"]]
    mass = table["focus"]["relevance_mass", "badge", "all"]
    slow = slow_table(labels, table["attributes"]["badge"], decisions, table["subjects"], mass)
    found = measured(table)

    right = found["co_occurrence", ""]
    cells = {(g.attributes["gender"], g.attributes["badge"]): g for g in right.by_group}
    assert {key for key in cells if None not in key} == set(slow)
    for key, cell in slow.items():
        assert (cells[key].n, cells[key].subjects) == (cell.images, cell.subjects)
        assert cells[key].value == pytest.approx(cell.right)
    for gap in right.disparities:
        worst = dict(gap.worst or {})
        assert gap.value == pytest.approx(slow[worst["gender"], worst["badge"]].drop)
        assert gap.value > 0
    for g in found["context_mass", "all"].by_group:
        cell = slow.get((g.attributes["gender"], g.attributes["badge"]))
        if cell is not None:
            assert (g.value is None) == math.isnan(cell.mass)
            assert g.value is None or g.value == pytest.approx(cell.mass)


def test_a_planted_shortcut_is_found_in_the_class_that_takes_it() -> None:
    gap = measured(with_badge(1, 0.25))["co_occurrence", ""].disparities[0]

    assert gap.worst == {"gender": "female", "badge": "no"}
    assert gap.best == {"gender": "female", "badge": "yes"}
    assert gap.p_adjusted is not None
    assert gap.p_adjusted < 0.001
    assert gap.clear


def test_the_lift_says_how_much_more_than_its_size_lies_on_it() -> None:
    lift = measured(with_badge(1))["context_lift", "all"]
    worn = next(g for g in lift.by_group if g.attributes == {"gender": "female", "badge": "yes"})

    assert worn.low is not None
    assert 1 < worn.low < (worn.value or 0)  # beta(2, 20) over 0.02: 4.5


def test_nothing_is_found_where_nothing_is() -> None:
    """Of 100 audits without an effect few say that something stands out: at most 5 are expected."""
    found = [measured(with_badge(100 + seed, subjects=150))["co_occurrence", ""] for seed in range(100)]

    assert sum(any((d.p_adjusted or 1) < 0.05 for d in m.disparities) for m in found) <= 10


def test_p_allows_for_every_class_and_value() -> None:
    two, three = (
        measured(with_badge(2, 0.15, values=v))["co_occurrence", ""] for v in [("yes", "no"), ("yes", "no", "hidden")]
    )

    assert (two.searched, three.searched) == (2, 6)
    first = three.disparities[0]
    assert first.p_adjusted == pytest.approx(min(1.0, 6 * (first.p_value or 0)))
    assert first.best is None  # against all other values together


def test_too_few_people_are_not_compared_and_that_is_said() -> None:
    found, skipped = run("co_occurrence", finished(**with_badge(1, 0.3, subjects=50)))

    assert found[0].disparities == ()
    assert all(g.value is not None for g in found[0].by_group)
    assert [s.reason for s in skipped] == ["no class has 30 subjects with one value of badge and 30 with another"]


def test_without_a_region_of_the_same_name_the_reason_says_what_to_write() -> None:
    table = {**with_badge(1), "focus": None}
    found, skipped = run("co_occurrence", finished(**table))

    assert found == []
    assert "region.badge" in skipped[0].reason
    assert "[probe.places]" in skipped[0].reason


def test_an_attribute_can_stand_in_a_region_of_another_name() -> None:
    table = with_badge(1, 0.25)
    table["focus"] = {(m, "corner", d): v for (m, _, d), v in table["focus"].items()}
    found = measured({**table, "places": {"badge": "corner"}})

    assert found["co_occurrence", ""].parameters == {"context": "badge"}
    assert found["context_mass", "all"].parameters["region"] == "corner"
    assert found["co_occurrence", ""].disparities[0].clear


def test_the_label_is_no_context_of_itself() -> None:
    table = with_badge(1)
    table["focus"] = {(m, "gender", d): v for (m, _, d), v in table["focus"].items()}

    assert run("co_occurrence", finished(**table))[0] == []


def test_of_very_many_classes_the_clearest_are_listed() -> None:
    table = people(1, subjects=900, classes=tuple(f"c{k:02}" for k in range(40)), label="letter")
    badge = np.random.default_rng(1).choice(["yes", "no"], len(table["labels"]))
    table["attributes"] = {"badge": badge.tolist()}
    column = np.where(badge == "yes", 0.1, np.nan)
    table["focus"] = {("relevance_mass", "badge", "all"): column, ("lift", "badge", "all"): column}
    right = measured({**table, "min_subjects": 5})["co_occurrence", ""]

    assert len(right.by_group) == 40  # two of each of 20 classes
    assert right.searched == 40


def test_analyses_say_it_with_the_others() -> None:
    names = {m.measure for m in analyze(finished(**with_badge(1)))[0]}

    assert {"co_occurrence", "context_mass", "context_lift", "worst_group"} <= names
