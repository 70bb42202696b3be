from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

import reports
from audit.errors import MachineError, UsageError
from reports import _files
from tests.support import results


def test_reports_are_files_for_their_owner_only(tmp_path: Path) -> None:
    written = reports.write(results.bare(), None, tmp_path / "out", formats=["html", "md", "csv"])

    assert [p.name for p in written][:2] == ["report.html", "summary.md"]
    assert {stat.S_IMODE(p.stat().st_mode) for p in written} == {0o600}
    assert sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file()) == sorted(p.name for p in written)


def test_a_full_disk_leaves_what_was_there_and_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.html").write_text("the old one")
    real = _files._temporary

    def full(target: Path, data: bytes) -> Path:
        if target.name == "summary.md":
            raise OSError(28, "No space left on device")
        return real(target, data)

    monkeypatch.setattr(_files, "_temporary", full)
    with pytest.raises(MachineError, match=r"summary\.md: can't write this file \(No space left on device\)"):
        reports.write(results.bare(), None, tmp_path, formats=["html", "md"])

    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"report.html": "the old one"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_write_that_fails_half_way_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", broken)
    with pytest.raises(MachineError, match="No space left"):
        reports.write(results.bare(), None, tmp_path, formats=["md"])

    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown report, got 'htm'.*html"):
        reports.write(results.bare(), None, tmp_path / "out", formats=["md", "htm"])

    assert not (tmp_path / "out").exists()


def test_a_format_of_several_files_points_to_write() -> None:
    with pytest.raises(UsageError, match=r"makes several files, got 'csv'.*Use reports\.write"):
        reports.render(results.bare(), None, "csv")


def test_the_folder_lists_the_formats() -> None:
    assert reports.REPORTS.names() == ("csv", "html", "json", "junit", "md", "pdf")


def test_the_record_own_verdict_is_shown_when_none_is_given() -> None:
    import dataclasses

    result = dataclasses.replace(results.bare(), verdict=results.verdict())

    assert "**Fail.**" in reports.render(result, None, "md").decode()


def test_listing_the_formats_loads_nothing_heavy() -> None:
    heavy = "{'matplotlib', 'jinja2', 'typst', 'pandas', 'numpy'}"
    code = f"import sys, reports; reports.REPORTS.names(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout.strip() == "set()"
