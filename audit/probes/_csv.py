"""CSV and plain text of a probe set: every cell a string, an empty one None; what is wrong is said with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from audit.errors import ProbeError

MOST_COLUMNS = 5000
Cells = dict[str, list[str | None]]


def read_csv(path: Path, what: str = "the manifest") -> Cells:
    """The columns of a CSV file with a header, by name. Raises ProbeError."""
    reader = csv.reader(io.StringIO(read_text(path, what), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        check_names([name for name in header if name], path)
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
        raise ProbeError(f"{what} is no CSV file: {error}", where=f"{path}, line {reader.line_num}") from None
    # A column without a name is a row number that a data frame wrote along.
    return {name: column for name, column in zip(header, columns, strict=True) if name}


def check_names(names: Iterable[str], where: object) -> None:
    """Raises ProbeError where two columns have the same name, or there are far too many."""
    seen: set[str] = set()
    for name in names:
        if len(seen) == MOST_COLUMNS:
            raise ProbeError("far too many columns", allowed=f"up to {MOST_COLUMNS:,}", where=where)
        if name in seen:
            raise ProbeError("two columns have the same name", value=name, where=where)
        seen.add(name)


def read_text(path: Path, what: str = "the manifest") -> str:
    """The whole file, a byte order mark left out. Raises ProbeError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProbeError(f"{what} can't be read: {error}", where=path, hint="Save it as UTF-8 text") from None
