"""The sentence behind a verdict: the figure with its interval, whom it is about, and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.result import Attributes, AuditResult, Measurement

if TYPE_CHECKING:
    from audit._evidence import Evidence
    from audit._policy import Rule

_KINDS = {"max_geomean": "largest group over the geometric mean", "gini": "Gini coefficient"}


def figure(rule: Rule, result: AuditResult, measurement: Measurement, seen: Evidence, attribute: str | None) -> str:
    """The figure with its interval, and what is allowed."""
    title = measurement.title
    title = title[:1].lower() + title[1:] if title[1:2].islower() else title
    if rule.parameters:
        title += f" ({group_name(rule.parameters)})"
    if rule.kind == "value":
        subject = f"the {title} of the group {group_name(seen.worst)}" if seen.worst else f"the overall {title}"
    else:
        subject = f"the {_KINDS.get(rule.kind, rule.kind)} in {title} by {attribute}"
    if math.isnan(seen.value):
        return f"{subject} could not be measured; {rule.allowed} is allowed"
    bounds = [b for b in (rule.min, rule.max) if b is not None]
    level = 100 * (1 - float(result.settings.get("alpha", 0.05)))
    interval = (
        f" ({level:g} % interval {_number(seen.low, bounds)} to {_number(seen.high, bounds)})"
        if math.isfinite(seen.high - seen.low)
        else " (without an interval)"
    )
    between = _between(rule, measurement, seen) if attribute else ""
    point = ", judged by its value alone" if rule.test == "point" else ""
    return f"{subject} is {_number(seen.value, bounds)}{interval}{between}; {rule.allowed} is allowed{point}"


def _between(rule: Rule, measurement: Measurement, seen: Evidence) -> str:
    """Whom the figure is about: two groups, the largest alone, or (Gini) all of them."""
    if not (seen.worst and seen.best) or rule.kind == "gini":
        return ""
    if rule.kind == "max_geomean":
        return f", the largest being {group_name(seen.best if measurement.better == 'higher' else seen.worst)}"
    return f", {group_name(seen.worst)} against {group_name(seen.best)}"


def _number(value: float, bounds: Sequence[float]) -> str:
    """Three digits, or as many as keep the number on its own side of every bound."""
    for digits in range(3, 17):
        text = f"{value:.{digits}g}"
        if all((float(text) > b) == (value > b) and (float(text) < b) == (value < b) for b in (*bounds, 0.0)):
            return text
    return repr(value)


def group_name(attributes: Attributes | None) -> str:
    return ", ".join(f"{k} {'not stated' if v is None else v}" for k, v in (attributes or {}).items())


def named(groups: Sequence[Attributes]) -> str:
    shown = "; ".join(group_name(g) for g in groups[:5]) + ("; …" if len(groups) > 5 else "")
    return f" {shown}" if groups else ""
