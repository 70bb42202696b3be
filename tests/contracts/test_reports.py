"""Every report format keeps the contract: the same bytes for the same record, and no name in it does harm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

import pytest

from audit.result import AuditResult
from reports import REPORTS, Content, Format
from tests.support import results
from tests.support.fixtures import fixture_of

MAKERS = [results.faces, results.digits, results.bare, results.hostile]
Files = Mapping[str, bytes]


def _json(files: Files) -> None:
    for data in files.values():
        assert AuditResult.from_json(json.loads(data)).to_bytes() == data


def _xml(files: Files) -> None:
    for data in files.values():
        assert ET.fromstring(data).tag == "testsuites"


def _page(files: Files) -> None:
    text = b"".join(files.values())
    assert b"&lt;script&gt;alert(1)" in text
    assert b"<script>alert(1)" not in text
    assert b"<img src=x" not in text


def _markdown(files: Files) -> None:
    text = b"".join(files.values()).decode()
    assert r"\<script\>alert(1)" in text
    assert "<script>" not in text
    assert "| *b*" not in text


def _tables(files: Files) -> None:
    cells = [c for data in files.values() for row in csv.reader(io.StringIO(data.decode()), strict=True) for c in row]
    assert "'=1+1" in cells
    assert [c for c in cells if c.startswith(("=", "+", "@"))] == []


def _paper(files: Files) -> None:
    for data in files.values():
        assert data.startswith(b"%PDF-")
        assert not any(word in data for word in (b"/JavaScript", b"/Launch", b"/EmbeddedFile"))


# What a format's files of `results.hostile()` must withstand.
HARMLESS: dict[str, Callable[[Files], None]] = {
    "csv": _tables,
    "html": _page,
    "json": _json,
    "junit": _xml,
    "md": _markdown,
    "pdf": _paper,
}


@pytest.fixture(params=REPORTS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def form(name: str) -> Format:
    return REPORTS.get(name)


def content(make: Callable[[], AuditResult]) -> Content:
    return Content(make(), results.verdict() if make is results.faces else None)


@pytest.mark.parametrize("make", MAKERS)
def test_it_gives_the_same_files_twice_and_none_is_empty(form: Format, make: Callable[[], AuditResult]) -> None:
    first, second = form(content(make)), form(content(make))

    assert first
    assert all(isinstance(data, bytes) and data for data in first.values())
    assert dict(first) == dict(second)


def test_its_files_lie_inside_the_folder(form: Format) -> None:
    paths = [PurePosixPath(name) for name in form(content(results.hostile))]

    assert [path for path in paths if path.is_absolute() or ".." in path.parts or "\\" in str(path)] == []


def test_no_two_formats_write_the_same_file() -> None:
    files = [file for _, form in REPORTS.items() for file in form(content(results.bare))]

    assert sorted(set(files)) == sorted(files)


def test_a_record_is_left_as_it_was(form: Format) -> None:
    given = content(results.digits)
    form(given)

    assert given.result.to_json() == results.digits().to_json()


def test_hostile_names_do_no_harm(name: str, form: Format) -> None:
    check = fixture_of(
        name,
        HARMLESS,
        kind="report format",
        add="what its files of hostile names must withstand to HARMLESS in tests/contracts/test_reports.py",
    )
    check(form(content(results.hostile)))
