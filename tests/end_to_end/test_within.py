"""`--within` from the command line and from Python: in a run, and again from its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import audit
from audit.errors import UsageError
from audit.probes._roles import strata
from audit.result import PICTURE_QUALITY as QUALITY
from tests.support.audits import measured, result

Typed = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def run(model: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without `--within`; eight people are enough."""
    out = tmp_path_factory.mktemp("run") / "out"
    audit.run_audit(model, probe=probe, out=out, groups=["gender", "skin"], min_subjects=4)
    return out


def by(found: audit.AuditResult, attribute: str = "gender") -> list[str]:
    return [w.by for w in found["wrong_label_rate"].measurement.within if w.attribute == attribute]


def test_every_run_compares_pictures_of_like_quality(run: Path) -> None:
    found = audit.read_run(run)

    assert by(found) == by(found, "skin") == [QUALITY]
    assert not any(m.within for m in found.measurements if m.family == "quality")
    assert all(0 < w.comparable <= 1 for m in found.measurements for w in m.within)


def test_within_in_a_run_and_from_its_record_are_the_same(model: Path, probe: Path, run: Path) -> None:
    again = audit.with_within(audit.read_run(run), ["skin"])
    asked = audit.run_audit(model, probe=probe, groups=["gender", "skin"], within=["skin"], min_subjects=4)

    assert by(asked) == ["skin", QUALITY]
    for one, other in zip(asked.measurements, again.measurements, strict=True):
        assert sorted(one.within, key=lambda w: (w.attribute, w.by)) == sorted(
            other.within, key=lambda w: (w.attribute, w.by)
        )
    assert again.families == asked.families
    assert [s for s in asked.skipped if s.measure == "standardized_difference"] == [
        s for s in again.skipped if s.measure == "standardized_difference"
    ]


def test_an_attribute_that_nobody_is_grouped_by_can_be_used(model: Path, probe: Path) -> None:
    found = audit.run_audit(model, probe=probe, groups=["gender"], within=["skin"], min_subjects=4)

    assert found.probe["groupings"] == ["gender"]
    assert by(found) == ["skin", QUALITY]
    assert "attribute.skin" in found.items


def test_an_attribute_within_one_that_holds_it_is_skipped(run: Path) -> None:
    found = audit.with_within(audit.read_run(run), ["gender*skin"])

    assert {s.attribute for s in found.skipped if s.parameters == {"within": "gender*skin"}} == {"gender", "skin"}


def test_twice_is_once(run: Path) -> None:
    once = audit.with_within(audit.read_run(run), ["skin"])

    assert audit.with_within(once, ["skin", "skin"]).to_json() == once.to_json()


def test_report_shows_it_and_leaves_the_record_alone(run: Path, typed: Typed) -> None:
    before = (run / "audit.json").read_bytes()
    status, said = typed("report", run, "--within", "skin", "--formats", "md")

    assert (status, (run / "audit.json").read_bytes()) == (0, before), said
    assert "same skin" in (run / "summary.md").read_text()
    assert ",gender,skin," in (run / "tables" / "within.csv").read_text()


@pytest.mark.parametrize("command", ["report", "run"])
def test_an_attribute_that_is_not_there_is_named_with_the_nearest(
    command: str, run: Path, model: Path, probe: Path, typed: Typed
) -> None:
    words = (run,) if command == "report" else (model, "--probe", probe)
    status, said = typed(command, *words, "--within", "skim")

    assert status == 2
    assert "skim" in said
    assert "Did you mean skin?" in said


def test_an_attribute_with_many_values_is_skipped_with_the_reason(model: Path, probe: Path) -> None:
    found = audit.run_audit(model, probe=probe, groups=["gender"], within=["path"], min_subjects=4)
    (skipped,) = [s for s in found.skipped if s.parameters == {"within": "path"}]

    assert "path makes 96 strata; at most 27 can be used" in skipped.reason


def test_an_attribute_with_thousands_of_values_is_refused_before_the_run() -> None:
    raw = pd.DataFrame({"person": [str(k) for k in range(5000)]})

    with pytest.raises(UsageError, match="--within: person makes 5,000 groups"):
        strata(raw, ("person",))


def test_a_result_without_its_table_says_so() -> None:
    with pytest.raises(UsageError, match="per-item table"):
        audit.with_within(result(measured()), ["skin"])
