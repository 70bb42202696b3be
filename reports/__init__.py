"""A report is a rendering of the record: nothing is measured or judged here.

    reports.write(result, verdict, "out/", formats=["html", "pdf"])

A plug-in file registers one format: a function that is given the `Content` of a report and gives back the files
it makes, by name. Everything that is shown (order, rounding, wording, figures) is decided once, in
`Content.document`, so that two formats can never disagree.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import UsageError
from audit.registry import Registry

if TYPE_CHECKING:
    from audit.gate import Verdict
    from audit.result import AuditResult
    from audit.survey import Survey
    from reports._document import Document

DEFAULT_FORMATS = ("html", "pdf", "md")


@dataclasses.dataclass(frozen=True)
class Content:
    """What a report is made of.

    `verdict` is the record's block (`status`, `rules`), or None when nothing was judged.
    """

    result: AuditResult
    verdict: Mapping[str, Any] | None

    @functools.cached_property
    def document(self) -> Document:
        """The report as sections of text, tables and figures: made once, shared by all formats."""
        from reports._view import view

        return view(self.result, self.verdict)


Format = Callable[[Content], Mapping[str, bytes]]
"""A report format: files by name (`report.html`, `tables/groups.csv`), the same bytes for the same content."""

REPORTS: Registry[Format] = Registry(__name__, "report")


def render(result: AuditResult, verdict: Verdict | None, format: str) -> bytes:  # noqa: A002  the promised name
    """One report as bytes, the same for the same input.

    Raises:
        UsageError: no such format, or one that makes several files (use `write`).
        MachineError: a library that draws or sets the report failed.
    """
    files = REPORTS.get(format)(_content(result, verdict))
    if len(files) != 1:
        raise UsageError(
            "this format makes several files", value=format, allowed=sorted(files), hint="Use reports.write"
        )
    return next(iter(files.values()))


def write(
    result: AuditResult,
    verdict: Verdict | None,
    folder: str | Path,
    formats: Iterable[str] = DEFAULT_FORMATS,
) -> tuple[Path, ...]:
    """Write reports into `folder` and say which files were written.

    Everything is rendered before the first file is touched; files appear whole, by renaming, and are readable by
    their owner only.

    Raises:
        UsageError: no such format.
        MachineError: a file can't be written (disk full, no permission); names it and leaves no part of it.
    """
    from reports._files import write_all

    makers = [REPORTS.get(name) for name in dict.fromkeys(formats)]
    content = _content(result, verdict)
    files: dict[str, bytes] = {}
    for make in makers:
        files.update(make(content))
    return write_all(Path(folder), files)


def headlines(result: AuditResult) -> tuple[str, ...]:
    """What differs clearly and what does not, in the report's own words and order: for a terminal."""
    from reports._findings import findings
    from reports._reading import Reading

    return tuple(
        f.sentence if f.level == "clear" else f"{f.topic}: {f.sentence[:1].lower()}{f.sentence[1:]}"
        for f in findings(Reading(result))
        if f.level in ("clear", "none") or f.headline
    )


def within_strata(result: AuditResult, strata: Iterable[str]) -> tuple[str, ...]:
    """What becomes of the differences in wrong answers within these strata (`race`, `gender*race`), in the report's own
    words."""
    from reports._comparable import in_words
    from reports._reading import Reading

    return in_words(Reading(result), set(strata))


def write_survey(survey: Survey, folder: str | Path) -> tuple[Path, ...]:
    """Write `probe.html`, the page of a survey (`audit.survey_probe`), into `folder`; says which files were written.

    Raises:
        MachineError: the file can't be written.
    """
    from reports._files import write_all
    from reports._survey import survey_view
    from reports.html import page

    return write_all(Path(folder), {"probe.html": page(survey_view(survey))})


def survey_text(survey: Survey, width: int = 80) -> str:
    """What to know about a probe set, for a terminal of this width."""
    from reports._plain import plain_text
    from reports._survey import survey_brief

    return plain_text(survey_brief(survey), width)


def _content(result: AuditResult, verdict: Verdict | None) -> Content:
    return Content(result, verdict.to_json() if verdict is not None else result.verdict)
