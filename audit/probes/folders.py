"""A folder for each label, `faces/LABEL/*.jpg`: the folder's name is the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ProbeError
from audit.probes import LAYOUTS

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class Folders:
    """Columns `path` and `label`, sorted by path. Hidden files and folders, and files of other kinds, are left out."""

    def matches(self, folder: Path) -> bool:
        return next(_pictures(folder), None) is not None

    def read(self, folder: Path) -> pd.DataFrame:
        import pandas as pd

        found = sorted(_pictures(folder))
        if not found:
            raise ProbeError("no folder in it holds a picture", where=folder, allowed=_ENDINGS)
        return pd.DataFrame(
            {"path": [f"{label}/{name}" for label, name in found], "label": [label for label, _ in found]}, dtype=object
        )

    def files(self, folder: Path) -> tuple[Path, ...]:
        del folder
        return ()


def _pictures(folder: Path) -> Iterator[tuple[str, str]]:
    """(folder name, file name) of every picture one level down."""
    for label in folder.iterdir():
        if label.is_dir() and not label.name.startswith("."):
            for file in label.iterdir():
                if file.name.lower().endswith(_ENDINGS) and not file.name.startswith("."):
                    yield label.name, file.name


LAYOUTS.add("folders", Folders())
