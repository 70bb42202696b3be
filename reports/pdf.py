"""`report.pdf`: tagged and archival, PDF/A-2a and PDF/UA-1, from the same document as the page."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from audit.errors import MachineError
from reports import REPORTS, Content
from reports._characters import drawable, font_folder
from reports._document import Document, plain
from reports._svg import drawable_texts
from reports._templates import template_folder

STANDARDS: list[Literal["a-2a", "ua-1"]] = ["a-2a", "ua-1"]
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@REPORTS.register("pdf")
def pdf(content: Content) -> Mapping[str, bytes]:
    """The document set by typst. Data goes in as JSON, so nothing in it can be read as markup. Raises MachineError."""
    import typst

    template = template_folder() / "audit_report.typ"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", typst.TypstWarning)
        try:
            data = typst.compile(
                template.read_bytes(),
                format="pdf",
                font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(font_folder())]),
                sys_inputs={"document": json.dumps(_data(content.document))},
                pdf_standards=[*STANDARDS],
                timestamp=_when(content.document.started),
            )
        except typst.TypstError as error:
            raise MachineError(f"the PDF can't be set: {error.message}", where=template) from error
    return {"report.pdf": bytes(data)}


def _data(document: Document) -> dict[str, Any]:
    """The document for the template, in characters its fonts have, with the run's own date."""
    when = _when(document.started)
    date = {key: getattr(when, key) for key in ("year", "month", "day", "hour", "minute", "second")}
    data: dict[str, Any] = plain(document, lambda t: drawable_texts(t) if t.startswith("<svg ") else drawable(t))
    return {**data, "date": date}


def _when(started: str) -> dt.datetime:
    """The run's start. An archival file must carry a date: one without gets the first day that computers count."""
    try:
        when = dt.datetime.fromisoformat(started)
    except ValueError:
        return _EPOCH
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
