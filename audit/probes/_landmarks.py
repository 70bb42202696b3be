"""`landmarks68.csv`: 68 points of a face in the iBUG order, and the regions that they outline."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.errors import ProbeError, SettingsError
from audit.probes._paths import Inside
from audit.probes._shapes import Outline, hull

LANDMARKS = "landmarks68.csv"
POINTS = 68

Rings = tuple[tuple[int, ...], ...]  # a region is the convex hulls of these points, taken together


def _run(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


STANDARD: Mapping[str, Rings] = {
    "face": (_run(0, 67),),
    "eyes": (_run(36, 41), _run(42, 47)),
    "brows": (_run(17, 21), _run(22, 26)),
    "nose": (_run(27, 35),),
    "mouth": (_run(48, 67),),
    "jaw": (_run(0, 16),),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Landmarks:
    """Points of every image of the table, float64 [N, 68, 2], NaN where the file has none."""

    points: NDArray[np.float64]

    def any(self) -> bool:
        return bool(np.isfinite(self.points).any())

    def source(self, rings: Rings) -> Hulls:
        return Hulls(self.points, rings)


@dataclasses.dataclass(frozen=True, slots=True)
class Hulls:
    """A region that landmarks outline."""

    points: NDArray[np.float64]
    rings: Rings

    def shape(self, row: int) -> Outline | None:
        groups = [self.points[row][list(ring)] for ring in self.rings]
        if not all(np.isfinite(group).all() for group in groups):
            return None
        hulls = tuple(ring for ring in map(hull, groups) if len(ring) > 2)
        return Outline(hulls) if hulls else None


def read_landmarks(folder: Path, paths: Sequence[str], inside: Inside) -> Landmarks | None:
    """The points of the given images; None where the folder has no such file. Raises ProbeError."""
    file = folder / LANDMARKS
    if not file.is_file():
        return None
    inside.check(LANDMARKS, what="the landmark file", where=folder)
    try:
        table = pd.read_csv(file, dtype={"path": str}, encoding="utf-8-sig", index_col=False, keep_default_na=True)
    except (ValueError, OSError) as error:
        raise ProbeError(f"the landmark file is no CSV file that can be read: {error}", where=file) from None
    columns = [f"{axis}{point}" for point in range(POINTS) for axis in "xy"]
    absent = [name for name in ("path", *columns) if name not in table]
    if absent:
        raise ProbeError(
            f"the landmark file lacks the column {absent[0]}", where=file, allowed="path, x0, y0, … x67, y67"
        )
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    _check_numbers(table, columns, numbers, file)

    row_of = {path: row for row, path in enumerate(paths)}
    points = np.full((len(paths), POINTS, 2), np.nan)
    seen: dict[str, int] = {}
    for line, cell in enumerate(table["path"], start=1):
        if not isinstance(cell, str):
            raise ProbeError("the cell `path` is empty", where=f"{file}, row {line}")
        path = inside.check(cell, what="an image", where=f"{file}, row {line}")
        if path in seen:
            raise ProbeError(f"the same image stands in rows {seen[path]} and {line}", value=path, where=file)
        seen[path] = line
        if path in row_of:
            points[row_of[path]] = numbers[line - 1].reshape(POINTS, 2)
    return Landmarks(points)


def _check_numbers(table: pd.DataFrame, columns: list[str], numbers: NDArray[np.float64], file: Path) -> None:
    """An empty cell is a missing point; anything else must be a finite number."""
    wrong = (np.isnan(numbers) & table[columns].notna().to_numpy()) | np.isinf(numbers)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise ProbeError(
            "this is no coordinate",
            value=table[columns[column]].iloc[row],
            allowed="a number of pixels",
            where=f"{file}, row {row + 1}, column {columns[column]}",
        )


def parse_rings(text: Any, where: str) -> Rings:
    """Points such as "48-67" or "0-16,26-17": their convex hull. A list of these: several hulls taken together."""
    return tuple(_parse_ring(part, where) for part in (text if isinstance(text, list) else [text]))


def _parse_ring(text: Any, where: str) -> tuple[int, ...]:
    found = isinstance(text, str) and re.fullmatch(r"\d{1,2}(-\d{1,2})?(,\d{1,2}(-\d{1,2})?)*", text.replace(" ", ""))
    ends = [tuple(int(n) for n in part.split("-")) for part in text.replace(" ", "").split(",")] if found else []
    points = tuple(n for end in ends for n in _run(min(end), max(end)))
    if len(set(points)) < 3 or max(points) >= POINTS:
        raise SettingsError(
            "these are no landmarks", value=text, allowed=f'three or more of 0 to {POINTS - 1}: "48-67"', where=where
        )
    return points
