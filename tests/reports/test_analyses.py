"""What the reports say of the analyses: the worst-off group, who is taken for whom, scores, other thresholds."""

from __future__ import annotations

import dataclasses

import pytest

import reports
from audit.result import AuditResult
from reports._document import Picture, Section, Table
from reports._reading import Reading
from reports._view import view
from tests.support import results
from tests.support.analyzed import analyzed, misjudged
from tests.support.finished import people


@pytest.fixture(scope="module")
def found() -> AuditResult:
    return analyzed(**misjudged(positive=0))


@pytest.fixture(scope="module")
def nothing() -> AuditResult:
    return analyzed(**misjudged(0.1))


def section(result: AuditResult, name: str) -> Section:
    return next(s for s in view(result, None).sections if s.id == name)


def words(one: Section) -> str:
    return " ".join(getattr(b, "text", "") for b in one.blocks)


def tables(one: Section) -> list[Table]:
    return [b for b in one.blocks if isinstance(b, Table)]


def test_the_worst_off_group_is_named_in_a_sentence(found: AuditResult) -> None:
    said = words(section(found, "worst"))

    assert "women with dark skin are most surely worse off" in said
    assert "are given the wrong gender, against" in said
    assert "Even allowing for having looked at 47 groups, this stands out." in said


def test_of_groups_that_are_alike_none_is_said_to_stand_out(nothing: AuditResult) -> None:
    said = words(section(nothing, "worst"))
    levels = [f.level for f in view(nothing, None).sections[0].blocks if getattr(f, "topic", "") == "Worst-off group"]

    assert "none stands out, allowing for having looked at so many" in said
    assert "most surely worse off" not in said
    assert levels == ["none"]


def test_the_worst_off_group_is_one_finding(found: AuditResult) -> None:
    of_it = [f for f in view(found, None).sections[0].blocks if getattr(f, "topic", "") == "Worst-off group"]

    assert len(of_it) == 1
    assert any("women with dark skin are most surely" in h for h in reports.headlines(found))


def test_rates_of_the_rest_are_the_groups_less_the_difference(found: AuditResult) -> None:
    (table,) = tables(section(found, "worst"))
    first = [cell.text for cell in table.rows[0]]
    search = found.all("worst_group")[0]
    rate, gap = search.by_group[0].value or 0, search.disparities[0].value or 0

    assert first[:3] == ["Women with dark skin", f"{100 * rate:.1f}\u00a0%", f"{100 * (rate - gap):.1f}\u00a0%"]


def test_attributes_that_only_the_search_crossed_are_no_section_of_their_own(found: AuditResult) -> None:
    assert Reading(found).attributes == ("gender", "skin", "age")


def test_the_matrix_adds_up_and_groups_stand_beside_each_other(found: AuditResult) -> None:
    matrix, *by_group = tables(section(found, "confusion"))
    shares = [[float(c.text.removesuffix("\u00a0%")) for c in row[1:3]] for row in matrix.rows]

    assert [sum(row) for row in shares] == pytest.approx([100, 100], abs=0.11)
    assert by_group[0].caption == "Who is taken for whom by skin"
    assert [row[0].text for row in by_group[0].rows] == ["dark", "light", "medium"]
    assert by_group[-1].rows[0][0].text in ("female → male", "male → female")


def test_ten_classes_are_a_matrix_and_more_are_a_list() -> None:
    ten = analyzed(**people(4, classes=tuple("0123456789"), label="digit"))
    twelve = analyzed(**people(4, classes=tuple("abcdefghijkl"), label="letter", subjects=900))
    matrix = tables(section(ten, "confusion"))[0]
    listed = tables(section(twelve, "confusion"))[0]

    assert (len(matrix.rows), len(matrix.columns)) == (10, 12)
    assert "No mistake differs clearly between groups" in words(section(ten, "confusion"))
    assert listed.caption == "The most frequent mistakes"
    assert len(listed.rows) == 20


def test_surer_than_right_is_what_the_columns_differ_by(found: AuditResult) -> None:
    confidence = dataclasses.replace(
        next(m for m in found.measurements if m.measure == "calibration_error"), measure="confidence", parameters={}
    )
    with_confidence = dataclasses.replace(found, measurements=(*found.measurements, confidence))
    table = tables(section(with_confidence, "scores"))[0]
    share = [[float(c.text.split("\u00a0")[0]) for c in row[1:3]] for row in table.rows]
    points = [float(row[3].text.split()[0].replace("\u2212", "-")) for row in table.rows]

    assert points == pytest.approx([sure - right for sure, right in share], abs=0.11)


def test_curves_over_the_threshold_mark_the_operating_point(found: AuditResult) -> None:
    pictures = [b for b in section(found, "threshold").blocks if isinstance(b, Picture)]

    assert [p.name for p in pictures][:3] == [f"sweep-wrong-label-rate-{k}" for k in (1, 2, 3)]
    assert [p.name for p in pictures][3:] == [
        f"sweep-{rate}-1" for rate in ("selection-rate", "false-positive-rate", "false-negative-rate")
    ]
    assert all("At the operating point 0.5:" in p.alt for p in pictures)
    assert all("<svg" in p.svg and "0.5</text>" in p.svg for p in pictures)


def test_an_operating_point_that_is_not_known_is_not_drawn() -> None:
    table = misjudged()
    other = section(analyzed(**{**table, "scores": table["scores"][:, ::-1]}), "threshold")
    pictures = [b for b in other.blocks if isinstance(b, Picture)]

    assert "Which threshold the answers were given at is not known." in words(other)
    assert pictures
    assert all("operating point" not in p.alt + p.caption for p in pictures)


def test_a_record_without_analyses_has_none_of_these_sections() -> None:
    sections = {s.id for s in view(results.faces(), None).sections}

    assert sections & {"worst", "confusion", "scores", "threshold"} == set()


@pytest.mark.parametrize("format", ["html", "pdf", "md"])
def test_every_format_shows_them(found: AuditResult, format: str) -> None:  # noqa: A002
    assert len(reports.render(found, None, format)) > 1000


def test_names_that_would_be_markup_do_no_harm() -> None:
    table = people(7, classes=("<b>", "=1+1"), label="a|b", groupings=[("a|b",), ("skin",)], subjects=600)
    page = reports.render(analyzed(**table), None, "html").decode()

    assert "<b>" not in page
    assert len(reports.render(analyzed(**table), None, "pdf")) > 1000


def test_an_error_of_nought_does_not_read_like_a_finding(found: AuditResult) -> None:
    error = found["calibration_error"].measurement
    first, *rest = error.by_group
    nought = dataclasses.replace(error, by_group=(dataclasses.replace(first, value=0.0, low=0.0, high=0.04), *rest))
    measured = tuple(nought if m is error else m for m in found.measurements)
    every = tables(section(dataclasses.replace(found, measurements=measured), "scores"))
    cells = [row[4] for table in every for row in table.rows if row[4].text == "0\u00a0%"]

    assert [c.sub for c in cells] == ["not told from 0; 0 to 4.0\u00a0%"]
    assert ["Not told from 0: " in t.note for t in every].count(True) == 1
    assert not any("Not told from 0: " in t.note for t in tables(section(found, "scores")))
