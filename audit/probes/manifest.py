"""A folder with a table of its images: `manifest.csv`, `manifest.parquet` or `manifest.jsonl`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit.errors import ProbeError
from audit.probes import LAYOUTS, Listing
from audit.probes._csv import Cells, check_names, read_csv, read_text

_MOST_CELLS = 20_000_000  # of a small Parquet file
_MOST_BYTES = 2**28


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
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _check_size(file.metadata, path)
        table = file.read()
        check_names(table.column_names, path)
        return {
            name: [_cell(value, f"{path}, column {name}") for value in table[name].to_pylist()]
            for name in table.column_names
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ProbeError(f"the manifest is no Parquet file that can be read: {error}", where=path) from None


def _check_size(told: Any, path: Path) -> None:
    """A few bytes of a Parquet file can stand for any number of rows."""
    groups = (told.row_group(at) for at in range(told.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    held = path.stat().st_size
    if told.num_rows * told.num_columns > _MOST_CELLS + 50 * held or unpacked > _MOST_BYTES + 100 * held:
        raise ProbeError("the manifest unpacks to far more than its size", value=f"{told.num_rows:,} rows", where=path)


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
