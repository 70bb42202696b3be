"""Whatever is registered keeps the contract of an analysis: a new file is tested the day it lands."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from audit._rows import measurement_of, plain
from audit.analyses import ANALYSES, Finished, analyze, crossed
from audit.result import Measurement, Skipped, attribute_name
from tests.analyses.test_co_occurrence import with_badge
from tests.support.finished import finished, people

PROMISED = {"auc", "calibration_error", "co_occurrence", "confusion", "threshold_sweep", "worst_group"}
GROUPINGS = [("gender",), ("skin",), ("age",), ("gender", "skin")]


def some_without_answer() -> dict[str, Any]:
    plain = people(3)
    none = np.arange(len(plain["labels"])) % 7 == 0
    scores = plain["scores"].copy()
    scores[none] = np.nan
    skin = [None if k % 11 == 0 else s for k, s in enumerate(plain["attributes"]["skin"])]
    labels = np.where(np.arange(len(none)) % 13 == 0, -1, plain["labels"])
    return {
        **plain,
        "labels": labels,
        "decisions": np.where(none, -1, plain["decisions"]),
        "scores": scores,
        "attributes": {**plain["attributes"], "skin": skin},
        "readable": np.arange(len(none)) % 17 != 0,
    }


def all_wrong() -> dict[str, Any]:
    plain = people(5)
    return {**plain, "decisions": 1 - plain["labels"]}


def one_label() -> dict[str, Any]:
    plain = people(6)
    return {**plain, "labels": np.zeros_like(plain["labels"])}


def alone() -> dict[str, Any]:
    plain = people(8, subjects=1, pictures=1)
    return {**plain, "groupings": [("skin",)]}


TABLES: dict[str, dict[str, Any]] = {
    "two classes": people(1, groupings=GROUPINGS),
    "with a positive class": people(2, positive=0, threshold=0.4, groupings=GROUPINGS),
    "missing in many ways": some_without_answer(),
    "ten classes": people(4, classes=tuple("0123456789"), label="digit"),
    "twelve classes": people(4, classes=tuple("abcdefghijkl"), label="letter", subjects=900),
    "decisions only": {**people(1), "scores": None},
    "nobody answers": {**people(1), "scores": None, "decisions": np.full(480, -1)},
    "no label is stated": {**people(1), "labels": np.full(480, -1)},
    "all right": {**people(1), "decisions": people(1)["labels"]},
    "all wrong": all_wrong(),
    "one label only": one_label(),
    "one class only": {
        **people(1), "classes": ("face",), "labels": np.zeros(480), "decisions": np.zeros(480),
        "scores": np.ones((480, 1)),
    },
    "one person": alone(),
    "always sure": {**people(9), "scores": np.eye(2)[people(9)["decisions"]]},
    "hostile names": people(7, classes=("<b>", "=1+1"), label="a*b", groupings=[("skin",), ("a*b", "age")]),
    "only intersections": people(2, groupings=[("gender", "skin", "age")]),
}  # fmt: skip

everywhere = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def rows(table: Finished) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    return analyze(table)


def as_json(found: object) -> str:
    return json.dumps(plain(found), allow_nan=False, sort_keys=True)


def test_the_folder_is_the_registry() -> None:
    assert set(ANALYSES.names()) >= PROMISED


@everywhere
def test_every_analysis_says_something(table: dict[str, Any]) -> None:
    measured, skipped = rows(finished(**table))

    assert {m.measure for m in measured} | {s.measure for s in skipped} >= PROMISED


@pytest.mark.parametrize("table", [*TABLES.values(), with_badge(3)], ids=[*TABLES, "a thing in the picture"])
def test_a_rule_can_name_whatever_is_measured(table: dict[str, Any]) -> None:
    measured, _ = rows(finished(**table))
    compared = {g.name for g in finished(**table).groupings}
    gone_beyond = {m.measure for m in measured if {attribute_name(g.attributes) for g in m.by_group} - compared}

    assert {m.measure for m in measured} <= {*ANALYSES.names(), *crossed()}
    assert gone_beyond <= crossed()


@everywhere
def test_the_record_can_hold_it_and_reads_it_back(table: dict[str, Any]) -> None:
    measured, _ = rows(finished(**table))

    assert [as_json(measurement_of(json.loads(as_json(m)))) for m in measured] == [as_json(m) for m in measured]


@everywhere
def test_names_and_parameters_are_unique(table: dict[str, Any]) -> None:
    columns = [m.column for m in rows(finished(**table))[0]]

    assert sorted(set(columns)) == sorted(columns)


@everywhere
def test_every_field_that_the_report_prints_is_filled(table: dict[str, Any]) -> None:
    fields = ("title", "unit", "definition", "formula", "source", "family")
    wanting = [(m.column, f) for m in rows(finished(**table))[0] for f in fields if not getattr(m, f).strip()]
    odd = [m.column for m in rows(finished(**table))[0] if m.better not in ("lower", "higher", "none")]

    assert (wanting, odd) == ([], [])


@everywhere
def test_a_measurement_reads_the_same_whatever_its_parameters(table: dict[str, Any]) -> None:
    said: dict[str, set[tuple[str, ...]]] = {}
    for m in rows(finished(**table))[0]:
        said.setdefault(m.measure, set()).add((m.title, m.unit, m.definition, m.formula, m.source))

    assert [name for name, texts in said.items() if len(texts) > 1] == []


@everywhere
def test_intervals_hold_their_values(table: dict[str, Any]) -> None:
    for m in rows(finished(**table))[0]:
        for e in (m.overall, *m.by_group, *m.disparities):
            assert (e.low is None) == (e.high is None)
            if e.value is not None and e.low is not None and e.high is not None:
                assert e.low - 1e-12 <= e.value <= e.high + 1e-12, (m.column, e)


@everywhere
def test_reasons_are_words(table: dict[str, Any]) -> None:
    assert all(s.reason.strip() and "nan" not in s.reason.casefold().split() for s in rows(finished(**table))[1])


@everywhere
def test_it_changes_nothing_that_it_was_given(table: dict[str, Any]) -> None:
    given = finished(**table)
    before = {f: np.copy(getattr(given, f)) for f in ("labels", "decisions", "scores", "subjects")}
    frame = given.table.copy()
    rows(given)

    for name, kept in before.items():
        np.testing.assert_array_equal(getattr(given, name), kept)
    assert given.table.equals(frame)


def taken(table: dict[str, Any], order: np.ndarray) -> dict[str, Any]:
    """The same table with rows in another order, or again and again."""
    changed = dict(table)
    for name in ("labels", "decisions", "scores", "readable"):
        if table.get(name) is not None:
            changed[name] = np.asarray(table[name])[order]
    changed["subjects"] = [table["subjects"][k] for k in order]
    changed["attributes"] = {n: [v[k] for k in order] for n, v in table["attributes"].items()}
    return changed


def close(one: Any, other: Any, without: tuple[str, ...] = ()) -> None:
    """The same rows, numbers within rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            if key not in without:
                close(one[key], other[key], without)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            close(a, b, without)
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-6, abs=1e-9)
    else:
        assert one == other


@everywhere
def test_the_order_of_the_rows_is_nothing(table: dict[str, Any]) -> None:
    order = np.random.default_rng(0).permutation(len(table["subjects"]))
    here, there = rows(finished(**table)), rows(finished(**taken(table, order)))

    close([plain(m) for m in here[0]], [plain(m) for m in there[0]])
    assert here[1] == there[1]


@everywhere
def test_every_image_twice_changes_no_figure(table: dict[str, Any]) -> None:
    twice = np.repeat(np.arange(len(table["subjects"])), 2)
    here, there = rows(finished(**table)), rows(finished(**taken(table, twice)))

    close([plain(m) for m in here[0]], [plain(m) for m in there[0]], without=("n",))


def test_other_names_of_groups_change_no_figure() -> None:
    plain = people(1, groupings=[("gender",), ("skin",), ("age",), ("gender", "skin")])
    other = {"dark": "z", "medium": "a", "light": "m"}
    renamed = {**plain, "attributes": {**plain["attributes"], "skin": [other[s] for s in plain["attributes"]["skin"]]}}
    here, _ = rows(finished(**plain))
    there, _ = rows(finished(**renamed))

    def figures(measured: tuple[Measurement, ...], names: dict[str, str]) -> set[str]:
        said = set()
        for m in measured:
            for g in m.by_group:
                key = {k: names.get(str(v), v) if k == "skin" else v for k, v in g.attributes.items()}
                said.add(f"{m.column} {key} {g.n} {g.subjects} {_short(g.value)} {_short(g.low)} {_short(g.high)}")
            for d in m.disparities:
                said.add(f"{m.column} {d.attribute} {d.kind} {_short(d.value)} {_short(d.low)} {_short(d.p_value)}")
        return said

    assert figures(here, other) == figures(there, {})


def _short(value: float | None) -> str:
    return "none" if value is None else f"{value + 0.0:.7f}".replace("-0.0000000", "0.0000000")


def test_an_analysis_is_a_function_of_its_table_alone() -> None:
    given = finished(**TABLES["with a positive class"])

    assert as_json(rows(given)[0]) == as_json(rows(dataclasses.replace(given))[0])
