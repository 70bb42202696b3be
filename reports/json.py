"""`audit.json`: the record itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from reports import REPORTS, Content


@REPORTS.register("json")
def record(content: Content) -> Mapping[str, bytes]:
    """The record with this verdict, as a run writes it."""
    result = content.result
    if content.verdict is not None:
        result = dataclasses.replace(result, verdict=dict(content.verdict))
    return {"audit.json": result.to_bytes()}
