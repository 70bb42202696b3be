"""Policies are read strictly; a rule passes or fails only on its whole interval."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import t

from audit.errors import ExitStatus, PolicyError
from audit.gate import Policy, Rule, Verdict, exit_status, judge, read_policy
from audit.result import AuditResult, GroupEstimate, Skipped
from tests.support import results
from tests.support.audits import GROUPS, estimate, gap, group, measured, result


def policy(*rules: Rule) -> Policy:
    return Policy(rules=rules, sha256="0" * 64, path=Path("policy.toml"))


def one(rule: Rule, found: AuditResult) -> Any:
    return judge(found, policy(rule)).rules[0]


GAP = Rule(id="gap", measure="wrong_label_rate", attribute="skin", kind="difference", max=0.05)
EACH = Rule(id="each", measure="wrong_label_rate", attribute="skin", kind="value", max=0.05)


@pytest.mark.parametrize(
    ("low", "value", "high", "status"),
    [
        pytest.param(0.0, 0.02, 0.05, "pass", id="whole interval within"),
        pytest.param(0.0, 0.02, 0.0500001, "inconclusive", id="upper limit a hair above"),
        pytest.param(0.0500001, 0.1, 0.2, "fail", id="whole interval beyond"),
        pytest.param(0.05, 0.1, 0.2, "inconclusive", id="lower limit on the bound"),
    ],
)
def test_a_gap_is_judged_by_its_whole_interval(low: float, value: float, high: float, status: str) -> None:
    assert one(GAP, result(measured(disparities=(gap(low, value, high),)))).status == status


def test_a_min_bound_is_judged_the_other_way_round() -> None:
    ratio = dataclasses.replace(gap(0.7, 0.85, 0.95), kind="ratio")
    found = result(measured(disparities=(ratio,)))
    statuses = [one(dataclasses.replace(GAP, kind="ratio", max=None, min=m), found).status for m in (0.6, 0.8, 0.96)]

    assert statuses == ["pass", "inconclusive", "fail"]


def context_mass(*classes: str, lows: float = 0.0, searched: int = 4) -> AuditResult:
    """The share of the map on a badge in these classes, with and without one: 0.02, up to 0.04."""
    cells = [{"gender": name, "badge": badge} for name in classes for badge in ("yes", "no")]
    groups = tuple(
        dataclasses.replace(group("", 0.02 + lows, lows, 0.04 + lows, 200), attributes=cell, n=200) for cell in cells
    )
    fields = {"measure": "context_mass", "family": "focus", "unit": "share", "searched": searched}
    probe = {"cells": [{"attributes": {"gender": name}} for name in ("female", "male")]}
    probe["cells"].append({"attributes": {"gender": None}})
    return result(measured(groups=groups, **fields), probe=probe)


CONTEXT = Rule(id="badge", measure="context_mass", attribute="badge*gender", max=0.1)


def test_what_lies_on_a_context_is_judged_in_every_cell() -> None:
    found = context_mass("female", "male")

    assert one(CONTEXT, found).status == "pass"
    assert one(dataclasses.replace(CONTEXT, max=0.03), found).status == "inconclusive"
    assert one(CONTEXT, context_mass("female", "male", lows=0.5)).status == "fail"
    # The same limits fail no more where they are the clearest of very many.
    assert one(CONTEXT, context_mass("female", "male", lows=0.107)).status == "fail"
    assert one(CONTEXT, context_mass("female", "male", lows=0.107, searched=10_000)).status == "inconclusive"


def test_classes_that_a_list_of_the_clearest_leaves_out_have_not_passed() -> None:
    verdict = one(CONTEXT, context_mass("female"))

    assert verdict.status == "inconclusive"
    assert "lists the clearest groups only, and not: gender male" in verdict.explanation


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_the_clearest_of_many_comparisons_is_no_gap_to_judge(kind: str) -> None:
    verdict = one(dataclasses.replace(CONTEXT, kind=kind), context_mass("female", "male"))

    assert verdict.status == "not judged"
    assert "lists the clearest of 4 comparisons" in verdict.explanation
    assert "a rule on it can be of the kind value" in verdict.explanation


@pytest.mark.parametrize(
    ("kind", "limits", "bounds", "words"),
    [
        pytest.param(
            "max_geomean", (1.1, 1.3, 1.6), (1.7, 1.5, 1.05), "largest group over the geometric mean", id="NIST"
        ),
        pytest.param("gini", (0.1, 0.2, 0.4), (0.5, 0.3, 0.05), "Gini coefficient", id="Gini"),
    ],
)
def test_other_summaries_are_judged_alike(
    kind: str, limits: tuple[float, float, float], bounds: tuple[float, ...], words: str
) -> None:
    found = result(measured(disparities=(dataclasses.replace(gap(*limits), kind=kind),)))
    verdicts = [one(dataclasses.replace(GAP, kind=kind, max=bound), found) for bound in bounds]
    _, value, high = limits
    k = ((high - value) / (bounds[1] - value)) ** 2

    assert [v.status for v in verdicts] == ["pass", "inconclusive", "fail"]
    assert verdicts[2].explanation.startswith(f"Fails: the {words} in wrong-gender rate by skin is {value}")
    assert verdicts[1].subjects_needed == math.ceil(found.measurements[0].overall.subjects * k * (1 + 0.84 / 1.96) ** 2)


def test_a_kind_that_a_zero_makes_impossible_is_not_judged() -> None:
    row = dataclasses.replace(
        gap(0.0, 0.0, 0.0),
        kind="max_geomean",
        value=None,
        low=None,
        high=None,
        note="a group is at 0",
    )
    verdict = one(dataclasses.replace(GAP, kind="max_geomean", max=1.5), result(measured(disparities=(row,))))

    assert (verdict.status, verdict.explanation) == ("not judged", "Not judged: a group is at 0.")


@pytest.mark.parametrize(
    ("kind", "better", "words"),
    [
        ("max_geomean", "lower", "interval 1.1 to 1.6), the largest being skin dark; at most 1.05 is allowed."),
        ("max_geomean", "higher", "interval 1.1 to 1.6), the largest being skin light; at most 1.05 is allowed."),
        ("gini", "lower", "interval 1.1 to 1.6); at most 1.05 is allowed."),
    ],
)
def test_a_summary_of_all_groups_names_no_two_of_them(kind: str, better: str, words: str) -> None:
    found = measured(disparities=(dataclasses.replace(gap(1.1, 1.3, 1.6), kind=kind),), better=better)
    explanation = one(dataclasses.replace(GAP, kind=kind, max=1.05), result(found)).explanation

    assert explanation.endswith(words)


def test_a_failing_gap_is_explained_in_one_sentence() -> None:
    verdict = one(GAP, result(measured(disparities=(gap(0.06, 0.1, 0.14),))))

    assert verdict.explanation == (
        "Fails: the difference in wrong-gender rate by skin is 0.1 (95 % interval 0.06 to 0.14), "
        "skin dark against skin light; at most 0.05 is allowed."
    )


def test_no_rounding_carries_a_limit_over_the_bound() -> None:
    verdict = one(GAP, result(measured(disparities=(gap(0.0, 0.02, 0.0500001),))))

    assert "0 to 0.0500001" in verdict.explanation


def test_the_subjects_that_would_settle_it_follow_the_formula() -> None:
    verdict = one(GAP, result(measured(disparities=(gap(0.0, 0.03, 0.07),))))
    times = ((0.07 - 0.03) / (0.05 - 0.03)) ** 2 * (1 + 0.84 / 1.96) ** 2

    assert verdict.subjects_needed == math.ceil(500 * times)


def test_a_value_close_to_the_bound_cannot_be_settled_in_practice() -> None:
    verdict = one(GAP, result(measured(disparities=(gap(0.0, 0.0499, 0.07),))))

    assert verdict.subjects_needed is None
    assert "can't be settled in practice" in verdict.explanation


def test_a_group_without_evidence_turns_a_pass_into_inconclusive_and_is_named() -> None:
    few = group("very dark", 0.0, 0.0, 0.3, subjects=12)
    found = result(measured(groups=(*GROUPS, few), disparities=(gap(0.0, 0.01, 0.03),)))
    verdict = one(GAP, found)

    assert (verdict.status, verdict.small_groups) == ("inconclusive", ({"skin": "very dark"},))
    assert "skin very dark" in verdict.explanation


def test_a_group_without_evidence_is_only_reported_where_the_rule_says_so() -> None:
    few = group("very dark", 0.0, 0.0, 0.3, subjects=12)
    found = result(measured(groups=(*GROUPS, few), disparities=(gap(0.0, 0.01, 0.03),)))

    assert one(dataclasses.replace(GAP, small_groups="report"), found).status == "pass"


def test_people_whose_group_is_not_stated_never_hold_up_a_rule() -> None:
    unknown = group(None, 0.5, 0.1, 0.9, subjects=12)
    found = result(measured(groups=(*GROUPS, unknown), disparities=(gap(0.0, 0.01, 0.03),)))

    assert one(GAP, found).status == "pass"


def test_a_gap_without_two_groups_of_evidence_is_inconclusive() -> None:
    verdict = one(GAP, result(measured(disparities=(gap(0.0, 0.0, 0.0, descriptive=True),))))

    assert verdict.status == "inconclusive"


def test_the_point_test_judges_the_value_alone_and_says_so() -> None:
    verdict = one(dataclasses.replace(GAP, test="point"), result(measured(disparities=(gap(0.0, 0.06, 0.2),))))

    assert verdict.status == "fail"
    assert verdict.explanation.endswith("judged by its value alone.")


def test_the_overall_value_is_judged_when_no_attribute_is_named() -> None:
    rule = dataclasses.replace(EACH, attribute=None, max=0.1)

    assert one(rule, result(measured())).status == "pass"


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.09), (0.2, 0.6)], ids=["within", "beyond"])
def test_an_overall_value_from_few_subjects_neither_passes_nor_fails(low: float, high: float) -> None:
    rule = dataclasses.replace(EACH, attribute=None, max=0.1)
    few = measured(overall=estimate((low + high) / 2, low, high, subjects=20))

    assert one(rule, result(few)).status == "inconclusive"


def test_every_group_has_to_be_within_for_a_pass() -> None:
    statuses = [one(dataclasses.replace(EACH, max=bound), result(measured())).status for bound in (0.2, 0.14, 0.05)]

    assert statuses == ["pass", "inconclusive", "fail"]


def test_the_group_that_decided_is_named() -> None:
    assert one(EACH, result(measured())).worst == {"skin": "dark"}


def wilson(p: float, n: float, c: float) -> tuple[float, float]:
    center, half = p + c * c / (2 * n), c * math.sqrt(p * (1 - p) / n + c * c / (4 * n * n))
    return (center - half) / (1 + c * c / n), (center + half) / (1 + c * c / n)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_among_several_groups_a_fail_needs_the_wider_limits_of_a_proportion(p: float) -> None:
    groups, subjects, n_star = 4, 150, 140.0
    plain = wilson(p, n_star, t.ppf(0.975, subjects - 1))
    wide = wilson(p, n_star, t.ppf(1 - 0.05 / (2 * groups), subjects - 1))
    rows = tuple(group(name, p, *plain, subjects=subjects) for name in "abcd")
    found = result(measured(groups=rows))
    # A value may be expected *below* the bound too: `min` is then beyond the upper limit.
    beyond = one(dataclasses.replace(EACH, max=None, min=wide[1] + 1e-9), found).status
    between = one(dataclasses.replace(EACH, max=None, min=(wide[1] + plain[1]) / 2), found).status

    assert (beyond, between) == ("fail", "inconclusive")


def test_among_several_groups_a_fail_needs_the_wider_limits_of_a_mean() -> None:
    subjects = 150
    half = 0.1
    wide = half * t.ppf(1 - 0.05 / 8, subjects - 1) / t.ppf(0.975, subjects - 1)
    rows = tuple(group(name, 1.0, 1.0 - half, 1.0 + half, subjects=subjects) for name in "abcd")
    found = result(measured(groups=rows, unit="level"))
    statuses = [one(dataclasses.replace(EACH, max=1.0 - w), found).status for w in (wide + 1e-9, (wide + half) / 2)]

    assert statuses == ["fail", "inconclusive"]


def test_one_group_alone_fails_at_its_plain_limits() -> None:
    found = result(measured(groups=(group("dark", 0.12, 0.09, 0.16),)))

    assert one(dataclasses.replace(EACH, max=0.0899), found).status == "fail"


def test_subjects_with_many_pictures_widen_the_limits_of_a_fail() -> None:
    """Two groups of 40 people; in one case a single person has most of the pictures."""
    half = 0.1
    rows = tuple(
        GroupEstimate(
            value=1.0, low=1 - half, high=1 + half, n=400, subjects=40, attributes={"skin": s}, indicative=False
        )
        for s in "ab"
    )
    even = [f"{s}{i}" for s in "ab" for i in range(40) for _ in range(10)]
    uneven = [f"{s}{max(0, i - 360)}" for s in "ab" for i in range(400)]
    rule = dataclasses.replace(EACH, max=1 - half * t.ppf(1 - 0.05 / 4, 39) / t.ppf(0.975, 39) - 1e-9)
    statuses = []
    for subjects in (even, uneven):
        items = pd.DataFrame(
            {"subject": subjects, "attribute.skin": ["a"] * 400 + ["b"] * 400, "wrong_label_rate": 1.0}
        )
        statuses.append(one(rule, result(measured(groups=rows, unit="level"), records=items)).status)

    assert statuses == ["fail", "inconclusive"]


def test_a_skipped_measure_is_not_judged_and_the_reason_is_passed_on() -> None:
    skipped = Skipped(measure="selection_rate", reason="no positive class is named.")
    verdict = judge(result(measured(), skipped=(skipped,)), policy(Rule(id="s", measure="selection_rate", max=0.1)))

    assert verdict.status == "not judged"
    assert verdict.rules[0].explanation == "Not judged: no positive class is named."


def test_an_absent_measure_is_not_judged_and_the_nearest_is_named() -> None:
    verdict = one(Rule(id="s", measure="wrong_lable_rate", max=0.1), result(measured()))

    assert verdict.explanation == (
        "Not judged: the audit has no measure wrong_lable_rate (Did you mean wrong_label_rate?)."
    )


def test_an_absent_attribute_is_not_judged() -> None:
    verdict = one(dataclasses.replace(GAP, attribute="hair"), result(measured()))

    assert (verdict.status, "no groups by hair" in verdict.explanation) == ("not judged", True)


def test_the_order_of_an_intersection_does_not_matter() -> None:
    rows = tuple(dataclasses.replace(g, attributes={"gender": "female", **g.attributes}) for g in GROUPS)
    rule = dataclasses.replace(EACH, attribute="skin*gender", max=0.2)

    assert one(rule, result(measured(groups=rows))).attribute == "gender*skin"


def test_parameters_that_a_rule_leaves_out_are_those_listed_first() -> None:
    first = measured(measure="relevance_mass", parameters={"region": "face", "target": "predicted"})
    second = measured(measure="relevance_mass", parameters={"region": "face", "target": "true"})
    rule = Rule(id="m", measure="relevance_mass", parameters={"region": "face"}, max=0.5)

    verdict = one(rule, result(first, second))

    assert verdict.parameters["target"] == "predicted"
    assert "(region face)" in verdict.explanation


def test_chance_keeps_every_rule_unjudged() -> None:
    chance = {"status": "not judged", "reason": "chance", "explanation": "No better than chance.", "rules": []}
    verdict = judge(result(measured(disparities=(gap(0.0, 0.01, 0.02),)), verdict=chance), policy(GAP))

    assert (verdict.status, verdict.reason, verdict.rules[0].status) == ("not judged", "chance", "not judged")


FAILS = dataclasses.replace(EACH, id="fails")
PASSES = dataclasses.replace(EACH, id="passes", max=0.9)
UNSURE = dataclasses.replace(EACH, id="unsure", max=0.14)
ABSENT = Rule(id="absent", measure="nothing", max=1.0)


@pytest.mark.parametrize(
    ("rules", "status", "code"),
    [
        ((PASSES,), "pass", ExitStatus.OK),
        ((PASSES, UNSURE, FAILS), "fail", ExitStatus.FAILED),
        ((PASSES, UNSURE), "inconclusive", ExitStatus.INCONCLUSIVE),
        ((PASSES, ABSENT), "inconclusive", ExitStatus.INCONCLUSIVE),
        ((ABSENT,), "not judged", ExitStatus.UNUSABLE),
        ((ABSENT, FAILS), "fail", ExitStatus.FAILED),
    ],
)
def test_rules_together(rules: tuple[Rule, ...], status: str, code: ExitStatus) -> None:
    verdict = judge(result(measured()), policy(*rules))

    assert (verdict.status, exit_status(verdict)) == (status, code)


@pytest.mark.parametrize(
    ("choice", "zero", "code"),
    [("3", False, 3), ("fail", False, 1), ("pass", False, 0), ("3", True, 0), ("fail", True, 0)],
)
def test_what_inconclusive_ends_in_can_be_chosen(choice: str, zero: bool, code: int) -> None:
    verdict = judge(result(measured()), policy(UNSURE))

    assert exit_status(verdict, inconclusive=choice, exit_zero=zero) == code


def test_exit_zero_never_covers_what_could_not_be_judged() -> None:
    assert exit_status(judge(result(measured()), policy(ABSENT)), exit_zero=True) == ExitStatus.UNUSABLE


def test_no_policy_is_no_failure() -> None:
    assert (exit_status(None), exit_status(Verdict(status="not judged"))) == (0, 0)


def test_chance_without_a_policy_ends_in_4() -> None:
    assert exit_status(Verdict(status="not judged", reason="chance")) == 4


def test_a_verdict_survives_the_record() -> None:
    few = group("very dark", 0.0, 0.0, 0.3, subjects=12)
    verdict = judge(result(measured(groups=(*GROUPS, few))), policy(PASSES, FAILS, ABSENT))

    assert Verdict.from_json(verdict.to_json()) == verdict


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_a_policy_is_read_with_its_hash(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[rule]]\nid = "gap"\nmeasure = "wrong_label_rate"\nattribute = "skin"\nkind = "difference"\nmax = 0.05\n'
        'small_groups = "report"\nbasis = "engineering"\nreason = "release"\n',
    )
    found = read_policy(path)

    assert found.rules == (dataclasses.replace(GAP, small_groups="report", basis="engineering", reason="release"),)
    assert len(found.sha256) == 64


HEAD = '[[rule]]\nid = "a"\nmeasure = "wrong_label_rate"\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[[rule]\n", ("policy.toml", "malformed TOML", "line 1")),
        ("", ("policy.toml", "holds no rule")),
        ("[[rules]]\n", ("unknown table", "'rules'", "Did you mean rule?")),
        (HEAD, ("[[rule]] 1", "has no bound")),
        (HEAD + "max = 1\nmaximum = 2\n", ("unknown key", "'maximum'", "[[rule]] 1")),
        (HEAD + "max = 1\natribute = 'x'\n", ("Did you mean attribute?",)),
        (HEAD + "max = '5 %'\n", ("[[rule]] 1 max", "'5 %'", "a finite number")),
        (HEAD + "max = nan\n", ("max", "a finite number")),
        (
            HEAD + "max = 1\nkind = 'change'\nattribute = 'x'\n",
            ("this version", "'change'", "max_geomean, gini"),
        ),
        (HEAD + "max = 0.9\nkind = 'max_geomean'\nattribute = 'x'\n", ("0.9", "1 or more")),
        (HEAD + "max = 1.5\nkind = 'gini'\nattribute = 'x'\n", ("1.5", "from 0 to 1")),
        (HEAD + "max = 1.2\nkind = 'max_geomean'\n", ("name the attribute",)),
        (HEAD + "max = 1\nkind = 'diference'\n", ("Did you mean difference?",)),
        (HEAD + "max = 1\nkind = 'difference'\n", ("name the attribute",)),
        (HEAD + "max = -0.1\nkind = 'difference'\nattribute = 'x'\n", ("-0.1", "0 or more")),
        (HEAD + "min = 80\nkind = 'ratio'\nattribute = 'x'\n", ("80", "from 0 to 1")),
        (HEAD + "min = 0.5\nmax = 0.1\n", ("min is above max",)),
        (HEAD + "max = 1\n" + HEAD + "max = 1\n", ("same id", "'a'")),
        ("[[rule]]\nmeasure = 'x'\nmax = 1\n", ("has no id",)),
    ],
)
def test_a_bad_policy_says_where_and_what(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(write(tmp_path, text))

    assert [p for p in parts if p not in str(caught.value)] == []


def test_a_missing_policy_names_the_nearest_file(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(PolicyError, match=r"Did you mean policy.toml\?"):
        read_policy(tmp_path / "polcy.toml")


def test_pictures_without_a_subject_are_subjects_of_their_own_where_limits_are_widened() -> None:
    subjects = ["anna", "anna", *[None] * 60]
    items = pd.DataFrame({"subject": subjects, "attribute.skin": ["dark"] * 62, "wrong_label_rate": [1.0] * 62})
    dark = dataclasses.replace(group("dark", 0.5, 0.4, 0.6), n=62, subjects=61)
    found = dataclasses.replace(result(measured(groups=(dark, GROUPS[0]))), records=items)

    assert one(EACH, found).status == "fail"


@pytest.mark.parametrize("kind", ["difference", "ratio", "max_geomean", "gini"])
def test_every_kind_of_gap_can_be_asked_for(tmp_path: Path, kind: str) -> None:
    rule = read_policy(write(tmp_path, HEAD + f"max = 1\nkind = '{kind}'\nattribute = 'skin'\n")).rules[0]

    assert (rule.kind, rule.max) == (kind, 1)


FOCUS: dict[str, Any] = {"measure": "relevance_mass", "title": "Relevance mass", "family": "focus", "unit": "share"}


@pytest.mark.parametrize("bound", [0.05, 0.5], ids=["would fail", "would pass"])
def test_a_figure_read_off_a_map_that_is_not_supported_neither_passes_nor_fails(bound: float) -> None:
    rule = dataclasses.replace(GAP, measure="relevance_mass", max=bound)
    focus = measured(**FOCUS, disparities=(gap(0.08, 0.1, 0.13),))
    supported, unsupported = (one(rule, result(focus, trust=results.trust(same))) for same in (0.02, 0.9))

    assert supported.status == ("fail" if bound < 0.1 else "pass")
    assert unsupported.status == "inconclusive"
    assert "the map that it is read off is not supported (it stays much the same" in unsupported.explanation


def test_a_map_that_is_not_supported_has_no_say_in_other_figures() -> None:
    found = result(measured(disparities=(gap(0.08, 0.1, 0.13),)), trust=results.trust(0.9))

    assert one(GAP, found).status == "fail"
