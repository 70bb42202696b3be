"""A document as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from reports._characters import visible
from reports._document import Document, Section, Table
from reports._numbers import PERCENT

_GLUE = "\ue000"  # private use: in no text that was made visible
_MARKS = {"clear": "!", "caution": "-", "none": " "}


def plain_text(document: Document, width: int = 80) -> str:
    """Sections one after the other, no line wider than `width` but for names that are."""
    lines = [document.title, document.subtitle]
    for section in document.sections:
        lines += ["", section.title, "─" * min(len(section.title), width), *_section(section, width)]
    return visible("\n".join(lines)) + "\n"


def _section(section: Section, width: int) -> Iterator[str]:
    for block in section.blocks:
        yield from _BLOCKS[block.kind](block, width)
    for inner in section.sections:
        yield from ("", inner.title)
        yield from _section(inner, width)


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """`textwrap` breaks at a no-break space, so a percent sign is glued to its number by something else."""
    glued = text.replace(PERCENT, f"{_GLUE}%")
    lines = textwrap.wrap(
        glued, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_GLUE, " ") for line in lines]


def _text(block: Any, width: int) -> list[str]:
    return _wrapped(block.text, width)


def _bullets(block: Any, width: int) -> list[str]:
    return [line for item in block.items for line in _wrapped(item, width, "- ", "  ")]


def _callout(block: Any, width: int) -> list[str]:
    return [f"{block.title}:", *_bullets(block, width)]


def _facts(block: Any, width: int) -> list[str]:
    return [line for name, told in block.rows for line in _wrapped(f"{name}: {told}", width, "", "    ")]


def _finding(block: Any, width: int) -> list[str]:
    lines = _wrapped(block.sentence, width, f"{_MARKS[block.level]} ", "  ")
    return [*lines, *(line for detail in block.details for line in _wrapped(detail, width, "    ", "    "))]


def _table(block: Table, width: int) -> list[str]:
    names = [column.name for column in block.columns]
    cells = [[cell.text for cell in row] for row in block.rows]
    wide = [max(len(text) for text in column) for column in zip(names, *cells, strict=True)]
    gap = 2
    wide[0] = max(8, min(wide[0], width - sum(wide[1:]) - gap * (len(wide) - 1)))
    numbers = [column.number for column in block.columns]
    lines = _wrapped(block.caption, width)
    for row in [names, *cells]:
        first = textwrap.wrap(row[0], wide[0]) or [""]
        rest = [text.rjust(n) if number else text.ljust(n) for text, n, number in zip(row, wide, numbers, strict=True)]
        lines += [*first[:-1], (" " * gap).join([first[-1].ljust(wide[0]), *rest[1:]]).rstrip()]
    return [*lines, *(_wrapped(block.note, width) if block.note else [])]


_BLOCKS = {
    "text": _text,
    "bullets": _bullets,
    "callout": _callout,
    "facts": _facts,
    "finding": _finding,
    "table": _table,
}
