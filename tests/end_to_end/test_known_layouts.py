"""Folders as face datasets are shipped, audited as they are with the demo's network."""

from __future__ import annotations

from pathlib import Path

import pytest

import audit
from tests.support import layouts


@pytest.fixture(scope="module")
def faces() -> list[layouts.Face]:
    """48 people in one picture each."""
    return layouts.drawn(subjects_per_cell=8)


@pytest.mark.parametrize("name", ["utkface", "fairface", "celeba", "lfw"])
def test_a_shipped_folder_is_audited_as_it_is(
    model: Path, faces: list[layouts.Face], tmp_path: Path, name: str
) -> None:
    result = audit.run_audit(model, probe=getattr(layouts, name)(tmp_path / "set", faces))
    table = result["wrong_label_rate"].by_group("gender")

    assert list(table.index) == ["female", "male"]
    assert result.probe["images"] == result.probe["subjects"] == 48
    assert result.probe["unreadable"] == 0
    assert result["wrong_label_rate"].overall.value < 0.3  # the labels are those of the pictures
