"""Add a report format: one function from the content of a report to files by name.

This one writes the report as plain text, for a terminal or a mail. It shows what every format shows, because what is
said, and in which words and digits, is settled before: in `content.document`. In your own package, name the function:

    [project.entry-points."bias_audit.reports"]
    txt = "my_package.plain_text:plain_text"

and ask for it with `--formats html,txt`.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import audit
import reports
from audit.demo import write_demo
from reports import REPORTS, Content

WIDTH = 88


@REPORTS.register("txt")
def plain_text(content: Content) -> Mapping[str, bytes]:
    """Sections with their text, findings and tables; figures are left to formats that can draw."""
    document = content.document
    lines = [document.title, document.subtitle, *_sections(document.sections)]
    return {"report.txt": ("\n".join(_printable(line) for line in lines) + "\n").encode()}


def _sections(sections: Any) -> Iterator[str]:
    for section in sections:
        yield from ("", section.title.upper(), "")
        for block in section.blocks:
            yield from _BLOCKS[block.kind](block) if block.kind in _BLOCKS else ()
        yield from _sections(section.sections)


def _table(table: Any) -> Iterator[str]:
    rows = [[column.name for column in table.columns], *([_cell(cell) for cell in row] for row in table.rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    yield table.caption
    for row in rows:
        cells = zip(row, widths, table.columns, strict=True)
        yield "  ".join(cell.rjust(width) if column.number else cell.ljust(width) for cell, width, column in cells)
    yield from _paragraph(table.note)


def _cell(cell: Any) -> str:
    return f"{cell.text} ({cell.sub})" if cell.sub else str(cell.text)


def _paragraph(text: str) -> Iterator[str]:
    yield from (*textwrap.wrap(text, WIDTH), "")


def _items(items: tuple[str, ...]) -> Iterator[str]:
    for item in items:
        yield from textwrap.wrap(f"- {item}", WIDTH, subsequent_indent="  ")
    yield ""


_BLOCKS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "text": lambda block: _paragraph(block.text),
    "finding": lambda block: _paragraph(" ".join((block.sentence, *block.details))),
    "bullets": lambda block: _items(block.items),
    "callout": lambda block: (block.title, *_items(block.items)),
    "facts": lambda block: (f"{name}: {value}" for name, value in block.rows),
    "status": lambda block: _paragraph(f"{block.status.upper()}. {block.sentence}"),
    "table": _table,
}


def _printable(line: str) -> str:
    """Names come from files: a control character in one could do anything to a terminal."""
    return "".join(c if c.isprintable() else " " if c.isspace() else f"U+{ord(c):04X}" for c in line)


def main(folder: Path) -> None:
    model, probe = write_demo(folder / "demo")
    result = audit.run_audit(model, probe=probe, groups=["skin"], limit=120)
    (path,) = reports.write(result, None, folder / "out", formats=["txt"])
    sys.stdout.write(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
