"""A report as plain values: sections of blocks, every word and number ready to print.

A format needs one way to show each `kind` of block and nothing else; it never looks into the record.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A paragraph. `role`: "body", "lead" (larger) or "small". `to`: the id of a section that it is a link to."""

    kind: ClassVar[str] = "text"
    text: str
    role: str = "body"
    to: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Bullets:
    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """Pairs of a name and what it is."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """`sub` is shown smaller beneath: the interval of a value. `mark`: "weak" for what is only indicative."""

    text: str
    sub: str = ""
    mark: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    name: str
    number: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """Further rows of a table. A page shows them once `open` is pressed; paper says `paper` in their place."""

    caption: str
    open: str
    paper: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """`heads` columns at the left name the row."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    heads: int = 1
    note: str = ""
    folded: Folded | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A drawing. `name` is unique in the document; `alt` says in words what it shows; `svg` is one element that
    needs no style sheet, with true text in it. `paper`: false where it would take a page of its own for what a table
    beside it says, so that it is shown on a page only."""

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    alt: str
    svg: str
    paper: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Photo:
    """A small JPEG of a person, with a title and lines beneath it. `alt` says what stands there for those who can't
    see it."""

    jpeg: bytes
    alt: str
    title: str
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    kind: ClassVar[str] = "gallery"
    photos: tuple[Photo, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One sentence to remember, with what it rests on. `level`: "clear", "none" or "caution". `headline`: told on a
    terminal, too, though it is a caution."""

    kind: ClassVar[str] = "finding"
    topic: str
    level: str
    sentence: str
    details: tuple[str, ...] = ()
    headline: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The verdict. `status`: "pass", "fail", "inconclusive", "not judged"."""

    kind: ClassVar[str] = "status"
    status: str
    sentence: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Callout:
    """What must be read first."""

    kind: ClassVar[str] = "callout"
    title: str
    items: tuple[str, ...]


Block: TypeAlias = Text | Bullets | Facts | Table | Picture | Gallery | Finding | Status | Callout


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()

    def every(self) -> Iterator[Section]:
        """This section and those inside it, in reading order."""
        yield self
        for inner in self.sections:
            yield from inner.every()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """`started` is the run's own time (ISO 8601), "" when the record has none."""

    title: str
    subtitle: str
    started: str
    sections: tuple[Section, ...]

    def every(self) -> Iterator[Section]:
        for section in self.sections:
            yield from section.every()


def plain(value: Any, text: Callable[[str], str] = str) -> Any:
    """A document as dictionaries and lists for JSON, each block with its `kind`; every string goes through `text`,
    bytes are numbers."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: plain(getattr(value, f.name), text) for f in dataclasses.fields(value)}
        kind = getattr(value, "kind", None)
        return fields if kind is None else {"kind": kind, **fields}
    if isinstance(value, tuple | bytes):
        return [plain(item, text) for item in value]
    return text(value) if isinstance(value, str) else value
