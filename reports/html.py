"""`report.html`: one file, readable offline and without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from reports import REPORTS, Content
from reports._characters import visible
from reports._templates import template_folder


@REPORTS.register("html")
def html(content: Content) -> Mapping[str, bytes]:
    """The document as a page. Names from the record are escaped by the template engine; only our own drawings go in
    as they are. The policy in the head allows this page's style sheet, by its hash, and pictures inside the page."""
    import jinja2

    loader = jinja2.FileSystemLoader(template_folder())
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    style = (template_folder() / "audit_report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("audit_report.html.j2").render(
        document=content.document, style=style, digest=digest
    )
    return {"report.html": visible(page).encode()}
