"""Labeled Faces in the Wild (Huang, Ramesh, Berg, Learned-Miller 2007): `NAME/NAME_0001.jpg`, whose face it is.

The archive itself says nothing of gender or age. These files, put beside it, do: `male_names.txt` and
`female_names.txt` (names checked by people), `lfw_attributes.txt` (scores of classifiers, Kumar et al. 2009).
"""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._csv import check_names, read_text
from audit.probes._names import pictures, subfolders

_FOLDERS = ("", "lfw", "lfw-deepfunneled", "lfw_funneled", "lfw-funneled")
_ATTRIBUTES = "lfw_attributes.txt"
_NAMES = {"female_names.txt": "female", "male_names.txt": "male"}
_USUAL = ("gender", "White", "Black", "Asian", "Senior", "Eyeglasses", "Smiling")
_NUMBER = re.compile(r"_(\d{4})\.[a-z]+$", re.IGNORECASE)
_LOOK = 20  # people looked at to know a folder


class Lfw:
    """Columns `path`, `subject`, `gender`, and with `lfw_attributes.txt` each of its attributes as `yes` and `no`."""

    def matches(self, folder: Path) -> bool:
        return _faces(folder) is not None

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        prefix = _faces(folder)
        if prefix is None:
            raise ProbeError("no folder in it is laid out as LFW", where=folder, allowed="NAME/NAME_0001.jpg")
        faces = [
            (person, name)
            for person in sorted(subfolders(folder / prefix))
            for name in sorted(pictures(folder / prefix / person))
        ]
        columns, notes = _said(folder, [name.rpartition(".")[0] for _, name in faces])
        cells: dict[str, list[str | None]] = {
            "path": [f"{prefix}{person}/{name}" for person, name in faces],
            "subject": [person for person, _ in faces],
        }
        return Listing(
            table=pd.DataFrame({**cells, **columns}, dtype=object),
            notes=notes,
            groups=tuple(name for name in _USUAL if name in columns),
            aligned="funneled" in prefix,
        )

    def files(self, folder: Path) -> tuple[Path, ...]:
        return tuple(folder / name for name in (*_NAMES, _ATTRIBUTES) if (folder / name).is_file())


def _faces(folder: Path) -> str | None:
    """The folder of people, empty or ending in a slash; None where there is none."""
    for name in _FOLDERS:
        for prefix in dict.fromkeys((f"{name}/" if name else "", f"{name}/{name}/" if name else "")):
            if _is_lfw(folder / prefix):
                return prefix
    return None


def _is_lfw(folder: Path) -> bool:
    """Whether the first folders that hold pictures are named after people, and the pictures after the folders.

    Labels can be numbered in the same way (`female/female_0001.jpg`), so a person's name has two words that begin with
    a capital letter. A few people in LFW have one word only: one of the first is enough.
    """
    named = []
    for person in itertools.islice(subfolders(folder), _LOOK):
        name = next(pictures(folder / person), None)
        if name is None:
            continue
        if _NUMBER.sub("", name) != person or not _NUMBER.search(name):
            return False
        named.append(person)
    return any(re.match(r"[A-Z][^_]*_(.*_)?[A-Z]", person) for person in named)


_Columns = dict[str, list[str | None]]


def _said(folder: Path, stems: list[str]) -> tuple[_Columns, tuple[str, ...]]:
    """What the files beside the pictures say of each (`stems` are the pictures' names without ending), and where it is
    from."""
    columns: _Columns = {}
    notes = []
    if (folder / _ATTRIBUTES).is_file():
        columns = _read_attributes(folder / _ATTRIBUTES, stems)
        notes.append(f"Attributes are from {_ATTRIBUTES}: scores of other classifiers, cut at 0; nobody checked them.")
    lists = [name for name in _NAMES if (folder / name).is_file()]
    if lists:
        columns["gender"] = _read_names([folder / name for name in lists], stems)
        notes.append(f"Gender is from {' and '.join(lists)}.")
    if "gender" not in columns:
        raise ProbeError(
            "nothing says who is a woman and who is a man: LFW has no labels of its own",
            where=folder,
            allowed=f"{' and '.join(_NAMES)}, or {_ATTRIBUTES}, beside the pictures",
            hint="Put one of these there, or write a manifest.csv; where the folders' names are labels, say "
            "--layout folders",
        )
    return columns, tuple(notes)


def _read_names(paths: list[Path], stems: list[str]) -> list[str | None]:
    """Gender of each picture, from lists of pictures or of people; None for who stands in no list, or in both."""
    genders: dict[str, set[str]] = {}
    for path in paths:
        for line in read_text(path, "the list").split("\n"):
            name = line.strip().partition(".")[0].replace(" ", "_")
            genders.setdefault(name, set()).add(_NAMES[path.name])
    found = (genders.get(stem) or genders.get(stem[:-5]) or () for stem in stems)  # `_0001` is five characters
    return [next(iter(gender)) if len(gender) == 1 else None for gender in found]


def _read_attributes(path: Path, stems: list[str]) -> _Columns:
    """A column an attribute: yes and no, for `Male` female and male, None for a picture that is not listed.

    The file's columns are parted by tabs: a person's name with blanks, a picture's number, a score an attribute. The
    header follows a # on one of the first lines.
    """
    lines = enumerate(read_text(path, "the list").split("\n"), 1)
    header: list[str] = []
    scores: dict[str, list[bool]] = {}
    for number, line in lines:
        cells = line.rstrip("\r\n\t").split("\t")
        if line.startswith("#"):
            header = [name.strip() for name in cells[1:]]
        elif line.strip():
            if len(cells) != len(header) or header[:2] != ["person", "imagenum"]:
                raise ProbeError(
                    f"the line has {len(cells)} cells and the header {len(header)}",
                    allowed="#, person, imagenum and a column an attribute, parted by tabs",
                    where=f"{path}, line {number}",
                )
            name, image, *values = cells
            where = f"{path}, line {number}"
            scores[f"{name.replace(' ', '_')}_{image.zfill(4)}"] = [_score(value, where) > 0 for value in values]
    check_names(header, path)
    if not scores:
        raise ProbeError("the list names no picture", where=path)
    columns: _Columns = {}
    for at, name in enumerate(header[2:]):
        no, yes = ("female", "male") if name == "Male" else ("no", "yes")
        known = (scores.get(stem) for stem in stems)
        columns["gender" if name == "Male" else name] = [
            None if row is None else yes if row[at] else no for row in known
        ]
    return columns


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ProbeError("the score of an attribute is no number", value=text, where=where)
    return score


LAYOUTS.add("lfw", Lfw())
