"""The folder is the list: one added file is enough."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from audit.errors import ExitStatus, UsageError
from audit.registry import Registry


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "shelf_of_things"
    folder.mkdir()
    (folder / "__init__.py").write_text("from audit.registry import Registry\nTHINGS = Registry(__name__, 'thing')\n")
    (folder / "cup.py").write_text("from shelf_of_things import THINGS\nTHINGS.add('cup', 'a cup')\n")
    (folder / "_helper.py").write_text("raise RuntimeError('private files are no plug-ins')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "shelf_of_things"
    for name in [n for n in sys.modules if n.startswith("shelf_of_things")]:
        del sys.modules[name]


def test_an_added_file_is_a_plugin_and_a_private_file_is_not(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "plate.py").write_text("from shelf_of_things import THINGS\nTHINGS.add('plate', 'a plate')\n")
    things: Registry[str] = importlib.import_module(package).THINGS

    assert things.names() == ("cup", "plate")


def test_a_mistyped_name_gets_the_nearest_one(package: str) -> None:
    things: Registry[str] = importlib.import_module(package).THINGS

    with pytest.raises(UsageError, match=r"unknown thing, got 'cap'. Allowed: cup. Did you mean cup\?") as caught:
        things.get("cap")
    assert caught.value.status is ExitStatus.USAGE


def test_two_plugins_of_one_name_are_refused(package: str) -> None:
    things: Registry[str] = importlib.import_module(package).THINGS
    things.names()

    with pytest.raises(UsageError, match="two plug-ins want to be the thing 'cup'"):
        things.add("cup", "another cup")


def test_an_entry_point_adds_a_plugin(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = "bias_audit.shelf_of_things"
    entry = EntryPoint(name="fork", value="os:sep", group=group)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: [entry] if group == entry.group else [])
    things: Registry[str] = importlib.import_module(package).THINGS

    assert "fork" in things
