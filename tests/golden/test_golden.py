"""Whole outputs compared with ones that a person has read. To accept a change on purpose, copy the file that the
failure names over the golden one, and read the difference."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import reports
from tests.support import results

HERE = Path(__file__).parent
CASES = {
    "faces.md": (results.faces, "md"),
    "digits.md": (results.digits, "md"),
    "hostile.md": (results.hostile, "md"),
    "faces.junit.xml": (results.faces, "junit"),
    "digits.json": (results.digits, "json"),
}


@pytest.mark.parametrize("name", CASES)
def test_output_is_the_one_that_was_read(name: str, tmp_path: Path) -> None:
    make, form = CASES[name]
    result = dataclasses.replace(make(), verdict=results.verdict() if make is results.faces else None)
    actual = reports.render(result, None, form)
    kept = tmp_path / name
    kept.write_bytes(actual)

    assert actual.decode() == (HERE / name).read_text(encoding="utf-8"), f"the actual output is kept in {kept}"
