"""Where a survey leaves its files: `probe.json` and `probe.html`, and nothing else is touched."""

from __future__ import annotations

import json
from pathlib import Path

from audit.errors import FolderOccupied
from audit.files import machine_error, writing

RECORD, PAGE = "probe.json", "probe.html"


def check(folder: Path, manifest_sha256: str, *, force: bool) -> None:
    """Whether a survey of this set may write there: into a new or empty folder, or over its own. Raises
    FolderOccupied."""
    if folder.exists() and not folder.is_dir():
        raise FolderOccupied("the output folder is a file", value=str(folder))
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    stranger = sorted(names - {RECORD, PAGE})
    if not names or force:
        return
    if stranger or _manifest_of(folder) != manifest_sha256:
        held = f"something else ({stranger[0]})" if stranger else "the survey of another probe set"
        raise FolderOccupied(
            f"the output folder holds {held}",
            value=str(folder),
            hint=f"Write {RECORD} and {PAGE} there all the same with --force, or write elsewhere with --out",
        )


def write(data: bytes, folder: Path) -> None:
    """`probe.json`; a page of an earlier survey would be another's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / PAGE).unlink(missing_ok=True)
    except OSError as error:
        raise machine_error(error, folder) from error
    with writing(folder / RECORD) as path:
        path.write_bytes(data)


def _manifest_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / RECORD).read_bytes())["probe"]["manifest_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
