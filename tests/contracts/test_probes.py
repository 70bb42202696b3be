"""Every layout keeps the contract: it knows its own folder and no other, reads it, and refuses a broken one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Layout, ProbeOptions, read_probe
from tests.support import layouts
from tests.support.fixtures import fixture_of
from tests.support.pictures import noise, write_probe


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """`write` makes a folder of the layout's shape with the pictures named here; `spoil` then breaks it."""

    write: Callable[[Path], object]
    spoil: Callable[[Path], object]
    pictures: tuple[str, ...]


def _label_folders(folder: Path) -> None:
    for name in ("female/1.png", "male/2.png"):
        (folder / name).parent.mkdir(parents=True)
        noise(12, 10).save(folder / name)


def _rename(folder: Path, below: str) -> None:
    for at, path in enumerate(sorted((folder / below).iterdir())):
        path.rename(path.with_name(f"face-{at}.jpg"))


def _empty_label_folders(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        path.unlink()


FOLDERS = {
    "manifest": Folder(
        write=lambda folder: write_probe(
            folder,
            [{"path": "a.png", "gender": "female", "skin": ""}, {"path": "b.png", "gender": "male", "skin": "x"}],
        ),
        spoil=lambda folder: (folder / "manifest.csv").write_text("path,gender\na.png\n"),
        pictures=("a.png", "b.png"),
    ),
    "utkface": Folder(
        write=layouts.utkface,
        spoil=lambda folder: _rename(folder, "UTKFace"),
        pictures=(
            "UTKFace/20_1_0_20170109000000000.jpg.chip.jpg",
            "UTKFace/21_0_1_20170109000000001.jpg.chip.jpg",
        ),
    ),
    "fairface": Folder(
        write=layouts.fairface,
        spoil=lambda folder: (folder / "fairface_label_val.csv").write_text("file,age\nval/1.jpg,20-29\n"),
        pictures=("train/1.jpg", "val/1.jpg"),
    ),
    "celeba": Folder(
        write=layouts.celeba,
        spoil=lambda folder: (folder / "list_attr_celeba.txt").write_text("1\nMale Young\n000001.jpg 1\n"),
        pictures=("img_align_celeba/000001.jpg", "img_align_celeba/000002.jpg"),
    ),
    "lfw": Folder(
        write=layouts.lfw,
        spoil=lambda folder: [path.unlink() for path in folder.glob("*_names.txt")],
        pictures=("lfw/Ada_Person1/Ada_Person1_0001.jpg", "lfw/Ben_Person2/Ben_Person2_0001.jpg"),
    ),
    "folders": Folder(write=_label_folders, spoil=_empty_label_folders, pictures=("female/1.png", "male/2.png")),
}


@pytest.fixture(params=LAYOUTS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def layout(name: str) -> Layout:
    return LAYOUTS.get(name)


@pytest.fixture
def made(name: str, tmp_path: Path) -> Folder:
    kept = fixture_of(
        name,
        FOLDERS,
        kind="layout",
        add="a Folder with two pictures, and a way to break it, to FOLDERS in tests/contracts/test_probes.py",
    )
    kept.write(tmp_path / "set")
    return kept


def test_it_matches_its_own_folder_and_no_other_layout_does(name: str, made: Folder, tmp_path: Path) -> None:
    """But for `folders`, which takes any folder of folders and is asked last."""
    assert {other for other, layout in LAYOUTS.items() if layout.matches(tmp_path / "set")} - {"folders"} == (
        {name} - {"folders"}
    )
    assert LAYOUTS.get(name).matches(tmp_path / "set")


def test_a_manifest_wins_over_every_layout(made: Folder, tmp_path: Path) -> None:
    kept = [f"{path},{gender}" for path, gender in zip(made.pictures, ("female", "male"), strict=True)]
    (tmp_path / "set" / "manifest.csv").write_text("\n".join(["path,label", *kept]))

    assert read_probe(tmp_path / "set").groupings == (("label",),)


def test_it_matches_no_empty_folder(layout: Layout, tmp_path: Path) -> None:
    assert not layout.matches(tmp_path)


def test_it_reads_a_table_of_text_with_a_row_for_each_picture(layout: Layout, made: Folder, tmp_path: Path) -> None:
    table = layout.read(tmp_path / "set").table
    cells = [cell for column in table.columns for cell in table[column]]

    assert tuple(table["path"]) == made.pictures
    assert len(table.columns) > 1
    assert {type(cell) for cell in cells} <= {str, type(None)}


def test_the_files_of_its_manifest_are_in_the_folder(layout: Layout, made: Folder, tmp_path: Path) -> None:
    files = layout.files(tmp_path / "set")

    assert all(path.is_file() and path.is_relative_to(tmp_path / "set") for path in files)


def test_what_it_reads_is_a_probe_set(name: str, made: Folder, tmp_path: Path) -> None:
    found, asked = read_probe(tmp_path / "set"), read_probe(tmp_path / "set", ProbeOptions(layout=name))

    assert tuple(found.table["path"]) == tuple(asked.table["path"]) == made.pictures
    assert set(found.table["label"]) == {"female", "male"}


def test_a_broken_folder_is_refused_in_one_line_that_names_it(layout: Layout, made: Folder, tmp_path: Path) -> None:
    made.spoil(tmp_path / "set")
    with pytest.raises(ProbeError) as caught:
        layout.read(tmp_path / "set")

    assert str(tmp_path / "set") in str(caught.value)
    assert "\n" not in str(caught.value)
