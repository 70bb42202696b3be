"""The gate: rules from a policy file, judged against a finished audit. Pure: nothing is measured again or written.

A rule passes only when the whole interval is within the bound, fails only when the whole interval is beyond it, and is
inconclusive otherwise (interface page, section 5; statistics page, section 4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from audit._judging import NOT_JUDGED, Finding, find
from audit._policy import Policy, Rule, check_bounds, read_policy
from audit.errors import ExitStatus
from audit.result import Attributes, AuditResult

__all__ = ["Policy", "Rule", "RuleVerdict", "Verdict", "exit_status", "judge", "read_policy"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RuleVerdict:
    """How one rule came out. For kind `value` over an attribute, `value` and `worst` are of the group that decided.

    `small_groups` are the stated groups that lack the evidence to be judged; `subjects_needed` is the size that would
    settle an inconclusive rule, where that can be said.
    """

    id: str
    status: str  # "pass", "fail", "inconclusive", "not judged"
    measure: str
    title: str
    parameters: Mapping[str, str]
    attribute: str | None
    kind: str
    test: str
    min: float | None
    max: float | None
    value: float | None
    low: float | None
    high: float | None
    worst: Attributes | None
    best: Attributes | None
    small_groups: tuple[Attributes, ...]
    subjects_needed: int | None
    basis: str | None
    reason: str | None
    explanation: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """All rules together. `reason` is "chance" when the model is no better than chance, so that nothing is judged."""

    status: str
    rules: tuple[RuleVerdict, ...] = ()
    policy_sha256: str | None = None
    reason: str | None = None
    explanation: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record's `verdict` block."""
        head = {
            "status": self.status,
            "reason": self.reason,
            "explanation": self.explanation,
            "policy_sha256": self.policy_sha256,
        }
        rules = [{**dataclasses.asdict(r), "small_groups": [dict(g) for g in r.small_groups]} for r in self.rules]
        return {**{k: v for k, v in head.items() if v is not None}, "rules": rules}

    @classmethod
    def from_json(cls, block: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        rules = tuple(RuleVerdict(**{**r, "small_groups": tuple(r["small_groups"])}) for r in block.get("rules", ()))
        known = ("status", "policy_sha256", "reason", "explanation")
        return cls(rules=rules, **{k: block[k] for k in known if k in block})


def judge(result: AuditResult, policy: Policy) -> Verdict:
    """Every rule against the audit's figures.

    A result that is no better than chance keeps every rule *not judged*. One rule without a figure to judge counts as
    inconclusive; when that is every rule, nothing was judged.

    Raises:
        PolicyError: a bound that no rate or share can reach, such as a percentage: see `check_bounds`.
    """
    chance = result.verdict if result.verdict is not None and result.verdict.get("reason") == "chance" else None
    if chance is not None:
        blocked = Finding(status=NOT_JUDGED, words="the model is no better than chance on this probe set")
        rules = tuple(_verdict(rule, blocked) for rule in policy.rules)
        explanation = chance.get("explanation")
        return Verdict(
            status=NOT_JUDGED, rules=rules, policy_sha256=policy.sha256, reason="chance", explanation=explanation
        )
    check_bounds(policy, ((m.measure, m.unit) for m in result.measurements))
    rules = tuple(_verdict(rule, find(rule, result)) for rule in policy.rules)
    return Verdict(status=_together({r.status for r in rules}), rules=rules, policy_sha256=policy.sha256)


def exit_status(verdict: Verdict | None, *, inconclusive: str = "3", exit_zero: bool = False) -> ExitStatus:
    """The status a verdict ends in. `exit_zero` covers findings only: what could not be judged at all stays 4."""
    if verdict is None or (verdict.status == NOT_JUDGED and not verdict.rules and verdict.reason is None):
        return ExitStatus.OK  # no policy, so nothing was asked
    if verdict.status == NOT_JUDGED:
        return ExitStatus.UNUSABLE
    if verdict.status == "pass" or exit_zero:
        return ExitStatus.OK
    if verdict.status == "fail":
        return ExitStatus.FAILED
    return {"3": ExitStatus.INCONCLUSIVE, "fail": ExitStatus.FAILED, "pass": ExitStatus.OK}[inconclusive]


def _together(statuses: set[str]) -> str:
    if statuses == {NOT_JUDGED}:
        return NOT_JUDGED
    if "fail" in statuses:
        return "fail"
    return "pass" if statuses == {"pass"} else "inconclusive"


def _verdict(rule: Rule, found: Finding) -> RuleVerdict:
    start = {"pass": "Passes", "fail": "Fails", "inconclusive": "Inconclusive", NOT_JUDGED: "Not judged"}[found.status]
    return RuleVerdict(
        id=rule.id,
        status=found.status,
        measure=rule.measure,
        title=found.title or rule.measure,
        parameters=dict(found.parameters if found.parameters is not None else rule.parameters),
        attribute=found.attribute or rule.attribute,
        kind=rule.kind,
        test=rule.test,
        min=rule.min,
        max=rule.max,
        value=found.value,
        low=found.low,
        high=found.high,
        worst=found.worst,
        best=found.best,
        small_groups=found.small_groups,
        subjects_needed=found.subjects_needed,
        basis=rule.basis,
        reason=rule.reason,
        explanation=f"{start}: {found.words}.",
    )
