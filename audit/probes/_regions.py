"""Where the pictures' regions come from: columns, `[regions]` of bias-audit.toml, 68 landmarks.

A column stands before the file's table, and that before what landmarks give by themselves.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from audit.errors import AuditError, ProbeError, SettingsError
from audit.probes._config import NAME, is_number
from audit.probes._images import Unreadable
from audit.probes._landmarks import LANDMARKS, STANDARD, Landmarks, parse_rings, read_landmarks
from audit.probes._paths import Inside
from audit.probes._roles import REGION
from audit.probes._shapes import Box, MaskFile, Outline, Shape, read_mask

_KINDS = '"mask.png", {box = [x0, y0, x1, y1]}, {polygon = [[x, y], …]} or {landmarks = "48-67"}'


class Source(Protocol):
    """One region's shapes."""

    def shape(self, row: int) -> Shape | None:
        """The region in this row of the probe set's table; None where that image has none."""


@dataclasses.dataclass(frozen=True, slots=True)
class ForAll:
    """One shape for all images: a template in the coordinates of aligned pictures."""

    template: Shape

    def shape(self, row: int) -> Shape | None:
        del row
        return self.template


@dataclasses.dataclass(frozen=True, slots=True)
class ByRow:
    shapes: tuple[Shape | None, ...]

    def shape(self, row: int) -> Shape | None:
        return self.shapes[row]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Regions:
    names: tuple[str, ...]
    sources: Mapping[str, Source]
    landmarks: Landmarks | None
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Folder:
    """What the checks need to know of the folder."""

    path: Path
    inside: Inside
    landmarks: Landmarks | None


def read_regions(
    folder: Path, raw: pd.DataFrame, paths: Sequence[str], table: Mapping[str, Any], inside: Inside, manifest: object
) -> Regions:
    """The regions that at least one image has. Raises SettingsError where `[regions]` itself is malformed, ProbeError
    where the manifest's cells or the files that either names are.

    Args:
        folder: the probe folder.
        raw: the manifest's rows that are used, with their old index.
        paths: the images' paths, one a row.
        table: `[regions]` of the folder's own file.
        inside: the check of paths.
        manifest: what to call the manifest in messages.
    """
    landmarks = read_landmarks(folder, paths, inside)
    known = _Folder(path=folder, inside=inside, landmarks=landmarks)
    found: dict[str, Source] = {}
    notes = []
    if landmarks is not None and landmarks.any():
        found |= {name: landmarks.source(rings) for name, rings in STANDARD.items()}
    elif landmarks is not None:
        notes.append(f"{LANDMARKS} has points for none of the images.")
    for name, value in table.items():
        _check_name(name, SettingsError, f"{folder / NAME}: regions")
        found[name] = _template(value, known, f"{folder / NAME}: regions.{name}")
    for column in map(str, raw.columns):
        if column.startswith(REGION):
            name = column.removeprefix(REGION)
            _check_name(name, ProbeError, manifest)
            shapes, missing = _column(raw[column], known, f"{manifest}, column {column}")
            found[name] = ByRow(shapes)
            if missing:
                notes.append(f"{missing:,} images name a mask for the region {name} that is not there.")
    sources = {name: source for name, source in found.items() if any(map(source.shape, range(len(paths))))}
    return Regions(names=tuple(sources), sources=sources, landmarks=landmarks, notes=tuple(notes))


def _check_name(name: str, error: type[AuditError], where: object) -> None:
    if not re.fullmatch(r"[\w.-]+", name):
        raise error("this can't be the name of a region", value=name, allowed="letters, digits, _ - .", where=where)


def _column(cells: pd.Series[Any], known: _Folder, where: str) -> tuple[tuple[Shape | None, ...], int]:
    """A shape for each cell, and how many masks are not there. The first mask is looked at, as a sample of all."""
    shapes: list[Shape | None] = []
    missing, looked = 0, False
    for row, cell in zip(cells.index + 1, cells, strict=True):
        place = f"{where}, row {row}"
        box = _box_in(cell) if cell is not None else None
        if cell is None or box is not None:
            shapes.append(_box(box, place, ProbeError) if box is not None else None)
            continue
        mask = known.path / known.inside.check(cell, what="a mask", where=place)
        if not mask.exists():
            missing += 1
            shapes.append(None)
            continue
        if not looked:
            _open_mask(mask, place)
            looked = True
        shapes.append(MaskFile(mask))
    return tuple(shapes), missing


def _box_in(cell: str) -> list[float] | None:
    """The numbers of `x0,y0,x1,y1`; None where the cell is something else, so a path."""
    try:
        return [float(part) for part in cell.split(",")] if "," in cell else None
    except ValueError:
        return None


def _template(value: Any, known: _Folder, where: str) -> Source:
    match value:
        case str():
            mask = known.path / known.inside.check(value, what="a mask", where=where)
            return ForAll(_open_mask(mask, where))
        case {"box": numbers, **rest} if not rest:
            return ForAll(_box(numbers, where, SettingsError, least=0))
        case {"polygon": points, **rest} if not rest:
            return ForAll(_polygon(points, where))
        case {"landmarks": text, **rest} if not rest:
            if known.landmarks is None:
                raise ProbeError(f"the region needs {LANDMARKS}, which is not there", where=where)
            return known.landmarks.source(parse_rings(text, where))
        case _:
            raise SettingsError("this is no region", value=value, allowed=_KINDS, where=where)


def _open_mask(path: Path, where: str) -> Shape:
    try:
        return read_mask(path)
    except Unreadable as error:
        raise ProbeError(f"the mask can't be used: {error}", value=path.name, where=where) from None


def _box(numbers: Any, where: str, error: type[AuditError], least: float = -math.inf) -> Box:
    """A column's boxes are often a detector's and reach beyond the picture; one that was typed for all may not."""
    fine = isinstance(numbers, list) and len(numbers) == 4 and all(map(is_number, numbers))
    if not fine or not (least <= numbers[0] < numbers[2] and least <= numbers[1] < numbers[3]):
        allowed = "x0,y0,x1,y1 with x0 < x1 and y0 < y1" + (", in pixels from 0 on" if least == 0 else "")
        raise error("this is no box", value=numbers, allowed=allowed, where=where)
    return Box((float(numbers[0]), float(numbers[1]), float(numbers[2]), float(numbers[3])))


def _polygon(points: Any, where: str) -> Outline:
    fine = isinstance(points, list) and len(points) > 2
    if not fine or any(not isinstance(p, list) or len(p) != 2 or not all(map(is_number, p)) for p in points):
        raise SettingsError("this is no polygon", value=points, allowed="three or more points [x, y]", where=where)
    return Outline((np.array(points, dtype=np.float64),))
