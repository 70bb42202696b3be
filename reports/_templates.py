"""Where the templates are: inside this package in a wheel, beside it in a checkout."""

from __future__ import annotations

import functools
from pathlib import Path

from audit.errors import MachineError


@functools.cache
def template_folder() -> Path:
    """The folder of `audit_report.html.j2` and its siblings."""
    here = Path(__file__).resolve().parent
    for folder in (here / "templates", here.parent / "templates"):
        if (folder / "audit_report.typ").is_file():
            return folder
    raise MachineError("the report templates are missing", where=here, hint="Install the package again")
