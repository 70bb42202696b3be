"""A folder for each label, `faces/LABEL/*.jpg`: the folder's name is the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._names import ENDINGS, pictures, subfolders


class Folders:
    """Columns `path` and `label`, sorted by path. Hidden files and folders, and files of other kinds, are left out."""

    def matches(self, folder: Path) -> bool:
        return next(_labeled(folder), None) is not None

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        found = sorted(_labeled(folder))
        if not found:
            raise ProbeError("no folder in it holds a picture", where=folder, allowed=ENDINGS)
        cells = {"path": [f"{label}/{name}" for label, name in found], "label": [label for label, _ in found]}
        return Listing(table=pd.DataFrame(cells, dtype=object))

    def files(self, folder: Path) -> tuple[Path, ...]:
        del folder
        return ()


def _labeled(folder: Path) -> Iterator[tuple[str, str]]:
    """(folder name, file name) of every picture one level down."""
    for label in subfolders(folder):
        for name in pictures(folder / label):
            yield label, name


LAYOUTS.add("folders", Folders())
