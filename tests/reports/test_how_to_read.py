"""How to read a report: one text for the report and the docs, and figures in it that can be had again."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import reports
from reports._document import Picture, Section, Text
from reports._how_to_read import how_to_read, page, statistics
from reports._reading import Reading
from tests.support import results

DOCS = Path(__file__).resolve().parents[2] / "docs"


def words(section: Section) -> str:
    return " ".join(b.text for s in section.every() for b in s.blocks if isinstance(b, Text))


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_how_to_read", DOCS / "draw_how_to_read.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_in_the_docs_is_the_reports_text() -> None:
    assert (DOCS / "how_to_read.md").read_text(encoding="utf-8") == page(), "run python docs/draw_how_to_read.py"


def test_every_picture_of_the_page_is_there_and_described() -> None:
    images = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", page())

    assert len(images) == 5
    assert all(len(alt) > 60 and (DOCS / file).is_file() for alt, file in images)


def test_the_report_explains_itself_in_plain_words() -> None:
    text = words(how_to_read(Reading(results.faces())))

    for said in ("inconclusive", "people", "95\u00a0% interval", "these can overlap", "adjusted p", "indicative"):
        assert said in text
    assert not re.search(r"[`{}#]|!\[", text)


def test_no_term_of_art_stands_in_the_text_for_readers() -> None:
    text = words(how_to_read(Reading(results.faces()))).casefold()

    for term in ("jackknife", "quantile", "degrees of freedom", "wilson", "null hypothesis", "heteroscedastic", "kish"):
        assert term not in text


def test_the_method_names_its_formulas() -> None:
    text = words(statistics(Reading(results.faces())))

    for name in ("Wilson", "Newcombe", "MOVER", "studentized range", "Holm", "Hochberg", "jackknife", "Kish", "Welch"):
        assert name in text


def test_the_text_speaks_of_the_runs_own_level() -> None:
    result = results.faces()
    other = dataclasses.replace(result, settings={**result.settings, "alpha": 0.1, "min_subjects": 12})
    text = words(how_to_read(Reading(other)))

    assert "the 90\u00a0% interval" in text
    assert "about 90 in 100" in text
    assert "Below 0.1 is rare" in text
    assert "fewer than 12 people" in text


def test_the_report_links_to_it_from_its_first_section() -> None:
    html = reports.render(results.faces(), None, "html").decode()

    assert '<a href="#reading">How to read this report: ' in html
    assert html.index('<a href="#reading">How to read this report: ') < html.index('id="tested"')
    assert b"/Link" in reports.render(results.faces(), None, "pdf")


def test_the_report_has_one_picture_of_it_and_says_that_it_is_an_example() -> None:
    pictures = [b for s in how_to_read(Reading(results.faces())).every() for b in s.blocks if isinstance(b, Picture)]

    assert [p.name for p in pictures] == ["verdicts"]
    assert "not a figure of this audit" in pictures[0].caption


def test_intervals_from_pictures_and_from_people_hold_what_the_text_says(drawing: ModuleType) -> None:
    said = re.search(
        r"made from pictures held the true rate (\d+) times in 100; made from people, as here, (\d+)", page()
    )
    held = [100 * drawing.held(*ends).mean() for ends in drawing.by_picture_and_by_person(1500)]

    assert said is not None
    assert held == pytest.approx([int(n) for n in said.groups()], abs=2.5)


def test_the_gap_of_groups_that_are_alike_is_what_the_text_says(drawing: ModuleType) -> None:
    said = re.search(r"the gap is typically (\d+) points", page())
    seen, low = drawing.gaps(1000)

    assert said is not None
    assert 100 * np.median(seen) == pytest.approx(int(said[1]), abs=0.5)
    assert seen.min() > 0
    assert (low == 0).mean() > 0.94


def test_about_one_in_twenty_comparisons_of_groups_that_are_alike_looks_clear(drawing: ModuleType) -> None:
    _, low, high = drawing.comparisons(2000)

    assert 0.03 < np.mean((low > 0) | (high < 0)) < 0.07


def test_the_drawings_are_the_scripts(drawing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written in them; their bytes may differ with the version of the library that draws."""
    monkeypatch.setattr(drawing, "PICTURES", tmp_path)
    folders = (tmp_path, DOCS / "images" / "how_to_read")
    for name, draw in (("intervals", drawing.draw_intervals), ("many", drawing.draw_many)):
        drawing.save(name, draw)
        made, kept = (re.findall(r">([^<>]+)</text>", (f / f"{name}.svg").read_text()) for f in folders)

        assert made == kept != []


def test_it_says_which_tests_take_no_room_and_which_stand_by_themselves() -> None:
    said = words(statistics(Reading(results.faces())))

    assert "A rate that is 0, or 1, over all pictures takes no room in its family" in said
    assert "Differences among pictures of like quality, which every run looks at unasked, are families of their" in said
