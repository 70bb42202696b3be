"""Reading a table of predictions: CSV or Parquet to paths, decisions, probabilities, and the place of what is wrong.

Arrow does the reading, so that a million rows take about a second; Python looks at single cells only where something
has gone wrong.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit._parquet import ParquetTable
from audit.errors import ModelError

if TYPE_CHECKING:
    import pyarrow as pa

PATHS = ("path", "file", "image", "filename")
DECISION = "decision"
SCORE = "score."

_MOST_COLUMNS = 10_000
_MOST_CLASSES = 1_000
_LONGEST_HEADER = 1 << 20  # characters
_OVERSHOOT = 0.01  # that rounding makes of 0 and 1; beyond it a number is no probability
_HINT = "A table of predictions has a column path, and decision or one probability a class, called score.CLASS"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """A table of N rows. `words` are the decisions that occur; `codes` [N] index them, -1 where a cell is empty.

    `scores` names the columns that may hold probabilities, by class. They are read when it is known which are wanted:
    a table can hold much else.
    """

    path: Path
    rows: dict[str, int]  # by picture: posix, relative to the probe folder
    words: tuple[str, ...]
    codes: NDArray[np.int64] | None  # None: the table has no column of decisions
    scores: dict[str, str]
    _read: Callable[[list[str]], pa.Table]

    @property
    def prefixed(self) -> bool:
        """Whether the columns of probabilities say that they are some: `score.CLASS`."""
        return any(column != name for name, column in self.scores.items())

    def probabilities(self, classes: Sequence[str]) -> NDArray[np.float64]:
        """The probabilities of these classes [N, K], NaN where a cell is empty. Raises ModelError with line and
        column: no number, or none from 0 to 1."""
        columns = [self.scores[name] for name in classes]
        table = self._read(columns)
        found = np.column_stack([_numbers(table[column], column, self.path) for column in columns])
        beyond = np.isfinite(found) & (np.abs(found - 0.5) > 0.5 + _OVERSHOOT)
        if beyond.any():
            row, at = np.argwhere(beyond)[0]
            raise ModelError(
                f"the column {columns[at]} holds a number that is no probability",
                value=f"{found[row, at]:g}",
                allowed="numbers from 0 to 1",
                where=place(self.path, int(row)),
                hint="Divide percentages by 100, and write what a softmax or sigmoid makes of logits",
            )
        return found

    def counts(self) -> dict[str, int]:
        """How often each decision occurs, in the order in which they occur first."""
        if self.codes is None:
            return {}
        codes, first, counts = np.unique(self.codes, return_index=True, return_counts=True)
        return {self.words[codes[k]]: int(counts[k]) for k in np.argsort(first) if codes[k] >= 0}

    def place(self, word: str) -> str:
        """Where a class stands first: its column of probabilities, or the row of a decision."""
        if self.codes is None or word not in self.words:
            return f"{self.path}, column {self.scores.get(word, word)}"
        return f"{place(self.path, int(np.argmax(self.codes == self.words.index(word))))}, column {DECISION}"

    def filled(self) -> tuple[str, ...]:
        """The classes that have any probability; of columns that do not say so by their names, all."""
        if not self.prefixed:
            return tuple(self.scores)
        table = self._read(list(self.scores.values()))
        return tuple(n for n, column in self.scores.items() if table[column].null_count < table.num_rows)


def read_predictions(path: Path) -> Predictions:
    """Read a table whose suffix says what it is. Raises ModelError: no such table, or one that contradicts itself."""
    names, read = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise ModelError("two columns of the table have the same name", value=name, where=path)
        seen.add(name)
    key = next((name for name in PATHS if name in seen), None)
    if key is None:
        raise ModelError(
            f"the table has no column of pictures: none is called {' or '.join(PATHS)}; it has {_some(names)}",
            where=path,
            hint=_HINT,
        )
    decided = DECISION in seen
    scores = _score_columns([name for name in names if name and name not in (key, DECISION)])
    if not decided and len(scores) < 2:
        raise ModelError(
            f"the table has neither a column {DECISION} nor one probability a class; it has {_some(names)}",
            where=path,
            hint="For two classes write both columns: the second probability is one minus the first"
            if scores
            else _HINT,
        )
    if not decided and len(scores) > _MOST_CLASSES:
        raise ModelError("the table has too many columns to be classes", value=len(scores), where=path, hint=_HINT)
    table = read([key, *([DECISION] if decided else [])])
    if table.num_rows == 0:
        raise ModelError("the table of predictions has no rows", where=path)
    words, codes = _decisions(table[DECISION], path) if decided else ((), None)
    rows = _rows(table[key], key, path)
    return Predictions(path=path, rows=rows, words=words, codes=codes, scores=scores, _read=read)


def _score_columns(names: list[str]) -> dict[str, str]:
    """Column of probabilities by class: those called `score.CLASS`, or, where there is none, all."""
    prefixed = {name.removeprefix(SCORE): name for name in names if name.startswith(SCORE) and name != SCORE}
    return prefixed or {name: name for name in names}


def _some(names: Sequence[str]) -> str:
    shown = [name or "(no name)" for name in names[:12]]
    return ", ".join(shown) + (f", … ({len(names):,} in all)" if len(names) > len(shown) else "") or "none"


# One reader a format: names of all columns, and a function that reads some of them.


def _csv(path: Path) -> tuple[list[str], Callable[[list[str]], pa.Table]]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(_LONGEST_HEADER)
            names = [name.strip() for name in next(csv.reader([line], strict=True), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"the table can't be read: {error}", where=path, hint="Save it as UTF-8 text") from None
    if len(line) == _LONGEST_HEADER or len(names) > _MOST_COLUMNS:
        raise ModelError("the table has too many columns", allowed=f"{_MOST_COLUMNS:,}", where=path)

    def read(wanted: list[str]) -> pa.Table:
        # Unnamed columns (row numbers that a data frame wrote along) get a name that no table has.
        own = [name or f"\0{at}" for at, name in enumerate(names)]
        try:
            return arrow.read_csv(
                path,
                read_options=arrow.ReadOptions(column_names=own, skip_rows=1),
                parse_options=arrow.ParseOptions(newlines_in_values=True),
                convert_options=arrow.ConvertOptions(
                    column_types=dict.fromkeys(wanted, pa.string()),
                    include_columns=wanted,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except (pa.ArrowException, OSError) as error:
            raise ModelError(f"the table is no CSV file that can be read: {_first_line(error)}", where=path) from None

    return names, read


def _parquet(path: Path) -> tuple[list[str], Callable[[list[str]], pa.Table]]:
    import pyarrow as pa

    table = ParquetTable(path, "the table", ModelError)

    def read(wanted: list[str]) -> pa.Table:
        for name in wanted:
            kind = table.schema.field(name).type
            if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                raise ModelError(
                    f"the column {name} holds {kind}, not one text or number a row",
                    where=path,
                    allowed="plain columns of text or numbers",
                )
        return table.read(wanted)

    return table.schema.names, read


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")


# Cells.


def _rows(column: pa.ChunkedArray, name: str, path: Path) -> dict[str, int]:
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


def _decisions(column: pa.ChunkedArray, path: Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The words that occur, sorted, and for each row the index of its own, -1 where the cell is empty."""
    coded = column.combine_chunks().dictionary_encode()
    said = [_word(value) for value in coded.dictionary.to_pylist()]
    words = tuple(sorted({word for word in said if word is not None}))
    if len(words) > _MOST_CLASSES:
        raise ModelError(
            f"the column {DECISION} holds {len(words):,} different answers",
            allowed=f"at most {_MOST_CLASSES:,} classes",
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


def _numbers(column: pa.ChunkedArray, name: str, path: Path) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise ModelError(f"the column {name} holds {kind}, where a probability is wanted", where=path, hint=_HINT)
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
