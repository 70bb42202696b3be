"""FairFace (Kärkkäinen and Joo 2021): `fairface_label_train.csv` and `fairface_label_val.csv`, or one of them, and
pictures in `train/` and `val/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._csv import read_csv
from audit.probes._names import pictures, subfolders

if TYPE_CHECKING:
    import pandas as pd

_LISTS = {"fairface_label_train.csv": "train", "fairface_label_val.csv": "val"}
_COLUMNS = ("file", "age", "gender", "race")
_GENDERS = {"Male": "male", "Female": "female"}


class FairFace:
    """Columns `path`, `gender`, `race`, `age`, `partition` and whatever else the lists hold, in the lists' order.

    `gender` is `female` or `male`, as in the other layouts; races and age bands are spelled as they are shipped.
    """

    def matches(self, folder: Path) -> bool:
        return bool(_lists(folder))

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        paths = self.files(folder)
        if not paths:
            raise ProbeError("the folder has no list of FairFace's", where=folder, allowed=_LISTS)
        table = pd.concat([_read(path) for path in paths], ignore_index=True)
        prefix = _prefix(folder)
        table["path"] = [None if cell is None else prefix + cell for cell in table["path"]]
        return Listing(
            table=table.astype(object).where(table.notna(), None),
            notes=tuple(_notes(folder, prefix, table)),
            groups=("gender", "race", "age"),
        )

    def files(self, folder: Path) -> tuple[Path, ...]:
        return tuple(folder / name for name in _lists(folder))


def _lists(folder: Path) -> list[str]:
    return [name for name in _LISTS if (folder / name).is_file()]


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    cells = read_csv(path, "the list")
    for name in _COLUMNS:
        if name not in cells:
            raise ProbeError("the list lacks a column", value=name, allowed=_COLUMNS, where=path)
    if not cells["file"]:
        raise ProbeError("the list names no picture", where=path)
    cells = {"path" if name == "file" else name: column for name, column in cells.items()}
    cells["gender"] = [None if cell is None else _GENDERS.get(cell, cell) for cell in cells["gender"]]
    cells["partition"] = [_LISTS[path.name]] * len(cells["gender"])
    return pd.DataFrame(cells, dtype=object)


def _prefix(folder: Path) -> str:
    """Where `train/` and `val/` are: beside the lists, or in the folder that the archive unpacks to."""
    below = sorted(name for name in subfolders(folder) if name.casefold().startswith("fairface"))
    for prefix in ("", *(f"{name}/" for name in below)):
        if any((folder / f"{prefix}{part}").is_dir() for part in _LISTS.values()):
            return prefix
    return ""


def _notes(folder: Path, prefix: str, table: pd.DataFrame) -> Iterator[str]:
    listed = set(table["path"])
    there = [f"{prefix}{part}/{name}" for part in _LISTS.values() for name in pictures(folder / f"{prefix}{part}")]
    unlisted = sum(path not in listed for path in there)
    if unlisted:
        yield f"{unlisted:,} pictures stand in no list and are left out."
    counts = table["partition"].value_counts()
    if len(counts) > 1:
        parts = " and ".join(f"{counts[part]:,} of {part}" for part in _LISTS.values())
        yield (
            f"The set has pictures {parts}. A model trained on FairFace has seen those of train: "
            "`--group partition` tells the two apart."
        )


LAYOUTS.add("fairface", FairFace())
