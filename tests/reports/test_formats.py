"""The formats that machines read, and the summary."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from xml.etree import ElementTree as ET

import pytest

import reports
from audit.result import AuditResult
from tests.support import results


class Judged:
    """Stands for a gate's verdict: all that reports ask of one."""

    def to_json(self) -> dict[str, object]:
        return results.verdict()


def render(result: AuditResult, form: str, verdict: object = None) -> str:
    return reports.render(result, verdict, form).decode()  # type: ignore[arg-type]


def tables(result: AuditResult) -> dict[str, list[dict[str, str]]]:
    files = reports.REPORTS.get("csv")(reports.Content(result, None))
    return {n: list(csv.DictReader(io.StringIO(d.decode()), strict=True)) for n, d in files.items()}


def test_the_record_reads_back_as_it_was() -> None:
    result = results.faces()
    # The cells of maps are arrays in a file beside the record.
    back = AuditResult.from_json(json.loads(render(result, "json")), difference_maps=result.difference_maps)

    assert back.to_json() == result.to_json()


def test_the_record_carries_the_verdict_given() -> None:
    assert json.loads(render(results.faces(), "json", Judged()))["verdict"] == results.verdict()


def test_the_record_has_one_group_a_line() -> None:
    lines = render(results.faces(), "json").splitlines()
    groups = [line for line in lines if '"attributes"' in line and '"indicative"' in line]
    expected = sum(len(m.by_group) for m in results.faces().measurements)

    assert (len(groups), all(line.count('"attributes"') == 1 for line in groups)) == (expected, True)


def test_a_number_that_json_has_no_word_for_is_an_error() -> None:
    result = dataclasses.replace(results.bare(), settings={"alpha": float("nan")})

    with pytest.raises(ValueError, match="Out of range float"):
        render(result, "json")


def test_file_names_that_are_no_text_survive_the_record() -> None:
    assert json.loads(render(results.hostile(), "json"))["notes"][-1] == "\udcff"


def test_junit_has_one_case_a_rule_and_says_why() -> None:
    root = ET.fromstring(render(results.faces(), "junit", Judged()))
    cases = {c.get("name"): [(e.tag, e.get("message")) for e in c] for c in root.iter("testcase")}

    assert cases == {
        "gap-by-race": [],
        "gap-crossed": [("failure", "The whole interval is beyond 0.05.")],
        "overall": [("skipped", "About 900 subjects would settle it.")],
        "auc": [("error", "auc is not in the record.")],
    }
    assert [root.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]


def test_junit_stays_valid_whatever_a_rule_is_called() -> None:
    verdict = {
        "status": "fail",
        "rules": [{"id": name, "status": "fail", "explanation": name} for name in results.HOSTILE],
    }
    result = dataclasses.replace(results.bare(), verdict=verdict)

    assert len(list(ET.fromstring(render(result, "junit")).iter("failure"))) == len(results.HOSTILE)


def test_the_summary_opens_with_verdict_and_findings() -> None:
    text = render(results.faces(), "md", Judged())

    assert text.index("**Fail.**") < text.index("**Of the black women 19 in 100 are called men")


def test_the_summary_stays_under_its_limit_and_says_so() -> None:
    cells = {(f"{'x' * 50}{k}",): results.Seen(100, 0.1) for k in range(50)}
    by_attribute = [results.measurement("wrong_label_rate", cells, (f"kind{k}",)) for k in range(30)]
    groups = tuple(g for m in by_attribute for g in m.by_group)
    rates = dataclasses.replace(by_attribute[0], by_group=groups)
    text = render(dataclasses.replace(results.bare(), measurements=(rates,)), "md")

    assert (len(text.encode()) < 64_000, "Shortened; everything stands in report.html." in text) == (True, True)


def test_of_very_many_groups_the_first_are_shown() -> None:
    cells = {(f"kind {k:04}",): results.Seen(100, 0.1) for k in range(1500)}
    rates = results.measurement("wrong_label_rate", cells, ("kind",))
    text = render(dataclasses.replace(results.bare(), measurements=(rates,)), "md")

    assert ("kind 0059" in text, "kind 0060" in text) == (True, False)
    assert "The first 60 of 1,500 groups; all are in tables/groups.csv." in text


def test_markup_in_names_is_text_in_the_summary() -> None:
    text = render(results.hostile(), "md")

    assert ("<script>" in text, "| *b*" in text, r"\<script\>alert(1)" in text) == (False, False, True)


def test_tables_hold_every_figure_in_full() -> None:
    result = results.faces()
    rows = tables(result)["tables/groups.csv"]
    row = next(r for r in rows if (r["measure"], r["group"]) == ("wrong_label_rate", "female*black"))
    group = next(
        g for g in result.all("wrong_label_rate")[0].by_group if g.attributes == {"gender": "female", "race": "black"}
    )

    assert (float(row["value"]), float(row["low"]), int(row["n"]), row["indicative"]) == (
        group.value,
        group.low,
        group.n,
        "no",
    )


def test_layers_and_focus_have_tables_with_their_parameters() -> None:
    found = tables(results.faces())

    assert {r["reduction"] for r in found["tables/layers.csv"]} == set(results.REDUCTIONS)
    assert {r["region"] for r in found["tables/focus.csv"]} == set(results.REGIONS)


def test_each_gap_is_a_row() -> None:
    result = results.faces()

    assert len(tables(result)["tables/disparities.csv"]) == sum(len(m.disparities) for m in result.measurements)


def test_each_gap_carries_its_p_and_the_family_it_is_adjusted_in() -> None:
    rows = tables(results.faces())["tables/disparities.csv"]
    row = next(
        r for r in rows if [r[k] for k in ("measure", "attribute", "kind")] == ["wrong_label_rate", "race", "gini"]
    )
    gap = results.faces()["wrong_label_rate"].measurement.disparity("race", "gini")

    assert gap is not None
    assert (float(row["p_value"]), float(row["p_adjusted"])) == (gap.p_value, gap.p_adjusted)
    assert (row["p_method"], row["family"], row["null_quantile"]) == ("closed form", "headline", "")


def test_every_pair_is_a_row_with_its_interval_and_p() -> None:
    result = results.faces()
    rows = tables(result)["tables/pairs.csv"]
    pair = result["wrong_label_rate"].measurement.pairs[0]
    row = next(r for r in rows if r["measure"] == "wrong_label_rate")

    assert len(rows) == sum(len(m.pairs) for m in result.measurements)
    assert (row["attribute"], row["first"], row["second"]) == ("gender", "female", "male")
    assert [float(row[k]) for k in ("difference", "difference_low", "ratio_high", "p_value")] == [
        pair.difference,
        pair.difference_low,
        pair.ratio_high,
        pair.p_value,
    ]


def test_no_cell_is_a_formula() -> None:
    files = reports.REPORTS.get("csv")(reports.Content(results.hostile(), None))
    cells = [c for data in files.values() for row in csv.reader(io.StringIO(data.decode())) for c in row]

    assert [c for c in cells if c.startswith(("=", "+", "-", "@", "\t")) and not re.fullmatch(r"-[\d.e-]+", c)] == []
    assert "'=1+1" in cells
