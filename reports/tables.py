"""`tables/*.csv`: groups, disparities, layers and focus, in full precision, for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from audit.result import Attributes, AuditResult, GroupEstimate, Measurement, attribute_name
from reports import REPORTS, Content
from reports._characters import visible

Row = Mapping[str, object]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would compute a cell that begins so
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_OWN_TABLE = {"activations": "layers", "focus": "focus"}


@REPORTS.register("csv")
def tables(content: Content) -> Mapping[str, bytes]:
    """Four tables, each with a head line even when it has no rows."""
    result = content.result
    depths = {str(layer.get("name")): layer.get("depth") for layer in result.model.get("layers", ())}
    rows: dict[str, list[Row]] = {"groups": [], "layers": [], "focus": []}
    for measurement in result.measurements:
        rows[_OWN_TABLE.get(measurement.family, "groups")] += _estimates(measurement, depths)
    heads = {
        "groups": ["measure", "parameters", "of", *_ESTIMATE],
        "layers": ["measure", "layer", "depth", "reduction", "of", *_ESTIMATE],
        "focus": ["measure", "cam", "region", "target", "decisions", "of", *_ESTIMATE],
    }
    made = {f"tables/{name}.csv": _csv(heads[name], rows[name]) for name in rows}
    return {**made, "tables/disparities.csv": _csv(_DISPARITY, _disparities(result))}


_ESTIMATE = ["attribute", "group", "value", "low", "high", "n", "subjects", "indicative"]
_DISPARITY = [
    *("measure", "parameters", "of", "attribute", "kind", "value", "low", "high", "worst", "best", "left_out"),
    *("descriptive", "p_value", "p_method", "p_adjusted", "note"),
]


def _estimates(measurement: Measurement, depths: Mapping[str, object]) -> Iterator[Row]:
    """The overall value first (no attribute, no group), then each group."""
    same = {
        **measurement.parameters,
        "measure": measurement.measure,
        "parameters": _pairs(measurement.parameters),
        "of": measurement.of,
        "depth": depths.get(measurement.parameters.get("layer", "")),
    }
    for estimate in (measurement.overall, *measurement.by_group):
        numbers = {k: getattr(estimate, k) for k in ("value", "low", "high", "n", "subjects")}
        yield {**same, **numbers, **(_named(estimate) if isinstance(estimate, GroupEstimate) else {})}


def _named(estimate: GroupEstimate) -> dict[str, object]:
    return {
        "attribute": attribute_name(estimate.attributes),
        "group": _group(estimate.attributes),
        "indicative": estimate.indicative,
    }


def _disparities(result: AuditResult) -> Iterator[Row]:
    for measurement in result.measurements:
        for disparity in measurement.disparities:
            plain = {k: getattr(disparity, k, None) for k in _DISPARITY}
            yield {
                **plain,
                "measure": measurement.measure,
                "parameters": _pairs(measurement.parameters),
                "of": measurement.of,
                "worst": _group(disparity.worst),
                "best": _group(disparity.best),
                "left_out": "; ".join(_group(a) for a in disparity.left_out),
            }


def _group(attributes: Attributes | None) -> str:
    return "*".join("not stated" if v is None else v for v in (attributes or {}).values())


def _pairs(parameters: Mapping[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(parameters.items()))


def _csv(head: Sequence[str], rows: Iterable[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(row.get(name)) for name in head] for row in rows)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    """Numbers in full; text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = visible(str(value))
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
