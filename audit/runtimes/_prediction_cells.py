"""The cells of a table of predictions: pictures, decisions, probabilities, and the place of one that is wrong.

Arrow does the reading, so that a million rows take about a second; Python looks at single cells only where something
has gone wrong.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit.errors import ModelError

if TYPE_CHECKING:
    import pyarrow as pa

DECISION = "decision"
MOST_CLASSES = 1_000
HINT = "A table of predictions has a column path, and decision or one probability a class, called score.CLASS"


def rows_of(column: pa.ChunkedArray, name: str, path: Path) -> dict[str, int]:
    pictures = [_plain(_word(cell) or "") for cell in column.to_pylist()]
    rows = dict(zip(pictures, range(len(pictures)), strict=True))
    if "" in rows:
        where = place(path, rows[""])
        raise ModelError(f"the cell `{name}` is empty", where=where, hint="Every row names a picture")
    if len(rows) < len(pictures):
        first: dict[str, int] = {}
        again = next(at for at, picture in enumerate(pictures) if first.setdefault(picture, at) != at)
        where = place(path, again)
        raise ModelError(
            f"the same picture stands in an earlier row, {place(path, first[pictures[again]])}",
            value=pictures[again],
            where=where,
            hint="Keep one prediction a picture",
        )
    return rows


def _plain(text: str) -> str:
    """A path as the probe set spells it: forward slashes, nothing superfluous."""
    if text and ("\\" in text or "//" in text or "/." in text or text[0] in "./" or text[-1] == "/"):
        return str(PurePosixPath(text.replace("\\", "/")))
    return text


def decisions_of(column: pa.ChunkedArray, path: Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The words that occur, sorted, and for each row the index of its own, -1 where the cell is empty."""
    coded = column.combine_chunks().dictionary_encode()
    said = [_word(value) for value in coded.dictionary.to_pylist()]
    words = tuple(sorted({word for word in said if word is not None}))
    if len(words) > MOST_CLASSES:
        raise ModelError(
            f"the column {DECISION} holds {len(words):,} different answers",
            allowed=f"at most {MOST_CLASSES:,} classes",
            where=path,
        )
    number = {word: code for code, word in enumerate(words)}
    codes = np.array([*(-1 if word is None else number[word] for word in said), -1], dtype=np.int64)
    return words, codes[coded.indices.fill_null(len(said)).to_numpy(zero_copy_only=False)]


def _word(value: object) -> str | None:
    """A decision as text, as a CSV file would hold it: 1.0 is "1"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if np.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    text = "" if value is None else str(value)
    return text if text.strip() else None


def numbers_of(column: pa.ChunkedArray, name: str, path: Path) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise ModelError(f"the column {name} holds {kind}, where a probability is wanted", where=path, hint=HINT)
    try:
        numbers = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        row, cell = next((at, c) for at, c in enumerate(column.to_pylist()) if not _is_number(c))
        raise ModelError(
            f"the column {name} holds a cell that is no number, where a probability is wanted",
            value=cell,
            where=place(path, row),
            hint="Columns beside path and decision are read as one probability a class: call these score.CLASS where "
            "the table has others, or name them with --classes",
        ) from None
    found: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return found.astype(np.float64)


def _is_number(cell: object) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(pa.array([cell]), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def place(path: Path, row: int) -> str:
    """Where a row stands: the line in a CSV file, blank lines and cells over several lines counted."""
    if path.suffix.lower() == ".parquet":
        return f"{path}, row {row + 1}"
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        filled = (reader.line_num for cells in reader if cells)
        try:
            line = next(itertools.islice(filled, row + 1, None), row + 2)
        except csv.Error:  # Arrow takes what Python's reader does not
            line = row + 2
        return f"{path}, line {line}"
