"""What users of other tools had to complain about: intervals, small groups, many comparisons, verdicts. Each complaint
is a test here, named after what it guards."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import audit
import reports
from audit.result import PICTURE_QUALITY, AuditResult, Measurement
from audit.summary import Options, summarise
from tests.support.figures import a_measure, a_table, figures

Typed = Callable[..., tuple[int, str]]
RARE = "violet"
ENOUGH = 8  # people; the drawn probe set has sixteen of each skin tone


@pytest.fixture(scope="module")
def result(model: Path, probe: Path) -> AuditResult:
    return audit.run_audit(model, probe=probe, min_subjects=ENOUGH, positive="female")


@pytest.fixture(scope="module")
def lonely(model: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """The same people, one of whom is the only one with a violet skin."""
    faces = Path(shutil.copytree(probe, tmp_path_factory.mktemp("lonely") / "faces"))
    manifest = faces / "manifest.csv"
    head, *lines = manifest.read_text().splitlines()
    one = lines[0].split(",")[head.split(",").index("subject")]
    lines = [re.sub("light|medium|dark", RARE, line, count=1) if f",{one}," in line else line for line in lines]
    manifest.write_text("\n".join([head, *lines]) + "\n")
    return audit.run_audit(model, probe=faces, min_subjects=ENOUGH)


def rates(result: AuditResult) -> list[Measurement]:
    return [m for m in result.measurements if m.family == "rates" and m.by_group]


# Intervals on the metrics of groups and on differences


def test_every_rate_of_every_group_has_an_interval(result: AuditResult) -> None:
    groups = [g for m in rates(result) for g in m.by_group if g.value is not None and g.subjects > 1]

    assert groups
    assert all(g.low is not None and g.high is not None and g.low < g.high for g in groups)


@pytest.mark.parametrize("rate", ["true_positive_rate", "false_positive_rate", "selection_rate"])
def test_gaps_of_conditional_rates_have_intervals_and_a_p(result: AuditResult, rate: str) -> None:
    """What equalized odds and demographic parity are made of."""
    gap = result[rate].measurement.disparity("skin")

    assert gap is not None
    assert not gap.descriptive
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low <= gap.value <= gap.high  # type: ignore[operator]
    assert gap.p_value is not None


def test_pictures_of_rates_show_the_intervals(result: AuditResult) -> None:
    page = reports.render(result, None, "html").decode()
    picture = re.search(r'<figure id="rates1">(.*?)</figure>', page, re.DOTALL)
    groups = result["wrong_label_rate"].measurement.groups(next(iter(result.probe["attributes"])))

    assert picture is not None
    assert len(re.findall(r'<path d="M[^"]+"[^>]*stroke-width="1.6"', picture[1])) == len(groups)


# How many people are needed


def test_inconclusive_says_how_many_people_would_settle_it(result: AuditResult, tmp_path: Path) -> None:
    gap = result["wrong_label_rate"].measurement.disparity("skin")
    assert gap is not None
    assert gap.value is not None
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f'[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\nattribute = "skin"\nkind = "difference"\n'
        f'max = {(gap.value + gap.high) / 2}\nsmall_groups = "report"\n'  # type: ignore[operator]
    )
    (rule,) = audit.judge(result, audit.read_policy(policy)).rules

    assert rule.status == "inconclusive"
    assert rule.subjects_needed is not None
    assert rule.subjects_needed > result["wrong_label_rate"].overall.subjects
    assert re.search(r"about [\d,]+ subjects of the same make-up would settle it", rule.explanation)


# Small groups stay visible


def test_a_lone_member_of_a_minority_is_no_gap_of_zero_in_silence() -> None:
    """Two big groups of whom everybody is judged rightly, and one person who is not."""
    values, groups = [0.0] * 400 + [1.0], ["a"] * 200 + ["b"] * 200 + ["c"]
    found, _ = figures(values, groups)
    gap = found.disparity("skin")

    assert gap is not None
    assert (gap.value, gap.left_out) == (0.0, ({"skin": "c"},))
    assert gap.high is not None
    assert gap.high > 0.01  # never [0, 0]
    assert next(g for g in found.by_group if g.attributes == {"skin": "c"}).indicative


def test_a_lone_member_of_a_minority_is_named_in_every_report(lonely: AuditResult) -> None:
    html, text = (reports.render(lonely, None, form).decode() for form in ("html", "md"))

    assert lonely["wrong_label_rate"].by_group("skin").loc[RARE, "subjects"] == 1
    assert RARE in lonely["wrong_label_rate"].disparities("skin")["left_out"].iloc[0]
    for page in (html, text):
        assert re.search(rf"for too few subjects: [^.]*with {RARE} skin", page)


def test_nobody_passes_a_release_by_leaving_people_out(lonely: AuditResult, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    rule = 'id = "r"\nmeasure = "wrong_label_rate"\nattribute = "skin"\nkind = "difference"\nmax = 1.0'
    policy.write_text(f"[[rule]]\n{rule}\n")
    (judged,) = audit.judge(lonely, audit.read_policy(policy)).rules

    assert judged.status == "inconclusive"
    assert RARE in judged.explanation


def test_a_group_that_cannot_be_estimated_is_a_row_all_the_same() -> None:
    found, _ = figures([0.0] * 60 + [np.nan] * 3, ["a"] * 30 + ["b"] * 30 + ["c"] * 3)
    row = next(g for g in found.by_group if g.attributes == {"skin": "c"})

    assert (row.value, row.low, row.n, row.indicative) == (None, None, 0, True)


# Many comparisons


def test_every_p_is_corrected_and_the_families_account_for_all_of_them(result: AuditResult) -> None:
    tests = {
        (m.column, m.of, d.attribute, getattr(d, "by", None)): (m, d)
        for m in result.measurements
        for d in (*m.disparities, *m.within)
        if d.p_method == "closed form"
    }
    family = {(measure, f.by): (f.name, f.by) for f in result.families for measure in f.measures}

    assert len(tests) > 20
    for _, d in tests.values():
        assert d.p_value is not None
        assert d.p_adjusted is not None
        assert d.p_value <= d.p_adjusted <= 1
    counted: Counter[tuple[str, str | None]] = Counter()
    for m, d in tests.values():
        by = PICTURE_QUALITY if getattr(d, "by", None) == PICTURE_QUALITY else None
        if m.scale == "proportion" and m.overall.value in (0.0, 1.0):
            assert (d.p_value, d.p_adjusted) == (1.0, 1.0)  # nothing could have been found, so it takes no room
        elif m.measure != "worst_group":  # adjusted over all the cells that its own search looked into
            counted[family[m.measure, by]] += 1
    assert {(f.name, f.by): f.size for f in result.families} == counted


def test_the_report_says_over_how_many_tests_it_was_corrected(result: AuditResult) -> None:
    page = reports.render(result, None, "md").decode()
    head = next(f for f in result.families if f.name == "headline" and f.by is None)

    assert head.method == "Holm"
    assert (
        f"Adjusted p: by Holm over the {head.size} tests of Wrong-gender rate" in page
    )  # nobody failed to get an answer


def test_dozens_of_measures_without_a_difference_flag_nothing() -> None:
    """Sixty measures of the same people, none of which differs: some p are small, no adjusted one is."""
    rng = np.random.default_rng(11)
    table = a_table(skin=[f"g{k % 3}" for k in range(300)])
    from audit.families import adjusted
    from audit.groups import make_groupings, subject_codes

    values = (rng.random((300, 60)) < 0.2).astype(float)
    measures = [a_measure(f"m{k}") for k in range(60)]
    found, _ = summarise(
        values, measures, make_groupings(table, (("skin",),)), subject_codes(table), "gender", Options()
    )
    gaps = [m.disparities[0] for m in adjusted(found)[0]]

    assert min(d.p_value for d in gaps) < 0.05  # type: ignore[type-var]
    assert min(d.p_adjusted for d in gaps) > 0.05  # type: ignore[type-var]


# Intervals that are right


def test_equal_groups_are_covered_at_equality() -> None:
    """Three groups of 100 at a rate of one half: a percentile bootstrap of the gap holds the true 0 in none of 200."""
    from audit.groups import make_groupings, subject_codes

    runs = 300
    table = a_table(skin=[f"g{k % 3}" for k in range(300)])
    values = (np.random.default_rng(5).random((300, runs)) < 0.5).astype(float)
    measures = [a_measure(f"run{k}") for k in range(runs)]
    found, _ = summarise(
        values, measures, make_groupings(table, (("skin",),)), subject_codes(table), "gender", Options()
    )
    for kind, alike in {"difference": 0.0, "ratio": 1.0, "max_geomean": 1.0, "gini": 0.0}.items():
        gaps = [m.disparity("skin", kind) for m in found]
        held = [g.low - 1e-12 <= alike <= g.high + 1e-12 for g in gaps]  # type: ignore[union-attr, operator]

        assert np.mean(held) > 0.92, kind


def test_shares_are_shares_everywhere_and_percent_only_where_it_says_so(result: AuditResult) -> None:
    csv_files = reports.REPORTS.get("csv")(reports.Content(result, None))
    groups = list(csv.DictReader(io.StringIO(csv_files["tables/groups.csv"].decode())))
    wrong = result["wrong_label_rate"]
    row = next(r for r in groups if r["measure"] == "wrong_label_rate" and not r["attribute"])

    for m in rates(result):
        ends = [x for e in (m.overall, *m.by_group) for x in (e.value, e.low, e.high) if x is not None]
        assert 0 <= min(ends) <= max(ends) <= 1
    assert float(row["value"]) == wrong.overall.value
    assert f"{100 * wrong.overall.value:.1f} %" in reports.render(result, None, "md").decode().replace("\u00a0", " ")  # type: ignore[operator]


def test_a_bound_in_percent_ends_the_run_before_it_begins(typed: Typed, model: Path, probe: Path) -> None:
    """At most 5 would let any rate pass."""
    Path("policy.toml").write_text(
        '[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\nattribute = "skin"\nkind = "difference"\nmax = 5\n'
    )
    status, said = typed(model, "--probe", probe, "--policy", "policy.toml")

    assert (status, list(Path().glob("audit-*"))) == (2, [])
    assert "wrong_label_rate is a share, from 0 to 1, got '5'" in said
    assert "5 percent are 0.05" in said


def test_a_finished_run_is_not_judged_by_a_bound_in_percent(result: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nid = "r"\nmeasure = "confidence"\nmin = 90\n')

    with pytest.raises(audit.AuditError, match="90 percent are 0.9"):
        audit.judge(result, audit.read_policy(tmp_path / "policy.toml"))


def test_every_interval_belongs_to_the_number_that_is_printed(result: AuditResult) -> None:
    for m in result.measurements:
        for value, low, high in (
            *((d.value, d.low, d.high) for d in m.disparities if not d.descriptive),
            *((p.difference, p.difference_low, p.difference_high) for p in m.pairs),
            *((p.ratio, p.ratio_low, p.ratio_high) for p in m.pairs if p.ratio is not None),
            *((g.value, g.low, g.high) for g in m.by_group),
        ):
            if None not in (value, low, high):
                assert low - 1e-9 <= value <= high + 1e-9, m.column  # type: ignore[operator]


def test_the_gap_is_that_of_the_groups_that_are_named(result: AuditResult) -> None:
    for m in result.measurements:
        if m.measure == "worst_group":  # one group against everybody else, who are no group
            continue
        for attribute in {d.attribute for d in m.disparities}:
            gap = m.disparity(attribute)
            assert gap is not None
            if gap.worst is None or gap.best is None:
                assert gap.value in (0, None)  # all alike, or nothing to tell
                continue
            ends = [next((g.value for g in m.by_group if g.attributes == end), None) for end in (gap.worst, gap.best)]
            assert abs(ends[0] - ends[1]) == pytest.approx(gap.value, abs=1e-12)  # type: ignore[operator]


def test_answers_about_one_person_are_not_taken_for_independent_ones() -> None:
    """The same people with and without glasses, every picture shown three times: no interval and no p moves."""
    rng = np.random.default_rng(2)
    people = np.arange(80)
    wrong = np.concatenate([rng.random(80) < 0.3, rng.random(80) < 0.1]).astype(float)
    groups, subjects = ["with"] * 80 + ["without"] * 80, [*people, *people]
    once, _ = figures(wrong, groups, subjects)
    thrice, _ = figures(np.tile(wrong, 3), groups * 3, subjects * 3)

    for one, other in zip(once.disparities, thrice.disparities, strict=True):
        seen = [[d.value, d.low, d.high, d.p_value] for d in (one, other)]
        assert seen[0] == pytest.approx(seen[1], rel=1e-9, abs=1e-12)


def test_the_interval_and_its_p_never_contradict_each_other(result: AuditResult) -> None:
    for m in result.measurements:
        for d in m.disparities:
            if d.kind == "difference" and d.p_method == "closed form":
                assert d.clear == (d.p_value < 0.05), (m.column, d.attribute)  # type: ignore[operator]


# The test that was used is explained


def test_the_report_explains_the_tests_and_whose_p_it_prints(result: AuditResult) -> None:
    page = reports.render(result, None, "html").decode()

    for said in (
        "the difference&#39;s p",
        "Holm",
        "Hochberg",
        "studentized range",
        "Newcombe",
        "How to read this report",
    ):
        assert said in page
    assert {d.p_method for m in result.measurements for d in m.disparities if d.p_value is not None} <= {
        "closed form",
        "permutation",
    }


# A threshold that a script can act upon


@pytest.mark.parametrize(
    ("bound", "status"),
    [
        pytest.param("max = 1.0", 0, id="within"),
        pytest.param("max = 0.000001", 1, id="beyond"),
        pytest.param("max = 0.12", 3, id="too few people to tell"),
    ],
)
def test_a_threshold_ends_in_a_status(typed: Typed, model: Path, probe: Path, bound: str, status: int) -> None:
    rule = f'[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\n{bound}\n'
    Path("policy.toml").write_text(rule)

    assert typed(model, "--probe", probe, "--policy", "policy.toml", "--formats", "md", "--limit", "60")[0] == status


def test_a_misspelled_threshold_is_neither_a_pass_nor_a_finding(typed: Typed, model: Path, probe: Path) -> None:
    Path("policy.toml").write_text('[[rule]]\nid = "r"\nmeasure = "wrong_lable_rate"\nmax = 0.05\n')
    status, said = typed(model, "--probe", probe, "--policy", "policy.toml")

    assert (status, "wrong_label_rate" in said) == (2, True)


# Python and the command line agree


@pytest.mark.parametrize("bound", [1.0, 0.12, 0.000001])
def test_python_and_the_command_line_come_to_the_same(typed: Typed, model: Path, probe: Path, bound: float) -> None:
    Path("policy.toml").write_text(f'[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\nmax = {bound}\n')
    status, _ = typed(model, "--probe", probe, "--policy", "policy.toml", "--formats", "md", "--out", "out")
    result = audit.run_audit(model, probe=probe)
    verdict = audit.judge(result, audit.read_policy("policy.toml"))
    read = audit.read_run("out")

    assert {"pass": 0, "fail": 1, "inconclusive": 3}[verdict.status] == status
    assert read.verdict is not None
    assert read.verdict["status"] == verdict.status
    assert read.to_json()["measurements"] == result.to_json()["measurements"]
