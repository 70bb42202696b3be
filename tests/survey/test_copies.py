"""Planted copies are found, and pictures that are only alike are not taken for copies."""

from __future__ import annotations

import dataclasses
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import audit
from audit.demo import write_demo
from audit.survey import Copies, CopySet, _hashes
from tests.support.data import shared_data
from tests.support.pictures import write_manifest
from tests.support.planted import drawn_probe


def photo(seed: int, side: int = 128) -> Image.Image:
    """Shapes of all sizes and a little grain, as a photograph has."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((side, side, 3))
    for cells, weight in ((4, 90.0), (10, 45.0), (28, 25.0), (64, 12.0)):
        patch = rng.normal(0, 1, (cells, cells, 3))
        layer = Image.fromarray(np.clip(128 + 60 * patch, 0, 255).astype(np.uint8))
        picture += weight / 60 * (np.asarray(layer.resize((side, side), Image.Resampling.BICUBIC)) - 128.0)
    return Image.fromarray(np.clip(128 + picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    edge = round(image.width * share)
    return image.crop((edge, edge, image.width - edge, image.height - edge))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": lambda i: jpeg(i, 40),
    "half the size": lambda i: i.resize((i.width // 2, i.height // 2), Image.Resampling.BICUBIC),
    "brighter": lambda i: i.point(lambda v: min(255, round(v * 1.2))),
    "cropped by 2 %": lambda i: cropped(i, 0.02),
    "cropped and compressed": lambda i: jpeg(cropped(i, 0.015), 70),
    "slightly blurred": lambda i: i.filter(ImageFilter.GaussianBlur(0.6)),
}


class Set:
    """A folder that is filled picture by picture."""

    def __init__(self, folder: Path, people: int = 40) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.rows: list[dict[str, str]] = []
        for k in range(people):
            self.add(f"{k:03}.png", photo(k), subject=f"p{k}", gender="female" if k % 2 else "male")

    def add(self, name: str, picture: Image.Image | bytes, *, subject: str, gender: str) -> None:
        if isinstance(picture, bytes):
            (self.folder / name).write_bytes(picture)
        else:
            picture.save(self.folder / name)
        self.rows.append({"path": name, "subject": subject, "gender": gender})

    def copies(self) -> Copies:
        write_manifest(self.folder, self.rows)
        return audit.survey_probe(self.folder, min_subjects=2).copies


@pytest.fixture
def faces(tmp_path: Path) -> Set:
    return Set(tmp_path / "set")


def test_different_pictures_are_no_copies(faces: Set) -> None:
    found = faces.copies()

    assert (dict(found.sets), dict(found.extra), found.listed) == ({}, {}, ())


def test_the_same_file_under_another_person_comes_first(faces: Set) -> None:
    data = (faces.folder / "003.png").read_bytes()
    faces.add("a.png", (faces.folder / "007.png").read_bytes(), subject="p7", gender="female")
    faces.add("b.png", data, subject="someone", gender="male")
    found = faces.copies()

    assert found.sets == {"same file": 2}
    assert (found.contradicting, found.images_contradicting) == (1, 2)
    assert found.listed[0] == CopySet(
        kind="same file",
        images=2,
        paths=("003.png", "b.png"),
        subjects=("p3", "someone"),
        differs=("subject", "label"),
        likeness=1.0,
    )
    assert found.listed[1].differs == ()


def test_the_same_pixels_in_another_file(faces: Set) -> None:
    photo(5).save(faces.folder / "other.bmp")
    faces.add("other.bmp", photo(5), subject="p5", gender="female")
    found = faces.copies()

    assert found.sets == {"same pixels": 1}
    assert found.listed[0].paths == ("005.png", "other.bmp")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_copy_is_found(faces: Set, edit: Callable[[Image.Image], Image.Image]) -> None:
    for k in (4, 9, 20):
        faces.add(f"copy{k}.png", edit(photo(k)), subject=f"q{k}", gender="male")
    found = faces.copies()

    assert found.sets == {"near copy": 3}
    assert {s.paths for s in found.listed} == {(f"{k:03}.png", f"copy{k}.png") for k in (4, 9, 20)}
    assert all(0.88 <= s.likeness <= 1 for s in found.listed)


def test_many_copies_of_one_picture_are_one_set(faces: Set) -> None:
    for quality in range(30, 90, 5):
        faces.add(f"q{quality}.png", jpeg(photo(1), quality), subject="p1", gender="female")
    (only,) = faces.copies().listed

    assert only.images == 13
    assert len(only.paths) == 10


def test_plain_pictures_are_no_copies_of_each_other(faces: Set) -> None:
    for k in range(20):
        plain = np.full((40, 40, 3), 100 + k, dtype=np.uint8)
        plain[0, 0] = k
        faces.add(f"plain{k}.png", Image.fromarray(plain), subject=f"w{k}", gender="male")

    assert faces.copies().sets == {}


def test_drawn_faces_that_are_made_alike_are_not_taken_for_copies(tmp_path: Path) -> None:
    found = audit.survey_probe(drawn_probe(tmp_path / "drawn", subjects=120, pictures=1)).copies

    assert found.alike
    assert found.contradicting == 0


def test_the_demo_has_no_copies(tmp_path: Path) -> None:
    _, folder = write_demo(tmp_path)

    assert audit.survey_probe(folder).copies.sets == {}


def test_small_pictures_that_look_alike_are_no_copies(tmp_path: Path) -> None:
    """Handwritten digits, no two of them the same: many a 1 is like another in all that 28 pixels can show."""
    source = shared_data("digits", "t10k-images-idx3-ubyte.gz")
    pixels = np.frombuffer(gzip.decompress(source.read_bytes())[16:], np.uint8).reshape(-1, 28, 28)[:600]
    rows = [{"path": f"{k}.png", "label": "ab"[k % 2]} for k in range(len(pixels))]
    for row, picture in zip(rows, pixels, strict=True):
        Image.fromarray(picture).save(tmp_path / row["path"])
    write_manifest(tmp_path, rows)

    assert audit.survey_probe(tmp_path).copies.sets == {}


def test_digits_made_larger_are_hardly_ever_taken_for_copies(tmp_path: Path) -> None:
    """The hardest case: no detail, and every tenth picture much like every other tenth. Few of 1.1 million pairs."""
    source = shared_data("digits", "t10k-images-idx3-ubyte.gz")
    pixels = np.frombuffer(gzip.decompress(source.read_bytes())[16:], np.uint8).reshape(-1, 28, 28)[:1500]
    rows = [{"path": f"{k}.png", "label": "ab"[k % 2]} for k in range(len(pixels))]
    for row, picture in zip(rows, pixels, strict=True):
        Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / row["path"])
    write_manifest(tmp_path, rows)

    assert sum(audit.survey_probe(tmp_path).copies.sets.values()) <= 5


def test_a_close_copy_among_look_alikes_is_found(tmp_path: Path) -> None:
    folder = drawn_probe(tmp_path / "drawn", subjects=120, pictures=1)
    lines = (folder / "manifest.csv").read_text().splitlines()
    first = lines[1].split(",")[0]
    with Image.open(folder / first) as image:
        image.point(lambda v: round(255 * (v / 255) ** 0.8)).save(folder / "images" / "copy.png")
    header = lines[0].split(",")
    cells = dict(zip(header, lines[1].split(","), strict=True))
    cells |= {"path": "images/copy.png", "subject": "someone"}
    (folder / "manifest.csv").write_text("\n".join([*lines, ",".join(cells[name] for name in header)]) + "\n")
    found = audit.survey_probe(folder).copies

    assert [s.paths for s in found.listed if "subject" in s.differs] == [(first, "images/copy.png")]


def test_real_faces() -> None:
    """Four pairs of the 1.1 million are one picture, found by looking: in each both have the same machine-made subject,
    in one they have different genders."""
    survey = audit.survey_probe(shared_data("faces"))

    assert survey.copies.sets == {"near copy": 4}
    assert survey.copies.contradicting == 1
    assert survey.copies.listed[0].paths == ("images/u01746.jpg", "images/u02101.jpg")
    assert survey.copies.listed[0].differs == ("label", "light_est")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_edited_copies_of_real_faces(tmp_path: Path, edit: Callable[[Image.Image], Image.Image]) -> None:
    source = shared_data("faces", "images")
    rows = []
    for k, path in enumerate(sorted(source.glob("*.jpg"))[:120]):
        with Image.open(path) as image:
            image.convert("RGB").save(tmp_path / f"{k}.png")
            rows.append({"path": f"{k}.png", "subject": f"p{k}", "gender": "x" if k % 2 else "y"})
            if k < 40:
                edit(image.convert("RGB")).save(tmp_path / f"copy{k}.png")
                rows.append({"path": f"copy{k}.png", "subject": f"q{k}", "gender": "x" if k % 2 else "y"})
    write_manifest(tmp_path, rows)
    found = audit.survey_probe(tmp_path).copies
    pairs = {frozenset(s.paths) for s in found.listed}

    assert len(pairs & {frozenset({f"{k}.png", f"copy{k}.png"}) for k in range(40)}) >= 38
    assert found.sets["near copy"] <= 40  # and nothing else


def test_every_close_pair_of_hashes_is_found_once() -> None:
    rng = np.random.default_rng(0)
    some = rng.integers(0, 2**63, 300, dtype=np.uint64)
    hashes = np.concatenate([some, some ^ (np.uint64(1) << rng.integers(0, 64, 300).astype(np.uint64))])
    slow = {
        (i, j) for i in range(600) for j in range(i + 1, 600) if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 12
    }
    found = [
        p for one, other in _hashes.close_pairs(hashes, 12, 600) for p in zip(one.tolist(), other.tolist(), strict=True)
    ]

    assert len(found) == len(set(found))
    assert set(found) == slow
    assert {(i, i + 300) for i in range(300)} <= slow


def test_the_same_seed_gives_the_same_copies(faces: Set) -> None:
    faces.add("c.png", jpeg(photo(2), 50), subject="p2", gender="male")

    assert dataclasses.asdict(faces.copies()) == dataclasses.asdict(faces.copies())
