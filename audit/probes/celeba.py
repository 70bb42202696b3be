"""CelebA (Liu, Luo, Wang, Tang 2015): 40 yes-or-no attributes a picture, and whose it is.

`list_attr_celeba` and `list_eval_partition` (`.txt` as first shipped, or `.csv`) and `identity_CelebA.txt` beside the
folder of pictures, or in the folders `Anno`, `Eval` and `Img` that they are handed out in.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._csv import check_names, read_text
from audit.probes._names import pictures

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Line = tuple[int, list[str]]  # its number, and its cells

_ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_IDENTITY = ("identity_CelebA.txt", "identity_CelebA.csv")
_PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
_PICTURES = ("img_align_celeba", "img_align_celeba_png", "img_celeba")  # the aligned ones before those as found

_PARTS = {"0": "train", "1": "val", "2": "test"}
# The other attributes are there for the asking; 40 groupings would bury what matters.
_USUAL = ("gender", "Young", "Pale_Skin", "Eyeglasses", "Smiling")
_TOGETHER = 4096  # lines turned into numbers at a time


class CelebA:
    """Columns `path`, `gender` (the list's `Male`), the other attributes as `yes` and `no`, `identity`, `partition`."""

    def matches(self, folder: Path) -> bool:
        return _find(folder, _ATTRIBUTES) is not None

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        attributes = _find(folder, _ATTRIBUTES)
        if attributes is None:
            raise ProbeError("the folder has no list of CelebA's attributes", where=folder, allowed=_ATTRIBUTES)
        cells: dict[str, list[str | None]]
        names, cells, notes = _read_attributes(attributes)
        for column, files in (("identity", _IDENTITY), ("partition", _PARTITION)):
            path = _find(folder, files)
            if path is not None:
                known = _read_pairs(path, _PARTS if column == "partition" else None)
                cells[column] = [known.get(name) for name in names]
        prefix, there = _pictures(folder)
        # One of the archives holds PNG files under the names that the lists spell with .jpg.
        files_ = [name if name in there or f"{name[:-4]}.png" not in there else f"{name[:-4]}.png" for name in names]
        unlisted = len(there.difference(files_))
        if unlisted:
            notes.append(f"{unlisted:,} pictures stand in no row of {attributes.name} and are left out.")
        table = pd.DataFrame({"path": [prefix + name for name in files_], **cells}, dtype=object)
        return Listing(
            table=table,
            notes=(*notes, *_about(table)),
            groups=tuple(name for name in _USUAL if name in table),
            aligned="align" in prefix,
        )

    def files(self, folder: Path) -> tuple[Path, ...]:
        found = (_find(folder, names) for names in (_ATTRIBUTES, _IDENTITY, _PARTITION))
        return tuple(path for path in found if path is not None)


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    places = (folder, folder / "Anno", folder / "Eval")
    return next((place / name for place in places for name in names if (place / name).is_file()), None)


def _pictures(folder: Path) -> tuple[str, set[str]]:
    """The folder of pictures, ending in a slash, and their names. Some archives nest it in one of the same name."""
    for outer in ("", "Img/"):
        for name in _PICTURES:
            for prefix in (f"{outer}{name}/", f"{outer}{name}/{name}/"):
                there = set(pictures(folder / prefix))
                if there:
                    return prefix, there
    return f"{_PICTURES[0]}/", set()


def _lines(path: Path) -> Iterator[Line]:
    text = read_text(path, "the list")
    if path.suffix != ".csv":
        yield from ((number, line.split()) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise ProbeError(f"the list is no CSV file: {error}", where=f"{path}, line {reader.line_num}") from None


def _read_attributes(path: Path) -> tuple[list[str], dict[str, list[str | None]], list[str]]:
    """Names of the pictures, a column an attribute, and what is to be said of the file."""
    import numpy as np

    lines = _lines(path)
    _, header = next(lines, (0, []))
    counted = int(header[0]) if len(header) == 1 and re.fullmatch(r"[0-9]{1,9}", header[0]) else None
    if counted is not None:
        _, header = next(lines, (0, []))
    header = header[1:] if path.suffix == ".csv" else header
    check_names(header, path)
    names: list[str] = []
    answers = [np.empty((0, len(header)), dtype=np.int8)]
    while some := list(itertools.islice(lines, _TOGETHER)):
        answers.append(_answers(some, header, path))
        names += [cells[0] for _, cells in some]
    if not names or not header:
        raise ProbeError("the list names no picture", where=path)
    words = {name: np.array(["no", "yes"], dtype=object) for name in header}
    words["Male"] = np.array(["female", "male"], dtype=object)
    columns = np.concatenate(answers).T
    cells = {"gender" if n == "Male" else n: list(words[n][c]) for n, c in zip(header, columns, strict=True)}
    notes = []
    if counted not in (None, len(names)):
        notes.append(f"{path.name} says that it lists {counted:,} pictures and lists {len(names):,}.")
    return names, cells, notes


def _answers(lines: list[Line], header: list[str], path: Path) -> NDArray[np.int8]:
    """1 for yes and 0 for no, [lines, attributes]."""
    import numpy as np

    for number, cells in lines:
        if len(cells) != len(header) + 1:
            raise ProbeError(
                f"the line has {len(cells)} cells, a name and {len(header)} attributes were expected",
                where=f"{path}, line {number}",
            )
    said = np.array([cells for _, cells in lines])[:, 1:]
    wrong = np.argwhere((said != "1") & (said != "-1"))
    if len(wrong):
        line, column = wrong[0]
        raise ProbeError(
            f"the attribute {header[column]} is neither yes nor no",
            value=str(said[line, column]),
            allowed="1 for yes, -1 for no",
            where=f"{path}, line {lines[line][0]}",
        )
    answers: NDArray[np.int8] = (said == "1").astype(np.int8)
    return answers


def _read_pairs(path: Path, words: dict[str, str] | None) -> dict[str, str]:
    """What a list of two columns says of each picture, in `words` where these are given."""
    found: dict[str, str] = {}
    lines = _lines(path)
    if path.suffix == ".csv":
        next(lines, None)  # the header
    for number, cells in lines:
        if len(cells) != 2:
            raise ProbeError(
                f"the line has {len(cells)} cells, a name and a number were expected", where=f"{path}, line {number}"
            )
        name, value = cells
        if words is not None and value not in words:
            raise ProbeError("no such part", value=value, allowed=words, where=f"{path}, line {number}")
        found[name] = words[value] if words is not None else value
    return found


def _about(table: pd.DataFrame) -> Iterator[str]:
    if len(table.columns) > 2 * len(_USUAL):
        named = ", ".join(name for name in _USUAL if name in table)
        yield f"Grouped by {named} unless others are asked for: `--group NAME` takes any attribute of CelebA's list."
    counts = Counter(table["partition"].dropna()) if "partition" in table else Counter()
    if len(counts) > 1:
        parts = ", ".join(f"{counts[part]:,} of {part}" for part in _PARTS.values() if part in counts)
        yield (
            f"The set has pictures {parts}. A model trained on CelebA has seen those of train: "
            "`--group partition` tells them apart."
        )


LAYOUTS.add("celeba", CelebA())
