"""A policy: rules read strictly from a TOML file, and held against what a run measures before its hours of work."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from audit import _toml
from audit._toml import Kind
from audit.errors import PolicyError, nearest

KINDS = ("value", "difference", "ratio", "max_geomean", "gini")
_LATER = ("change",)  # kinds of the interface page that this version does not judge
_REACH = {
    "difference": (0.0, math.inf, "0 or more"),
    "ratio": (0.0, 1.0, "from 0 to 1"),
    "max_geomean": (1.0, math.inf, "1 or more"),
    "gini": (0.0, 1.0, "from 0 to 1"),
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One promise about one figure. `min` and `max` are in the measure's own unit; at least one is there.

    Without `attribute` the value over all items is meant. Parameters left out are those of the first measurement
    listed under that name. `test`: "interval", or "point" for the value alone.
    """

    id: str
    measure: str
    kind: str = "value"
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attribute: str | None = None
    min: float | None = None
    max: float | None = None
    small_groups: str = "inconclusive"
    test: str = "interval"
    basis: str | None = None
    reason: str | None = None

    @property
    def low_bound(self) -> float:
        return -math.inf if self.min is None else self.min

    @property
    def high_bound(self) -> float:
        return math.inf if self.max is None else self.max

    @property
    def allowed(self) -> str:
        """The bound in words: "at most 0.05"."""
        words = [
            f"at least {self.min:g}" if self.min is not None else "",
            f"at most {self.max:g}" if self.max is not None else "",
        ]
        return " and ".join(w for w in words if w)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The rules of one file, and its hash."""

    rules: tuple[Rule, ...]
    sha256: str
    path: Path


def read_policy(path: str | Path) -> Policy:
    """Rules from a TOML file. Raises PolicyError with file, rule and key."""
    path = Path(path)
    if path.is_dir():
        raise PolicyError("the policy is a folder, not a file", value=str(path))
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise PolicyError("no such policy file", value=str(path), hint=nearest(path.name, siblings))
    data = _toml.read_bytes(path, PolicyError)
    tables = _toml.parse_toml(data, path, PolicyError)
    for name in tables:
        if name != "rule":
            raise PolicyError("unknown table", value=name, allowed="[[rule]]", where=path, hint=nearest(name, ["rule"]))
    rows = tables.get("rule", [])
    if not isinstance(rows, list) or not rows:
        raise PolicyError("holds no rule", allowed="one [[rule]] table for each rule", where=path)
    rules = tuple(_rule(row, f"{path}: [[rule]] {i}") for i, row in enumerate(rows, start=1))
    _different(rules, path)
    return Policy(rules=rules, sha256=hashlib.sha256(data).hexdigest(), path=path)


def check_bounds(policy: Policy, units: Iterable[tuple[str, str]]) -> None:
    """A bound meant in percent would pass everything: rates and shares, and their differences, reach from 0 to 1.

    Args:
        policy: the rules.
        units: each measure's name and unit.

    Raises:
        PolicyError: a rule about a rate or a share has a bound above 1.
    """
    shares = {measure for measure, unit in units if unit in ("proportion", "share")}
    for rule in policy.rules:
        bound = max((b for b in (rule.min, rule.max) if b is not None), default=0.0)
        if rule.measure in shares and rule.kind in ("value", "difference") and bound > 1:
            raise PolicyError(
                f"{rule.measure} is a share, from 0 to 1",
                value=f"{bound:g}",
                where=f"{policy.path}: rule {rule.id}" if policy.path else f"rule {rule.id}",
                hint=f"{bound:g} percent are {bound / 100:g}",
            )


def check_names(
    policy: Policy, measures: Iterable[str], attributes: Iterable[str], crossed: Collection[str] = ()
) -> None:
    """A slip of the pen in a policy is found before a run's hours of work, and never counts as "not judged".

    Args:
        policy: the rules.
        measures: every name that a measure of the run has.
        attributes: those whose groups are compared, `gender*skin` for an intersection.
        crossed: measures that are found by any of these attributes taken together.

    Raises:
        PolicyError: a rule names a measure that nothing is called, or an attribute that is not compared.
    """
    known, compared = sorted(set(measures)), sorted(set(attributes))
    alike = {tuple(sorted(name.split("*"))) for name in compared}  # gender*skin and skin*gender are the same groups
    single = {part for parts in alike for part in parts}
    for rule in policy.rules:
        where = f"{policy.path}: rule {rule.id}" if policy.path else f"rule {rule.id}"
        if rule.measure not in known:
            hint = nearest(rule.measure, known)
            raise PolicyError("no measure is called so", value=rule.measure, allowed=known, where=where, hint=hint)
        if rule.attribute is None:
            continue
        parts = tuple(sorted(rule.attribute.split("*")))
        if parts not in alike and not (rule.measure in crossed and set(parts) <= single):
            hint = nearest(rule.attribute, compared) or "Ask for it with --group"
            raise PolicyError(
                "the groups of this attribute are not compared in this run",
                value=rule.attribute, allowed=compared, where=where, hint=hint,
            )  # fmt: skip


def _parameters() -> Kind:
    def check(value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise ValueError
        return dict(value)

    return Kind('a table of texts, like { region = "face" }', check)


_RULE: Mapping[str, Kind] = {
    "id": _toml.text(),
    "measure": _toml.text(),
    "parameters": _parameters(),
    "attribute": _toml.text(),
    "kind": _toml.choice(*KINDS, *_LATER),
    "min": _toml.number("a finite number"),
    "max": _toml.number("a finite number"),
    "small_groups": _toml.choice("inconclusive", "report"),
    "test": _toml.choice("interval", "point"),
    "basis": _toml.text(),
    "reason": _toml.text(),
}


def _rule(row: Any, where: str) -> Rule:
    given = _toml.table_of(row, _RULE, where, PolicyError)
    for key in ("id", "measure"):
        if key not in given:
            raise PolicyError(f"has no {key}", where=where)
    rule = Rule(**given)
    if rule.kind in _LATER:
        raise PolicyError(
            "this version does not judge this kind", value=rule.kind, allowed=KINDS, where=f"{where} kind"
        )
    if rule.kind != "value" and rule.attribute is None:
        raise PolicyError(f"a {rule.kind} needs groups to compare, so name the attribute", where=f"{where} attribute")
    if rule.min is None and rule.max is None:
        raise PolicyError("has no bound", allowed="min = or max = (or both)", where=where)
    if rule.low_bound > rule.high_bound:
        raise PolicyError("min is above max, so no value could pass", value=f"{rule.min:g} > {rule.max:g}", where=where)
    if rule.kind != "value":
        _reachable(rule, where)
    return rule


def _reachable(rule: Rule, where: str) -> None:
    """A difference of groups is never negative, a ratio of smallest to largest never above 1."""
    least, most, range_ = _REACH[rule.kind]
    for key, bound in (("min", rule.min), ("max", rule.max)):
        if bound is not None and not least <= bound <= most:
            raise PolicyError(f"no {rule.kind} can be there", value=bound, allowed=range_, where=f"{where} {key}")


def _different(rules: Iterable[Rule], path: Path) -> None:
    seen = set()
    for rule in rules:
        if rule.id in seen:
            raise PolicyError("two rules have the same id", value=rule.id, where=path)
        seen.add(rule.id)
