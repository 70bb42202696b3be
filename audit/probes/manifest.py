"""A folder with a table of its images: `manifest.csv`, `manifest.parquet` or `manifest.jsonl`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit._parquet import ParquetTable, most_cells
from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._csv import Cells, check_names, read_csv, read_text


class Manifest:
    """One row an image, in the file's order. Every cell is a string; an empty one is None."""

    def matches(self, folder: Path) -> bool:
        return any((folder / name).is_file() for name in _READERS)

    def read(self, folder: Path) -> Listing:
        import pandas as pd

        (path,) = self.files(folder)
        cells = _READERS[path.name](path)
        if not cells or not any(cells.values()):
            raise ProbeError("the manifest has no rows", where=path, hint="Give it a row for every image")
        return Listing(table=pd.DataFrame(cells, dtype=object))

    def files(self, folder: Path) -> tuple[Path, ...]:
        found = [folder / name for name in _READERS if (folder / name).is_file()]
        if len(found) != 1:
            names = " and ".join(path.name for path in found)
            raise ProbeError(
                f"the folder has more than one manifest: {names}" if found else "the folder has no manifest",
                where=folder,
                allowed=_READERS,
                hint="Keep exactly one",
            )
        return tuple(found)


def _read_jsonl(path: Path) -> Cells:
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_object)
            if not isinstance(row, dict):
                raise ProbeError("the line is no JSON object", value=line, allowed='{"column": value, …}', where=where)
            rows.append({name: _cell(value, where) for name, value in row.items()})
        except (ValueError, RecursionError) as error:
            raise ProbeError(f"the line is no JSON object: {error}", where=where) from None
    names = dict.fromkeys(name for row in rows for name in row)
    check_names(names, path)
    cells, most = len(rows) * len(names), most_cells(path.stat().st_size)
    if cells > most:
        raise ProbeError(
            "the manifest unpacks to far more than its size",
            value=f"{len(rows):,} lines with {len(names):,} names",
            allowed=f"at most {most:,} cells",
            where=path,
        )
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path) -> Cells:
    file = ParquetTable(path, "the manifest", ProbeError)
    names = file.schema.names
    check_names(names, path)
    table = file.read(names)
    return {name: [_cell(value, f"{path}, column {name}") for value in table[name].to_pylist()] for name in names}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        raise ValueError("a name stands in it twice")
    return cells


def _cell(value: object, where: str) -> str | None:
    """A value as the string that a CSV file would hold: 62.0 is "62", a list of numbers is "1,2,3"."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            if math.isnan(value):
                return None
            return str(int(value)) if value.is_integer() else str(value)
        case list():
            return ",".join(_cell(item, where) or "" for item in value)
        case dict():
            raise ProbeError("a cell holds a table", value=value, allowed="text, a number or a list", where=where)
        case _:
            text = str(value)
            return text if text.strip() else None


_READERS: dict[str, Callable[[Path], Cells]] = {
    "manifest.csv": read_csv,
    "manifest.parquet": _read_parquet,
    "manifest.jsonl": _read_jsonl,
}

LAYOUTS.add("manifest", Manifest())
