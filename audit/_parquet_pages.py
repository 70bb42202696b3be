"""What the pages of a Parquet file say of themselves, and its footer of where they are, read without unpacking any.

A file's footer says how large its columns are, too, but nothing compares that with what is unpacked. What a reader
takes memory for is what stands before each page: a structure in Thrift's compact protocol (apache/parquet-format,
parquet.thrift: PageHeader, FileMetaData; apache/thrift, thrift-compact-protocol.md). The footer is read here, too:
Arrow's own way to ask it about a column ends the whole process where something in there is broken.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

_I32, _I64, _LIST, _STRUCT = 5, 6, 9, 12  # kinds of fields
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3  # kinds of pages
_DETAILS = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}  # the field that holds more about a page of that kind
_TEXTS = (6, 7)  # types: of any length, all of one length
_DELTA_BYTE_ARRAY = 7  # an encoding: each text is told by how it differs from the one before


Fields = dict[tuple[int, int], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """One page: how many values it says it has, and its bytes once unpacked."""

    values: int
    unpacked: int
    repeats: bool  # a value that stands in it once may be meant any number of times


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A column's part of a row group: from which byte on, how many bytes, and how many values."""

    start: int
    length: int
    values: int
    texts: bool


def chunks(stream: BinaryIO) -> list[list[Chunk]]:
    """By row group those of every column, from the footer. Raises ValueError where it is broken."""
    stream.seek(-8, io.SEEK_END)
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(-8 - length, io.SEEK_END)
    try:
        groups = _structure(io.BytesIO(stream.read(length)), lists=True)[4, _LIST]
        return [[_chunk(column[3, _STRUCT]) for column in group[1, _LIST]] for group in groups]
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("its footer is broken") from None


def _chunk(told: Fields) -> Chunk:
    first, dictionary = told[9, _I64], told.get((11, _I64), 0)
    start = dictionary if 0 < dictionary < first else first  # as Arrow finds it
    return Chunk(start=start, length=told[7, _I64], values=told[5, _I64], texts=told[1, _I32] in _TEXTS)


def pages(stream: BinaryIO, start: int, length: int, values: int) -> Iterator[Page]:
    """Those in `length` bytes from `start` on, until `values` values have been seen: there a reader stops.

    Raises ValueError where a header is broken.
    """
    at, seen = start, 0
    while at < start + length and seen < values:
        stream.seek(at)
        try:
            header = _structure(stream)
            kind, unpacked, packed = header[1, _I32], header[2, _I32], header[3, _I32]
            details = header[_DETAILS[kind], _STRUCT] if kind in _DETAILS else {(1, _I32): 0}
            encoding = details.get((_encoding(kind), _I32))
            repeats = kind == _DICTIONARY or encoding == _DELTA_BYTE_ARRAY
            page = Page(details[1, _I32], unpacked, repeats)
        except (IndexError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("a page has a broken header") from None
        if min(page.values, unpacked, packed) < 0:
            raise ValueError("a page has a broken header")
        yield page
        at = stream.tell() + packed
        seen += page.values if kind != _DICTIONARY else 0


def _encoding(kind: int) -> int:
    return 4 if kind == _DATA_2 else 2


def _structure(stream: BinaryIO, *, lists: bool = False) -> Fields:
    """Numbers and structures, and if asked for lists of such, by field number and kind; all else is None.

    To Arrow, too, a field of another kind than its own is not there."""
    found: Fields = {}
    field = 0
    while (head := _byte(stream)) != 0:
        step, kind = head >> 4, head & 15
        field = field + step if step else _number(stream)
        found[field, kind] = (kind == 1) if kind in (1, 2) else _value(stream, kind, lists=lists)
    return found


def _value(stream: BinaryIO, kind: int, *, lists: bool) -> Any:
    match kind:
        case 1 | 2 | 3:  # in a list a truth is a byte
            _byte(stream)
        case 4 | 5 | 6:
            return _number(stream)
        case 7:
            stream.seek(8, 1)
        case 8:
            stream.seek(_size(stream), 1)
        case 9 | 10:
            head = _byte(stream)
            size = range(head >> 4 if head < 0xF0 else _size(stream))
            values = (_value(stream, head & 15, lists=lists) for _ in size)
            if lists:
                return list(values)
            for _ in values:
                pass
        case 12:
            return _structure(stream, lists=lists)
        case _:
            raise KeyError(kind)
    return None


def _number(stream: BinaryIO) -> int:
    size = _size(stream)
    return (size >> 1) ^ -(size & 1)


def _size(stream: BinaryIO) -> int:
    found = 0
    for shift in range(0, 70, 7):
        byte = _byte(stream)
        found |= (byte & 127) << shift
        if byte < 128:
            return found
    raise IndexError(found)


def _byte(stream: BinaryIO) -> int:
    return stream.read(1)[0]
