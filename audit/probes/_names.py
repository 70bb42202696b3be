"""Names in a folder, without opening a single file: what the layouts recognize their folders by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from audit.errors import ProbeError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def pictures(folder: Path) -> Iterator[str]:
    """File names of the pictures in a folder, in no order; none where there is no such folder. Raises ProbeError."""
    for entry in _entries(folder):
        if entry.name.lower().endswith(ENDINGS):
            yield entry.name


def subfolders(folder: Path) -> Iterator[str]:
    """Names of the folders in a folder, in no order. Raises ProbeError."""
    for entry in _entries(folder):
        if entry.is_dir():
            yield entry.name


def first_file(folder: Path, *names: str) -> Path | None:
    """The first of these files that the folder holds."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything in a folder that is not hidden."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ProbeError(f"the folder can't be read: {error.strerror or error}", where=folder) from None
