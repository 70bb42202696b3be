"""Small folders in the shape that well-known face datasets are shipped in, with whatever faces a test brings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from audit.demo.probe_set import balanced_pictures
from tests.support.pictures import noise


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    image: Image.Image
    gender: str
    subject: int = 0


TWO = (Face(image=noise(12, 10, 1), gender="female", subject=1), Face(image=noise(12, 10, 2), gender="male", subject=2))


def drawn(*, subjects_per_cell: int = 8, pictures: int = 1, seed: int = 5) -> list[Face]:
    """The demo's faces, as many women as men."""
    made = balanced_pictures(subjects_per_cell=subjects_per_cell, pictures=pictures, seed=seed)
    return [
        Face(image=p.drawn.image, gender=p.columns["gender"], subject=int(p.columns["subject"].lstrip("p")))
        for p in made
    ]


def put(folder: Path, name: str, image: Image.Image | None = None) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or noise(12, 10)).save(path)


def lines(path: Path, rows: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def utkface(
    folder: Path, faces: Sequence[Face] = TWO, *, below: str = "UTKFace", ending: str = ".jpg.chip.jpg"
) -> Path:
    for at, face in enumerate(faces):
        code = {"male": 0, "female": 1}[face.gender]
        put(folder, f"{below}/{20 + at % 60}_{code}_{at % 5}_20170109{at:09d}{ending}".lstrip("/"), face.image)
    return folder


def fairface(folder: Path, faces: Sequence[Face] = TWO) -> Path:
    """Every second picture is one of `val/`."""
    rows: dict[str, list[str]] = {"train": [], "val": []}
    races, ages = ("White", "Black", "East Asian", "Latino_Hispanic"), ("3-9", "20-29", "more than 70")
    for at, face in enumerate(faces):
        part = ("train", "val")[at % 2]
        name = f"{part}/{len(rows[part]) + 1}.jpg"
        put(folder, name, face.image)
        rows[part].append(f"{name},{ages[at % 3]},{face.gender.capitalize()},{races[at % 4]},{at % 3 == 0}")
    for part, listed in rows.items():
        lines(folder / f"fairface_label_{part}.csv", ["file,age,gender,race,service_test", *listed])
    return folder


CELEBA = ("Eyeglasses", "Male", "Pale_Skin", "Smiling", "Wavy_Hair", "Young")


def celeba(folder: Path, faces: Sequence[Face] = TWO, *, pictures: str = "img_align_celeba") -> Path:
    """The lists as they were first shipped, with six of the forty attributes."""
    rows, identities, parts = [], [], []
    for at, face in enumerate(faces, 1):
        name = f"{at:06d}.jpg"
        put(folder, f"{pictures}/{name}", face.image)
        answers = [1 if a == "Male" and face.gender == "male" else (1, -1)[at % 2] for a in CELEBA]
        answers[1] = 1 if face.gender == "male" else -1
        rows.append(f"{name} " + " ".join(f"{answer:>2}" for answer in answers))
        identities.append(f"{name} {face.subject}")
        parts.append(f"{name} {at % 3}")
    lines(folder / "list_attr_celeba.txt", [str(len(rows)), " ".join(CELEBA), *rows])
    lines(folder / "identity_CelebA.txt", identities)
    lines(folder / "list_eval_partition.txt", parts)
    return folder


def lfw(folder: Path, faces: Sequence[Face] = TWO, *, below: str = "lfw", attributes: bool = False) -> Path:
    """People called `Ada_Person1`, and the lists of names, or the classifiers' scores."""
    stems: dict[str, str] = {}
    for face in faces:
        person = f"{'Ada' if face.gender == 'female' else 'Ben'}_Person{face.subject}"
        number = sum(stem.startswith(f"{person}_0") for stem in stems) + 1
        stem = f"{person}_{number:04d}"
        stems[stem] = face.gender
        put(folder, f"{below}/{person}/{stem}.jpg".lstrip("/"), face.image)
    if attributes:
        scores = []
        for at, (stem, gender) in enumerate(stems.items()):
            numbers = (1.5 if gender == "male" else -0.25, -1.5, at % 2 - 0.5)
            scores.append("\t".join([stem[:-5].replace("_", " "), str(int(stem[-4:])), *map(str, numbers)]))
        header = ["# lfw_attributes: scores by picture", "#\tperson\timagenum\tMale\tBlack\tSenior"]
        lines(folder / "lfw_attributes.txt", [*header, *scores])
        return folder
    for gender in ("female", "male"):
        lines(folder / f"{gender}_names.txt", [f"{stem}.jpg" for stem, stated in stems.items() if stated == gender])
    return folder
