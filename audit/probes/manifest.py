"""A folder with a table of its images: `manifest.csv`, `manifest.parquet` or `manifest.jsonl`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ProbeError
from audit.probes import LAYOUTS

if TYPE_CHECKING:
    import pandas as pd

    Cells = dict[str, list[str | None]]


class Manifest:
    """One row an image, in the file's order. Every cell is a string; an empty one is None."""

    def matches(self, folder: Path) -> bool:
        return any((folder / name).is_file() for name in _READERS)

    def read(self, folder: Path) -> pd.DataFrame:
        import pandas as pd

        (path,) = self.files(folder)
        cells = _READERS[path.name](path)
        if not cells or not any(cells.values()):
            raise ProbeError("the manifest has no rows", where=path, hint="Give it a row for every image")
        return pd.DataFrame(cells, dtype=object)

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


def _read_csv(path: Path) -> Cells:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_names([name for name in header if name], path)
        columns: list[list[str | None]] = [[] for _ in header]
        for row in reader:
            if not row:
                continue  # a blank line
            if len(row) != len(header):
                raise ProbeError(
                    f"the row has {len(row)} cells and the header {len(header)}",
                    where=f"{path}, line {reader.line_num}",
                    hint="Put a cell that holds a comma in double quotes",
                )
            for column, cell in zip(columns, row, strict=True):
                column.append(cell if cell.strip() else None)
    except csv.Error as error:
        raise ProbeError(f"the manifest is no CSV file: {error}", where=f"{path}, line {reader.line_num}") from None
    # A column without a name is a row number that a data frame wrote along.
    return {name: column for name, column in zip(header, columns, strict=True) if name}


def _read_jsonl(path: Path) -> Cells:
    rows = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise ProbeError(f"the line is no JSON object: {error}", where=where) from None
        if not isinstance(row, dict):
            raise ProbeError("the line is no JSON object", value=line, allowed='{"column": value, …}', where=where)
        rows.append({name: _cell(value, where) for name, value in row.items()})
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        _check_names(table.column_names, path)
        return {
            name: [_cell(value, f"{path}, column {name}") for value in table[name].to_pylist()]
            for name in table.column_names
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ProbeError(f"the manifest is no Parquet file that can be read: {error}", where=path) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        raise ValueError("a name stands in it twice")
    return cells


def _check_names(names: Iterable[str], where: object) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ProbeError("two columns have the same name", value=name, where=where)
        seen.add(name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProbeError(f"the manifest can't be read: {error}", where=path, hint="Save it as UTF-8 text") from None


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
    "manifest.csv": _read_csv,
    "manifest.parquet": _read_parquet,
    "manifest.jsonl": _read_jsonl,
}

LAYOUTS.add("manifest", Manifest())
