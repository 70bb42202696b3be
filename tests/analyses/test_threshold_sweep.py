"""Rates over the threshold: counted by loops, the same as the measures at the operating point, small in the record."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from audit._rows import plain
from audit.analyses.threshold_sweep import STEPS
from audit.result import Measurement
from tests.support.finished import finished, people, run

RATES = ("wrong_label_rate", "selection_rate", "false_positive_rate", "false_negative_rate")


def swept(**table: Any) -> dict[tuple[str, str], Measurement]:
    found, _ = run("threshold_sweep", finished(**table))
    return {(m.parameters["rate"], m.parameters["threshold"]): m for m in found}


def test_every_rate_is_what_loops_count() -> None:
    table = people(1, positive=0)
    found = swept(**table)
    for threshold in (0.05, 0.3, 0.5, 0.95):
        rows = [
            (int(label), int(scores[1] >= threshold * sum(scores)), skin)
            for label, scores, skin in zip(table["labels"], table["scores"], table["attributes"]["skin"], strict=True)
        ]
        for skin in ("dark", "light"):
            here = [(label, answer) for label, answer, s in rows if s == skin]
            expected = {
                "wrong_label_rate": [label != answer for label, answer in here],
                "selection_rate": [answer == 0 for _, answer in here],
                "false_positive_rate": [answer == 0 for label, answer in here if label == 1],
                "false_negative_rate": [answer == 1 for label, answer in here if label == 0],
            }
            for rate, events in expected.items():
                group = next(g for g in found[rate, f"{threshold:g}"].groups("skin") if g.attributes["skin"] == skin)
                assert (group.n, group.value) == (len(events), pytest.approx(np.mean(events)))


@pytest.mark.parametrize("threshold", [0.5, 0.37])
def test_the_operating_point_is_marked_and_gives_the_measures_own_figures(threshold: float) -> None:
    table = people(2, positive=1, threshold=threshold)
    second = table["scores"][:, 1] >= threshold * table["scores"].sum(axis=1)
    given = finished(**{**table, "decisions": second.astype(int)})
    found, _ = run("threshold_sweep", given)
    here = {m.parameters["rate"]: m for m in found if m.parameters.get("operating_point")}

    assert tuple(here) == RATES
    assert {m.parameters["threshold"] for m in here.values()} == {f"{threshold:g}"}
    for rate, measurement in here.items():
        measured = given.find(rate)
        assert measured is not None
        assert measurement.overall == measured.overall
        assert measurement.groups("skin") == measured.groups("skin")
    assert len({m.parameters["threshold"] for m in found}) == len({*STEPS, threshold})


def test_without_a_positive_class_there_are_wrong_labels_only() -> None:
    assert {rate for rate, _ in swept(**people(1))} == {"wrong_label_rate"}


def test_selecting_falls_as_the_threshold_of_the_positive_class_rises() -> None:
    found = swept(**people(1, positive=1))
    rates = [found["selection_rate", f"{t:g}"].overall.value or 0 for t in STEPS]

    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.8 > 0.2 > rates[-1]


def test_conditional_rates_are_not_given_for_groups_of_the_label() -> None:
    found = swept(**people(1, positive=1, groupings=[("gender",), ("skin",), ("gender", "skin")]))

    assert {tuple(g.attributes) for g in found["selection_rate", "0.5"].by_group} == {("skin",)}
    assert {tuple(g.attributes) for g in found["wrong_label_rate", "0.5"].by_group} == {
        ("gender",), ("skin",), ("gender", "skin")
    }  # fmt: skip


def test_attributes_of_many_groups_are_left_out_of_the_record() -> None:
    table = people(1)
    table["attributes"]["town"] = [f"t{k // 2 % 13}" for k in range(480)]
    found = swept(**table)

    assert {tuple(g.attributes) for g in found["wrong_label_rate", "0.5"].by_group} == {
        ("gender",),
        ("skin",),
        ("age",),
    }


def test_abstentions_stay_without_an_answer() -> None:
    table = people(1)
    silent = np.arange(480) % 4 == 0
    found = swept(**{**table, "decisions": np.where(silent, -1, table["decisions"])})

    assert {m.overall.n for m in found.values()} == {360}


def test_it_stays_small_in_the_record() -> None:
    """Five attributes of five groups and a positive class: less than 400 KB."""
    table = people(1, positive=1)
    for k in range(5):
        table["attributes"][f"a{k}"] = [f"v{(i // 2 + k * i // 14) % 5}" for i in range(480)]
    del table["attributes"]["skin"], table["attributes"]["age"]
    found, _ = run("threshold_sweep", finished(**table, groupings=[(f"a{k}",) for k in range(5)]))

    assert len(json.dumps([plain(m) for m in found])) < 400_000


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (people(4, classes=("cat", "dog", "owl"), label="animal"), "two classes; this one has 3"),
        ({**people(1), "scores": None}, "no picture has scores"),
        ({**people(1), "labels": np.full(480, -1)}, "stated label"),
    ],
    ids=["three classes", "decisions only", "no labels"],
)
def test_what_can_not_be_had_is_said(changed: dict[str, Any], words: str) -> None:
    found, skipped = run("threshold_sweep", finished(**changed))

    assert found == []
    assert words in skipped[0].reason
