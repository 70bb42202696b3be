"""What the pages of a Parquet file say of themselves, read without unpacking any.

A file's footer says how large its columns are, too, but nothing compares that with what is unpacked. What a reader
takes memory for is what stands before each page: a structure in Thrift's compact protocol (apache/parquet-format,
parquet.thrift: PageHeader; apache/thrift, thrift-compact-protocol.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, BinaryIO

_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3  # kinds of pages
_DETAILS = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}  # the field that holds more about a page of that kind
_DELTA_BYTE_ARRAY = 7  # an encoding: each text is told by how it differs from the one before


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """One page: how many values it says it has, and its bytes once unpacked."""

    values: int
    unpacked: int
    repeats: bool  # a value that stands in it once may be meant any number of times


def pages(stream: BinaryIO, start: int, length: int, values: int) -> Iterator[Page]:
    """Those in `length` bytes from `start` on, until `values` values have been seen: there a reader stops.

    Raises ValueError where a header is broken.
    """
    at, seen = start, 0
    while at < start + length and seen < values:
        stream.seek(at)
        try:
            header = _structure(stream)
            kind, unpacked, packed = header[1], header[2], header[3]
            details = header[_DETAILS[kind]] if kind in _DETAILS else {1: 0}
            page = Page(details[1], unpacked, kind == _DICTIONARY or details.get(_encoding(kind)) == _DELTA_BYTE_ARRAY)
        except (IndexError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("a page has a broken header") from None
        if min(page.values, unpacked, packed) < 0:
            raise ValueError("a page has a broken header")
        yield page
        at = stream.tell() + packed
        seen += page.values if kind != _DICTIONARY else 0


def _encoding(kind: int) -> int:
    return 4 if kind == _DATA_2 else 2


def _structure(stream: BinaryIO) -> dict[int, Any]:
    """Numbers and structures by field number; all else is None."""
    found: dict[int, Any] = {}
    field = 0
    while (head := _byte(stream)) != 0:
        step, kind = head >> 4, head & 15
        field = field + step if step else _number(stream)
        found[field] = (kind == 1) if kind in (1, 2) else _value(stream, kind)
    return found


def _value(stream: BinaryIO, kind: int) -> Any:
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
            for _ in range(head >> 4 if head < 0xF0 else _size(stream)):
                _value(stream, head & 15)
        case 12:
            return _structure(stream)
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
