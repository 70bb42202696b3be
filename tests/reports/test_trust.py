"""What the report says of the maps: beside every finding about focus, at the head of its section, check by check."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import reports
from audit.result import AuditResult, Skipped, Trust
from reports._view import view
from tests.support import results

SUPPORTED = results.trust()
SURVIVES = results.trust(0.9)
BEATS_NOTHING = results.trust(0.16, 0.0, -0.01, wide=0.015)
OPEN = results.trust(0.3, 0.02, 0.01, wide=0.3)


def faces(trust: Trust | None, **more: Any) -> AuditResult:
    return dataclasses.replace(results.faces(), trust=trust, **more)


def finding(result: AuditResult) -> Any:
    summary = view(result, None).sections[0]
    return next(b for b in summary.blocks if b.kind == "finding" and b.topic == "Focus")


def section(result: AuditResult, name: str) -> Any:
    return next((s for s in view(result, None).sections if s.id == name), None)


def words(blocks: Any) -> str:
    return " ".join(getattr(b, "text", "") or " ".join(getattr(b, "items", ())) for b in blocks)


def test_a_supported_map_is_named_beside_the_finding_and_the_finding_stays_as_it_was() -> None:
    told, before = finding(faces(SUPPORTED)), finding(faces(None))

    assert (told.level, told.sentence) == ("clear", before.sentence)
    assert "The map is supported" in told.details[-1]


@pytest.mark.parametrize("trust", [SURVIVES, BEATS_NOTHING], ids=["survives randomization", "beats no random order"])
def test_a_finding_whose_map_fails_stands_as_not_supported_by_the_map(trust: Trust) -> None:
    told = finding(faces(trust))

    assert trust.state == "not supported"
    assert told.level == "caution"
    assert told.sentence.startswith("Not supported by the map: where the model looks differs")
    assert trust.because in told.details[0]
    assert "Not supported by the map" in [b.title for b in section(faces(trust), "focus").blocks if b.kind == "callout"]


def test_an_open_question_is_said_as_one() -> None:
    told = finding(faces(OPEN))

    assert OPEN.state == "inconclusive"
    assert told.level == "clear"
    assert "inconclusive" in told.details[-1]
    assert "inconclusive" in words(section(faces(OPEN), "focus").blocks)


def test_what_was_not_checked_is_said_with_its_reason() -> None:
    off = faces(None)
    skipped = faces(None, skipped=(Skipped(measure="trust", reason="only 3 people have a picture with a map"),))

    assert "was not checked" in finding(off).details[-1]
    assert "only 3 people" in finding(skipped).details[-1]
    assert section(off, "trust") is None


def test_the_section_has_every_check_with_its_figure_and_state() -> None:
    shown = section(faces(SUPPORTED), "trust")
    checks, levels = (b for b in shown.blocks if b.kind == "table")

    assert shown.title == "Can the map be trusted?"
    assert [row[2].text for row in checks.rows] == ["Supported"] * 3
    assert [row[1].text for row in checks.rows] == ["likeness 0.16", "8.1 points", "9.2 points"]
    assert checks.rows[0][1].sub == "0.11 to 0.21"
    assert [[cell.text for cell in row[1:]] for row in levels.rows] == [
        ["0.33", "0.08"],
        ["0.24", "0.06"],
        ["0.16", "0.04"],
    ]
    assert "maps of 49 cells that have nothing to do with each other have about 0.12" in checks.note
    assert [row[0].text for row in levels.rows] == ["the last one of 31", "the last 16 of 31", "all 31"]
    assert [b.kind for b in shown.blocks].count("picture") == 1


def test_weights_that_can_not_be_changed_are_told_with_the_reason() -> None:
    trust = SUPPORTED.check("randomization")
    assert trust is not None
    without = dataclasses.replace(trust, estimate=None, state="inconclusive", reason="the file holds no weights")
    result = faces(dataclasses.replace(SUPPORTED, levels=(), checks=(without, *SUPPORTED.checks[1:])))
    checks = next(b for b in section(result, "trust").blocks if b.kind == "table")

    assert (checks.rows[0][1].text, checks.rows[0][1].sub) == ("could not be had", "the file holds no weights")


def test_pictures_without_a_map_of_other_weights_are_counted_apart() -> None:
    levels = [dataclasses.replace(level, blank=blank) for level, blank in zip(SUPPORTED.levels, (0, 1, 4), strict=True)]
    result = faces(dataclasses.replace(SUPPORTED, levels=tuple(levels)))
    shown = [b for b in section(result, "trust").blocks if b.kind == "table"][1]

    assert [row[0].sub for row in shown.rows] == [
        "",
        "1 picture without a map does not count",
        "4 pictures without a map do not count",
    ]


@pytest.mark.parametrize("form", ["html", "pdf", "md"])
@pytest.mark.parametrize("trust", [SUPPORTED, SURVIVES, OPEN, None], ids=["supported", "not", "open", "off"])
def test_every_format_can_show_it(form: str, trust: Trust | None) -> None:
    rendered = reports.render(faces(trust), None, form)

    assert rendered
    if form != "pdf":
        assert ("Can the map be trusted" in rendered.decode()) == (trust is not None)


def test_the_record_keeps_it() -> None:
    for trust in (SUPPORTED, SURVIVES, None):
        result = faces(trust)
        assert AuditResult.from_json(result.to_json()).trust == trust
