"""Parquet tables that others made: what one unfolds to is counted before it is read and while it is.

A text that stands once in a page may be meant a million times, so neither the file's size nor that of its unpacked
pages says what a table takes in memory. Three things are held small: cells and unpacked pages, by what every page
says of itself; a batch, by its number of rows; and all batches together, by what they came to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audit._parquet_pages import Chunk, Page, chunks, pages
from audit.errors import UnusableInput

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS, _CELLS_A_BYTE = 20_000_000, 50
_BYTES, _BYTES_A_BYTE = 2**28, 100
_BATCH = 2**26  # bytes that the texts of a batch may come to
_ROWS = 2**16  # of a batch


def most_cells(size: int) -> int:
    """How many cells a file of so many bytes may stand for."""
    return _CELLS + _CELLS_A_BYTE * size


class ParquetTable:
    """An opened file. What is wrong with it is raised as `error`, with `what` it is to the user ("the manifest")."""

    def __init__(self, path: Path, what: str, error: type[UnusableInput]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path, self._what, self._error = path, what, error
        try:
            self._size = path.stat().st_size
            self._file = pq.ParquetFile(path)
            self.schema: pa.Schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as problem:
            raise self._unreadable(problem) from None
        self._most_bytes = _BYTES + _BYTES_A_BYTE * self._size

    def read(self, names: Sequence[str]) -> pa.Table:
        """These columns, every text in its own cell. Raises `error`: broken, or it unfolds to far more than a file of
        its size should."""
        import pyarrow as pa

        try:
            rows = self._rows_at_once(names)
            columns, taken = [], 0
            for name in names:
                pieces = []
                for batch in self._file.iter_batches(rows[name], columns=[name]):
                    pieces.append(_unshared(batch[name]))
                    taken += pieces[-1].nbytes
                    self._check(taken, "bytes", self._most_bytes)
                columns.append(pa.chunked_array(pieces or [pa.array([], self.schema.field(name).type)]))
            return pa.table(columns, list(names))
        except (pa.ArrowException, OSError, ValueError) as problem:
            raise self._unreadable(problem) from None

    def _rows_at_once(self, names: Sequence[str]) -> dict[str, int]:
        """How many rows of each column may be unpacked together, from what its pages say of themselves."""
        leaves, rows = self._leaves(), {}
        cells = unpacked = 0
        with self._path.open("rb") as stream:
            groups = chunks(stream)
            for name in names:
                before, longest = cells, 0
                parts = (_part(group, leaf) for leaf in leaves[name] for group in groups)
                for page in (page for part in parts for page in _pages(stream, part)):
                    cells, unpacked = cells + page.values, unpacked + page.unpacked
                    self._check(cells, "cells", most_cells(self._size))
                    self._check(unpacked, "bytes", self._most_bytes)
                    longest = max(longest, page.unpacked if page.repeats else 0)
                if any(self._file.metadata.schema.column(leaf).max_repetition_level for leaf in leaves[name]):
                    self._check((cells - before) * longest, "bytes", self._most_bytes)  # one row may hold them all
                rows[name] = min(_ROWS, max(1, _BATCH // max(1, longest)))
        return rows

    def _leaves(self) -> dict[str, list[int]]:
        """Which of the file's columns hold each of the table's: several where a cell holds more than one value."""
        schema, found = self._file.metadata.schema, defaultdict(list)
        for leaf in range(len(schema)):
            parts = schema.column(leaf).path.split(".")  # names may hold dots themselves
            for end in range(1, len(parts) + 1):
                found[".".join(parts[:end])].append(leaf)
        return found

    def _check(self, count: int, of: str, most: int) -> None:
        if count > most:
            raise self._error(
                f"{self._what} unpacks to far more than its size",
                value=f"{count:,} {of} or more",
                allowed=f"at most {most:,} {of} of a file of {self._size:,} bytes",
                where=self._path,
                hint="Write it again without columns that are not needed, or as CSV",
            )

    def _unreadable(self, problem: Exception) -> UnusableInput:
        said = (str(problem).splitlines() or ["no reason given"])[0].rstrip(".")
        return self._error(f"{self._what} is no Parquet file that can be read: {said}", where=self._path)


def _part(group: Sequence[Chunk], leaf: int) -> Chunk:
    if leaf >= len(group):
        raise ValueError("its footer is broken")
    return group[leaf]


def _pages(stream: BinaryIO, chunk: Chunk) -> Iterator[Page]:
    for page in pages(stream, chunk.start, chunk.length, chunk.values):
        yield Page(page.values, page.unpacked, page.repeats and chunk.texts)


def _unshared(column: pa.Array) -> pa.Array:
    """An array with every text in its own cell, not in a dictionary beside them."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
