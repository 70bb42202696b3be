"""`report.html`: one file, readable offline and without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from reports import REPORTS, Content
from reports._characters import visible
from reports._document import Document
from reports._templates import template_folder


@REPORTS.register("html")
def html(content: Content) -> Mapping[str, bytes]:
    """The report as a page."""
    return {"report.html": page(content.document, gallery=bool(content.result.faces))}


def page(document: Document, *, gallery: bool = False) -> bytes:
    """A document as a page. Names from the record are escaped by the template engine; only our own drawings go in
    as they are. The policy in the head allows this page's style sheet, by its hash, and pictures inside the page."""
    import jinja2

    loader = jinja2.FileSystemLoader(template_folder())
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    sheets = ["audit_report.css", *(["gallery.css"] if gallery else [])]
    style = "".join((template_folder() / sheet).read_text(encoding="utf-8") for sheet in sheets)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    made = environment.get_template("audit_report.html.j2").render(document=document, style=style, digest=digest)
    return visible(made).encode()
