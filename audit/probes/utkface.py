"""UTKFace (Zhang, Song, Qi 2017): everything that is stated of a picture stands in its name.

`AGE_GENDER_RACE_TIME.jpg.chip.jpg` (aligned and cropped) or `AGE_GENDER_RACE_TIME.jpg` (as found), in the folder itself
or in the folders that the archives unpack to.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._names import pictures
from audit.probes._roles import band_columns

_GENDERS = {"0": "male", "1": "female"}
_RACES = {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"}
_BANDS = (0.0, 18.0, 30.0, 45.0, 60.0)
_OLDEST = 120

# In the order of preference: the aligned pictures before those as found, which show the same people.
_FOLDERS = (
    (),
    ("UTKFace",),
    ("UTKFace", "UTKFace"),
    ("utkface_aligned_cropped", "UTKFace"),
    ("crop_part1",),
    ("part1",),
    ("part2",),
    ("part3",),
)
_STRICT = re.compile(r"\d{1,3}_[01]_[0-4]_\d{14,}")
_NAME = re.compile(r"(\d*)_(\d*)_(?:(\d*)_)?(\d{8}[^_]*)")
_LOOK = 100  # names looked at to know a folder


class UtkFace:
    """Columns `path`, `gender`, `race`, `age`, `age_band`, sorted by folder and name.

    A few names lack a field (`39_1_20170116174525125.jpg.chip.jpg`): nobody can tell whether the 1 is the gender or the
    race, so both count as not stated.
    """

    def matches(self, folder: Path) -> bool:
        return any(_known(folder.joinpath(*parts)) for parts in _FOLDERS)

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        rows, notes = _rows(folder)
        if not rows:
            raise ProbeError(
                "no picture is named as UTKFace names them", where=folder, allowed="AGE_GENDER_RACE_TIME.jpg"
            )
        table = pd.DataFrame(rows, columns=["path", "age", "gender", "race"], dtype=object)
        table = band_columns(table.assign(age_band=table["age"]), {"age_band": _BANDS}, folder)
        aligned = all(path.endswith(".chip.jpg") for path in table["path"])
        return Listing(table=table, notes=notes, groups=("gender", "race", "age_band"), aligned=aligned)

    def files(self, folder: Path) -> tuple[Path, ...]:
        del folder
        return ()


_Row = tuple[str, str | None, str | None, str | None]


def _known(folder: Path) -> bool:
    return any(_STRICT.match(name) for name in itertools.islice(pictures(folder), _LOOK))


def _rows(folder: Path) -> tuple[list[_Row], tuple[str, ...]]:
    """Path, age, gender and race of every picture, and what is to be said about them."""
    rows: list[_Row] = []
    others: list[str] = []
    taken: set[str] = set()
    again = 0
    for prefix, names in _folders(folder):
        seen = {name: name.partition(".")[0].strip() for name in names}
        for name, stem in seen.items():
            stated = _stated(name)
            if stated is None:
                others.append(prefix + name)
            elif stem in taken:
                again += 1
            else:
                rows.append((prefix + name, *stated))
        taken.update(seen.values())
    return rows, tuple(_notes(rows, others, again))


def _folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder's prefix and the names of its pictures, sorted."""
    for parts in _FOLDERS:
        names = sorted(pictures(folder.joinpath(*parts)))
        if names and _known(folder.joinpath(*parts)):
            yield "".join(f"{part}/" for part in parts), names


def _stated(name: str) -> tuple[str | None, str | None, str | None] | None:
    """Age, gender and race by a picture's name, None where not stated; None in all for a name of another kind."""
    found = _NAME.match(name)
    if found is None:
        return None
    age, gender, race, _ = found.groups()
    stated = str(int(age)) if age and int(age) <= _OLDEST else None
    if race is None:  # a field is missing, and which one nobody knows
        return stated, None, None
    return stated, _GENDERS.get(gender), _RACES.get(race)


def _notes(rows: list[_Row], others: list[str], again: int) -> Iterator[str]:
    gaps = [path for path, *stated in rows if None in stated]
    if gaps:
        yield (
            f"{len(gaps):,} of {len(rows):,} pictures lack age, gender or race in their name, the first is {gaps[0]}; "
            "what is missing counts as not stated."
        )
    if others:
        yield f"{len(others):,} pictures are named in another way and are left out, the first is {others[0]}."
    if again:
        yield f"{again:,} pictures stand in more than one of the folders and are taken once."


LAYOUTS.add("utkface", UtkFace())
