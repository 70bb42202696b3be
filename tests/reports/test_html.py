from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest

import reports
from audit.result import AuditResult
from tests.support import results

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags in order, with a check that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@functools.cache
def faces() -> str:
    return page(results.faces())


def page(result: AuditResult) -> str:
    return reports.render(result, None, "html").decode()


@pytest.mark.parametrize("make", [results.faces, results.bare, results.digits, results.hostile])
def test_tags_nest(make: object) -> None:
    found = Page(page(make()))  # type: ignore[operator]

    assert (found.wrong, found.open) == ([], [])


def test_the_policy_forbids_everything_but_this_style_sheet() -> None:
    text = faces()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()  # type: ignore[index]

    assert f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:" in text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    found = Page(faces())
    names = {name for name, _ in found.tags}
    outside = [
        v
        for _, a in found.tags
        for k, v in a.items()
        if k in ("src", "href") and not (v or "").startswith(("#", "data:"))
    ]

    assert (names & {"script", "link", "iframe", "object", "form"}, outside) == (set(), [])


def test_no_style_attribute_and_no_event_handler() -> None:
    attributes = {k for _, a in Page(page(results.hostile())).tags for k in a}

    assert not {k for k in attributes if k == "style" or k.startswith("on")}


def test_names_are_text_wherever_they_stand() -> None:
    text = page(results.hostile())

    assert ("<script" in text, "<img" in text, "<b>" in text) == (False, False, False)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_control_characters_are_shown_and_chinese_is_kept() -> None:
    text = page(results.hostile())

    assert ("日本U+202E語" in text, "aU+0007bU+0000c" in text, "\x07" in text) == (True, True, False)


def test_headings_go_down_one_level_at_a_time() -> None:
    levels = [int(name[1]) for name, _ in Page(faces()).tags if re.fullmatch(r"h\d", name)]

    assert (levels[0], levels.count(1), all(b - a <= 1 for a, b in itertools.pairwise(levels))) == (
        1,
        1,
        True,
    )


def test_tables_have_captions_and_scopes() -> None:
    found = Page(faces())

    assert len(found.every("caption")) == len(found.every("table"))
    assert {a.get("scope") for a in found.every("th")} == {"col", "row"}


def test_links_of_the_page_lead_somewhere() -> None:
    found = Page(faces())
    ids = {a["id"] for _, a in found.tags if "id" in a}
    targets = {a["href"][1:] for a in found.every("a") if a["href"]}

    assert targets <= ids


def test_ids_are_unique() -> None:
    ids = [a["id"] for _, a in Page(faces()).tags if "id" in a]

    assert len(ids) == len(set(ids))


def test_pictures_say_in_words_what_they_show() -> None:
    drawn = Page(faces()).every("svg")

    assert drawn
    assert all(a.get("role") == "img" and a.get("aria-labelledby") for a in drawn)


def test_two_renderings_are_the_same_bytes() -> None:
    assert faces() == page(results.faces())


def test_two_runs_differ_only_where_the_run_is_printed() -> None:
    one = results.faces()
    other = dataclasses.replace(one, run={**one.run, "seconds": 99.9, "device": "cuda"})
    lines = [set(page(r).splitlines()) for r in (one, other)]

    assert len(lines[0] - lines[1]) == 3  # where it ran, the device again in the run's own block, the seconds
