"""`summary.md`: the verdict, the findings and the headline tables, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reports import REPORTS, Content
from reports._characters import visible
from reports._document import Cell, Section

LIMIT = 60_000  # bytes; the places it is pasted into stop at 64 KB
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$@!&])")
_MARKS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "not judged": "➖"}
_SECTIONS = ("summary", "policy", "rates", "differences", "comparable", "trust", "skipped", "limits")


@REPORTS.register("md")
def markdown(content: Content) -> Mapping[str, bytes]:
    """As much of the document as fits, in whole blocks; that something is left out is said."""
    document = content.document
    head = f"# {_text(document.title)}\n\n{_text(document.subtitle)}\n"
    parts, size, cut = [head], len(head.encode()), False
    for section in document.sections:
        if section.id not in _SECTIONS:
            continue
        for text in _section(section, 2):
            length = len(text.encode()) + 1
            if size + length > LIMIT:
                cut = True
                continue
            size += length
            parts.append(text)
    parts.append("The rest stands in report.html.\n" if not cut else "Shortened; everything stands in report.html.\n")
    return {"summary.md": "\n".join(parts).encode()}


def _section(section: Section, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {_text(section.title)}\n"
    for block in section.blocks:
        if block.kind in _BLOCKS and (text := _BLOCKS[block.kind](block)):
            yield text
    for inner in section.sections:
        yield from _section(inner, depth + 1)


def _table(table: Any) -> str:
    lines = [
        f"**{_text(table.caption)}**\n",
        _row([_text(c.name) for c in table.columns]),
        _row(["--:" if c.number else ":--" for c in table.columns]),
        *(_row([_cell(c) for c in row]) for row in table.rows),
    ]
    beneath = [table.folded.paper if table.folded else "", table.note]
    return "\n".join([*lines, *(f"\n{_text(said)}" for said in beneath if said)]) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return f"{_text(cell.text)} ({_text(cell.sub)})" if cell.sub else _text(cell.text)


def _finding(finding: Any) -> str:
    mark = {"clear": "**", "caution": "*"}.get(finding.level, "")
    lines = [f"- {mark}{_text(finding.sentence)}{mark}", *(f"  - {_text(d)}" for d in finding.details)]
    return "\n".join(lines) + "\n"


def _callout(callout: Any) -> str:
    return f"> **{_text(callout.title)}**\n>\n" + "\n".join(f"> - {_text(item)}" for item in callout.items) + "\n"


def _status(status: Any) -> str:
    return f"{_MARKS.get(status.status, '')} **{status.status.capitalize()}.** {_text(status.sentence)}\n"


_BLOCKS: Mapping[str, Callable[[Any], str]] = {
    "text": lambda b: f"{_text(b.text)}\n" if not b.to else "",  # a link within the page
    "bullets": lambda b: "\n".join(f"- {_text(i)}" for i in b.items) + "\n",
    "facts": lambda b: "\n".join(f"- {_text(k)}: {_text(v)}" for k, v in b.rows) + "\n",
    "table": _table,
    "finding": _finding,
    "callout": _callout,
    "status": _status,
}


def _text(text: str) -> str:
    """One line in which nothing is markup: names from the record can hold anything."""
    return _SPECIAL.sub(r"\\\1", " ".join(visible(text).split()))
