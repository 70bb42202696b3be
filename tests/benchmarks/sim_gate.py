"""The gate with the true figure exactly at the bound: how often does a rule pass, how often does it fail?

Values go through the audit's own summary, and the rule is judged by the gate itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audit.gate import Policy, Rule, Verdict, judge
from audit.groups import make_groupings, subject_codes
from audit.result import AuditResult
from audit.summary import Options, Summary
from tests.benchmarks._people import People, Row, rates
from tests.support.figures import a_measure, a_table

MOST = 0.05
WEIGHT = 5
_TOGETHER = 200  # runs in memory together


def rows(runs: int, seed: int) -> list[Row]:
    """Two rows a cell and kind of rule: passes, and fails."""
    found: list[Row] = []
    for k, (name, people, means, icc) in enumerate(_cells()):
        rules = tuple(_rules(means.min(), means.max()))
        verdicts = list(_verdicts(people, means, icc, rules, runs, [seed, 5, k]))
        for nth, rule in enumerate(rules):
            statuses = [v.rules[nth].status for v in verdicts]
            for outcome, claim in (("pass", "the gate passes at the bound"), ("fail", "the gate fails at the bound")):
                share = statuses.count(outcome) / runs
                cell = f"{rule.kind}; {name}"
                found.append({"claim": claim, "cell": cell, "bar": f"<= {MOST}", "measured": share, "runs": runs})
    return found


def _cells() -> Iterator[tuple[str, People, np.ndarray, float]]:
    for groups in (2, 3, 8):
        for how, sizes in (
            ("of 100", [100] * groups),
            ("of 1,000", [1000] * groups),
            ("every other of 50 and of 500", [50 if g % 2 else 500 for g in range(groups)]),
        ):
            for images, icc in ((1, 0.0), (3, 0.5)):
                for p, gap in ((0.05, 0.05), (0.2, 0.1)):
                    one_apart = np.where(np.arange(groups) == 0, p + gap, p)
                    people = People.apart(sizes, images)
                    name = f"{groups} groups {how}, {images} picture{'s' * (images > 1)}, rates {p:g} and {p + gap:g}"
                    yield name, people, one_apart, icc


def _rules(least: float, most: float) -> Iterator[Rule]:
    """One of each kind, each with its bound where the truth is."""
    for kind, bound in (
        ("difference", {"max": most - least}),
        ("ratio", {"min": least / most}),
        ("value", {"max": most}),
    ):
        yield Rule(id=kind, measure="m", attribute="skin", kind=kind, small_groups="report", **bound)


def _verdicts(
    people: People, means: np.ndarray, icc: float, rules: tuple[Rule, ...], runs: int, seed: list[int]
) -> Iterator[Verdict]:
    rng, draw = np.random.default_rng(seed), rates(people, means, icc)
    rows = np.repeat(np.arange(len(people.group)), people.images)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(people.images) - people.images, people.images)
    table = a_table(people.subject[rows].tolist(), skin=[f"g{g}" for g in people.group[rows]])
    policy = Policy(rules=rules, sha256="", path=Path("policy.toml"))
    summary = Summary(make_groupings(table, (("skin",),)), subject_codes(table), "gender", Options())
    for start in range(0, runs, _TOGETHER):
        some = min(_TOGETHER, runs - start)
        # Only how many of a subject's pictures have the event matters, so the first ones have it.
        values = (nth[:, None] < draw(rng, some)[rows]).astype(np.float64)
        for measurement in summary.of(values, [a_measure("m")] * some)[0]:
            result = AuditResult(
                model={}, probe={}, settings={"alpha": 0.05, "min_subjects": 30}, measurements=(measurement,),
                skipped=(), tool={}, run={},
            )  # fmt: skip
            yield judge(result, policy)
