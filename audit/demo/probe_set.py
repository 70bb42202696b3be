"""Writes drawn pictures as a probe set: images, one mask a region, manifest and settings."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from audit.demo.faces import Drawn, draw_face
from audit.demo.people import GENDERS, SKINS, make_person, make_shots

SETTINGS = """\
# A probe set of drawn faces. Nobody in it exists.
[probe]
label = "gender"
subject = "subject"
groups = ["gender", "skin", "glasses", "light", "gender*skin"]
aligned = true
"""

# How many in each gender wear their hair long: the same for every skin tone, so hair explains no gap between them.
LONG_HAIRED = {"female": 0.4, "male": 0.125}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One row of the probe set: the file's name without its ending, the manifest's columns, and what was drawn."""

    name: str
    columns: Mapping[str, str]
    drawn: Drawn


def balanced_pictures(*, subjects_per_cell: int, pictures: int, seed: int) -> Iterator[Picture]:
    """As many people of each gender and skin tone, each in as many pictures. The same seed gives the same pixels."""
    cells = [(gender, skin) for gender in GENDERS for skin in SKINS]
    people = [(k, gender, skin) for k in range(subjects_per_cell) for gender, skin in cells]
    for number, (k, gender, skin) in enumerate(people):
        share = LONG_HAIRED[gender]
        hair = "long" if int((k + 1) * share) > int(k * share) else "short"
        yield from pictures_of(number, gender=gender, skin=skin, hair=hair, pictures=pictures, seed=seed)


def pictures_of(number: int, *, gender: str, skin: str, hair: str, pictures: int, seed: int) -> Iterator[Picture]:
    """The pictures of person `number`; who that is depends on the seed and the number alone."""
    rng = np.random.default_rng([seed, number])
    person = make_person(rng, subject=f"p{number + 1:04d}", gender=gender, skin=skin, hair=hair)
    for k, shot in enumerate(make_shots(rng, pictures)):
        columns = {
            "subject": person.subject,
            "gender": gender,
            "skin": skin,
            "hair": hair,
            "glasses": "yes" if shot.glasses else "no",
            "pose": shot.pose,
            "light": shot.light,
        }
        yield Picture(name=f"{person.subject}-{k + 1}", columns=columns, drawn=draw_face(person, shot))


def write_probe_set(folder: Path, pictures: Iterable[Picture], settings: str = SETTINGS) -> Path:
    """Write images/NAME.jpg, masks/REGION/NAME.png, manifest.csv and bias-audit.toml; gives the folder.

    Masks have the picture's size: white where the region is.
    """
    rows = [_write_picture(folder, picture) for picture in pictures]
    (folder / "bias-audit.toml").write_text(settings, encoding="utf-8", newline="\n")
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["path"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _write_picture(folder: Path, picture: Picture) -> dict[str, str]:
    files = {f"images/{picture.name}.jpg": picture.drawn.image}
    row = {"path": next(iter(files)), **picture.columns}
    for region, mask in picture.drawn.regions.items():
        row[f"region.{region}"] = f"masks/{region}/{picture.name}.png"
        files[row[f"region.{region}"]] = Image.fromarray(mask)
    for path, image in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / path, quality=92)  # a PNG takes no notice of the quality
    return row
