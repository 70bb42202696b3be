"""Paths that a probe set names: each must stay inside its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from audit.errors import ProbeError


class Inside:
    """Checks paths against one folder. Parents are resolved once, so that 100,000 images in one folder are cheap."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder.resolve()
        self._parents: dict[PurePosixPath, bool] = {}

    def check(self, text: str, *, what: str, where: object) -> str:
        """`text` without superfluous dots and slashes. Raises ProbeError where it leaves the folder, links resolved."""
        path = PurePosixPath(text)
        parts = re.split(r"[\\/]", text)
        if path.is_absolute() or parts[0] == "" or re.match(r"[A-Za-z]:", text) or ".." in parts or "\0" in text:
            raise self._leaves(text, what, where)
        if not text.isprintable():
            raise ProbeError(f"the path of {what} holds characters that can't be shown", value=text, where=where)
        if not path.name:
            raise ProbeError(f"the path of {what} names no file", value=text, where=where)
        if path.parent not in self._parents:
            self._parents[path.parent] = self._contains(path.parent)
        link = os.path.islink(f"{self._folder}/{path}")  # noqa: PTH114 - never raises where a name is too long
        if not self._parents[path.parent] or (link and not self._contains(path)):
            raise self._leaves(text, what, where)
        return str(path)

    def _contains(self, path: PurePosixPath) -> bool:
        try:
            return (self._folder / path).resolve().is_relative_to(self._root)
        except (OSError, RuntimeError):  # a loop of links
            return False

    def _leaves(self, text: str, what: str, where: object) -> ProbeError:
        return ProbeError(
            f"the path of {what} leaves the probe folder",
            value=text,
            allowed="a path below the folder, without .., links resolved",
            where=where,
            hint="Copy the file into the folder",
        )
