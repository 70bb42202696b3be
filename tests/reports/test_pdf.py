from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

import reports
from reports._document import plain
from reports._view import view
from tests.support import results


@functools.cache
def faces() -> bytes:
    return reports.render(results.faces(), None, "pdf")


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} (poppler-utils) is not installed")


def text_of(data: bytes, folder: Path) -> str:
    path = folder / "report.pdf"
    path.write_bytes(data)
    done = subprocess.run([tool("pdftotext"), "-layout", path, "-"], capture_output=True, check=True, text=True)
    return done.stdout


@pytest.mark.parametrize("make", [results.faces, results.digits, results.bare, results.hostile])
def test_every_record_can_be_set_as_an_archival_tagged_file(make: object) -> None:
    data = reports.render(make(), None, "pdf")  # type: ignore[operator]

    assert (data[:5], b"/MarkInfo" in data, b"pdfaid" in data, b"pdfuaid" in data) == (b"%PDF-", True, True, True)


def test_two_settings_are_the_same_bytes() -> None:
    assert reports.render(results.digits(), None, "pdf") == reports.render(results.digits(), None, "pdf")


def test_a_record_without_a_date_can_be_set() -> None:
    assert reports.render(results.bare(), None, "pdf").startswith(b"%PDF-")


def test_the_file_is_tagged_and_dated_by_the_run(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(faces())
    command = [tool("pdfinfo"), "-isodates", tmp_path / "report.pdf"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert ("Tagged:          yes" in told, "2026-03-04T05:06:07" in told) == (True, True)


def test_the_pdf_says_what_the_page_says(tmp_path: Path) -> None:
    text = " ".join(text_of(faces(), tmp_path).split())
    titles = [s.title for s in view(results.faces(), None).sections]

    assert "Of the black women 19 in 100 are called men; of the black men 3 in 100 are called women." in text
    text = text[text.index("Contents") :]
    assert [text.find(t) for t in titles] == sorted(text.find(t) for t in titles)
    assert all(t in text for t in titles)


def test_markup_in_names_is_printed_as_it_stands(tmp_path: Path) -> None:
    text = text_of(reports.render(results.hostile(), None, "pdf"), tmp_path)

    assert '$x_1$ #image("/etc/passwd") | *b* [c](d)' in text


def test_what_the_fonts_lack_is_named_by_code_point(tmp_path: Path) -> None:
    text = text_of(reports.render(results.hostile(), None, "pdf"), tmp_path)

    assert ("U+65E5U+672CU+202EU+8A9E" in text, "aU+0007bU+0000c" in text) == (True, True)


def test_blocks_reach_the_template_with_their_kind() -> None:
    data = plain(view(results.faces(), None))
    kinds = {b["kind"] for s in data["sections"] for b in s["blocks"]}

    assert {"callout", "status", "finding", "table", "facts", "bullets", "text"} <= kinds


def test_a_long_plot_beside_its_table_is_left_to_the_page(tmp_path: Path) -> None:
    said = "Relevance mass by region and gender × race: share of the map inside the region"
    text = " ".join(text_of(faces(), tmp_path).split())

    assert said in reports.render(results.faces(), None, "html").decode()
    assert said not in text
    assert "Relevance mass by gender × race" in text


def test_a_short_table_is_not_parted(tmp_path: Path) -> None:
    """No page begins with the rest of a table of three or four groups: a header and its last row."""
    pages = text_of(faces(), tmp_path).split("\f")

    assert not any("all images" in line for page in pages for line in page.splitlines()[1:6])
