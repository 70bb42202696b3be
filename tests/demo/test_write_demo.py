"""The demo's folder: what is in it, that it is always the same, and that nobody's files are written over."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from audit.demo import MODEL_FILES, PICTURES, SUBJECTS_PER_CELL, write_demo
from audit.demo.faces import REGIONS, SIZE
from audit.errors import FolderOccupied
from tests.support.planted import drawn_probe


def rows_of(probe: Path) -> list[dict[str, str]]:
    with (probe / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "new"
    write_demo(folder)
    return folder


def test_the_demo_has_model_and_probe_set(demo: Path) -> None:
    assert all((demo / name).is_file() for name in MODEL_FILES)
    assert {path.name for path in (demo / "faces").iterdir()} == {
        "bias-audit.toml", "images", "manifest.csv", "masks",
    }  # fmt: skip


def test_every_file_of_the_manifest_is_there_with_masks_of_the_pictures_size(demo: Path) -> None:
    for row in rows_of(demo / "faces")[::40]:
        files = [row["path"], *(row[f"region.{name}"] for name in REGIONS)]
        assert {size_of(demo / "faces" / file) for file in files} == {(SIZE, SIZE)}


def test_cells_of_gender_and_skin_are_equal_and_large_enough_for_evidence(demo: Path) -> None:
    rows = rows_of(demo / "faces")
    images = Counter((row["gender"], row["skin"]) for row in rows)
    people = Counter((row["gender"], row["skin"]) for row in {row["subject"]: row for row in rows}.values())

    assert set(images.values()) == {SUBJECTS_PER_CELL * PICTURES}
    assert len(images) == 6
    assert set(people.values()) == {SUBJECTS_PER_CELL}
    assert SUBJECTS_PER_CELL >= 35


def test_hair_is_worn_long_equally_often_in_every_skin_tone(demo: Path) -> None:
    long_haired = Counter((row["gender"], row["skin"]) for row in rows_of(demo / "faces") if row["hair"] == "long")

    assert len({count for (gender, _), count in long_haired.items() if gender == "female"}) == 1
    assert len({count for (gender, _), count in long_haired.items() if gender == "male"}) == 1


def test_the_probe_settings_name_columns_that_exist(demo: Path) -> None:
    probe = tomllib.loads((demo / "faces" / "bias-audit.toml").read_text(encoding="utf-8"))["probe"]
    named = {probe["label"], probe["subject"], *(name for group in probe["groups"] for name in group.split("*"))}

    assert named <= set(rows_of(demo / "faces")[0])
    assert probe["aligned"] is True


def test_a_subject_never_changes_gender_skin_or_hair(demo: Path) -> None:
    seen = {(row["subject"], row["gender"], row["skin"], row["hair"]) for row in rows_of(demo / "faces")}

    assert len(seen) == 6 * SUBJECTS_PER_CELL


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        drawn_probe(tmp_path / name, subjects=6, pictures=2, seed=seed)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))

    assert one == two
    assert one.keys() == three.keys()
    assert one["images/p0001-1.jpg"] != three["images/p0001-1.jpg"]


def test_an_earlier_demo_is_written_over(demo: Path) -> None:
    before = digests(demo)
    (demo / "faces" / "manifest.csv").write_text("broken")
    write_demo(demo)

    assert digests(demo) == before


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        FolderOccupied, match="the folder holds something else than an earlier demo, got .*Allowed: a new"
    ):
        write_demo(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    with pytest.raises(FolderOccupied, match="this is a file"):
        write_demo(tmp_path / "demo")


@pytest.mark.parametrize(
    ("correlation", "least", "most"), [(1.0, 1.0, 1.0), (0.0, 0.2, 0.8)], ids=["always", "not at all"]
)
def test_a_badge_goes_with_the_label_as_often_as_asked(
    tmp_path: Path, correlation: float, least: float, most: float
) -> None:
    rows = rows_of(drawn_probe(tmp_path, subjects=12, pictures=2, badge=correlation))
    fitting = [(row["gender"] == "female") == (row["badge"] == "red") for row in rows]

    assert least <= np.mean(fitting) <= most


def test_a_badge_is_where_its_mask_says(tmp_path: Path) -> None:
    row = rows_of(drawn_probe(tmp_path, subjects=6, pictures=1, badge=1.0))[0]
    mask = pixels_of(tmp_path / row["region.badge"])[..., 0] > 0
    red = pixels_of(tmp_path / row["path"])[mask].mean(axis=0)

    assert np.abs(red - (214, 40, 40)).max() < 12
