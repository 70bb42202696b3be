"""Reading a table of predictions: which columns of a CSV or Parquet file are the pictures, decisions, probabilities."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit._parquet import ParquetTable
from audit.errors import ModelError
from audit.runtimes._prediction_cells import DECISION, HINT, MOST_CLASSES, decisions_of, numbers_of, place, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

PATHS = ("path", "file", "image", "filename")
SCORE = "score."

_MOST_COLUMNS = 10_000
_LONGEST_HEADER = 1 << 20  # characters
_OVERSHOOT = 0.01  # that rounding makes of 0 and 1; beyond it a number is no probability


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
        found = np.column_stack([numbers_of(table[column], column, self.path) for column in columns])
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
            hint=HINT,
        )
    decided = DECISION in seen
    scores = _score_columns([name for name in names if name and name not in (key, DECISION)])
    if not decided and len(scores) < 2:
        raise ModelError(
            f"the table has neither a column {DECISION} nor one probability a class; it has {_some(names)}",
            where=path,
            hint="For two classes write both columns: the second probability is one minus the first"
            if scores
            else HINT,
        )
    if not decided and len(scores) > MOST_CLASSES:
        raise ModelError("the table has too many columns to be classes", value=len(scores), where=path, hint=HINT)
    table = read([key, *([DECISION] if decided else [])])
    if table.num_rows == 0:
        raise ModelError("the table of predictions has no rows", where=path)
    words, codes = decisions_of(table[DECISION], path) if decided else ((), None)
    rows = rows_of(table[key], key, path)
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
