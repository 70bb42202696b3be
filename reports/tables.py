"""`tables/*.csv`: groups, disparities, pairs, strata, layers and focus, in full precision, for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from audit.result import Attributes, AuditResult, GroupEstimate, Measurement, attribute_name, group_name
from reports import REPORTS, Content
from reports._characters import visible

Row = Mapping[str, object]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would compute a cell that begins so
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_OWN_TABLE = {"activations": "layers", "focus": "focus"}


@REPORTS.register("csv")
def tables(content: Content) -> Mapping[str, bytes]:
    """Six tables, each with a head line even when it has no rows."""
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
    made["tables/disparities.csv"] = _csv(_DISPARITY, _disparities(result))
    made["tables/pairs.csv"] = _csv(_PAIR, _pairs(result))
    made["tables/within.csv"] = _csv(_WITHIN, _within(result))
    return made


_ESTIMATE = ["attribute", "group", "value", "low", "high", "n", "subjects", "indicative"]
_DISPARITY = [
    *("measure", "parameters", "of", "attribute", "kind", "value", "low", "high", "worst", "best", "left_out"),
    *("descriptive", "p_value", "p_method", "p_adjusted", "family", "null_quantile", "note"),
]
_PAIR = [
    *("measure", "parameters", "of", "attribute", "first", "second", "difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "p_value"),
]

_WITHIN = [
    *("measure", "parameters", "of", "attribute", "by", "stratum", "value", "low", "high", "worst", "best"),
    *("comparable", "n", "subjects", "p_value", "p_adjusted", "family", "left_out", "note"),
]


def _estimates(measurement: Measurement, depths: Mapping[str, object]) -> Iterator[Row]:
    """The overall value first (no attribute, no group), then each group."""
    same = {
        **measurement.parameters,
        **_named_measure(measurement),
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
    families = {measure: family.name for family in result.families if family.by is None for measure in family.measures}
    for measurement in result.measurements:
        for disparity in measurement.disparities:
            yield {
                **{k: getattr(disparity, k, None) for k in _DISPARITY},
                **_named_measure(measurement),
                "family": families.get(measurement.measure) if disparity.p_adjusted is not None else None,
                "worst": _group(disparity.worst),
                "best": _group(disparity.best),
                "left_out": "; ".join(_group(a) for a in disparity.left_out),
            }


def _pairs(result: AuditResult) -> Iterator[Row]:
    for measurement in result.measurements:
        for pair in measurement.pairs:
            yield {
                **{k: getattr(pair, k, None) for k in _PAIR},
                **_named_measure(measurement),
                "first": _group(pair.first),
                "second": _group(pair.second),
            }


def _within(result: AuditResult) -> Iterator[Row]:
    """Each standardized difference (no stratum), then the strata that it is made of, where they are listed."""
    families = {measure: family.name for family in result.families for measure in family.measures}
    for measurement in result.measurements:
        for row in measurement.within:
            same = {**_named_measure(measurement), "attribute": row.attribute, "by": row.by}
            yield {
                **{k: getattr(row, k, None) for k in _WITHIN},
                **same,
                "family": families.get(measurement.measure) if row.p_adjusted is not None else None,
                "worst": _group(row.worst),
                "best": _group(row.best),
                "left_out": "; ".join(_group(a) for a in row.left_out),
            }
            for stratum in row.strata:
                yield {
                    **{k: getattr(stratum, k, None) for k in _WITHIN},
                    **same,
                    "stratum": _group(stratum.attributes),
                    "worst": _group(stratum.worst),
                    "best": _group(stratum.best),
                }


def _named_measure(measurement: Measurement) -> dict[str, object]:
    return {
        "measure": measurement.measure,
        "parameters": _parameters(measurement.parameters),
        "of": measurement.of,
    }


def _group(attributes: Attributes | None) -> str:
    return group_name(attributes or {})


def _parameters(parameters: Mapping[str, str]) -> str:
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
