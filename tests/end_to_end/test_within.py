"""`--within` from the command line and from Python: in a run, and again from its record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import audit
from audit.errors import UsageError
from audit.probes._roles import Roles, strata
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


def test_which_picture_or_whose_it_is_makes_no_strata(model: Path, probe: Path, typed: Typed) -> None:
    for name in ("path", "subject", "nonsense"):
        status, said = typed(model, "--probe", probe, "--within", name)
        allowed = said.partition("Allowed: ")[2] or said

        assert status == 2
        assert "skin" in allowed
        assert not {"path", "subject"} & set(allowed.replace(",", " ").replace(".", " ").split())


def test_too_many_strata_are_refused_before_the_run_and_by_a_report(
    model: Path, probe: Path, run: Path, tmp_path: Path, typed: Typed
) -> None:
    faces = tmp_path / "aged"
    shutil.copytree(probe, faces)
    table = pd.read_csv(faces / "manifest.csv").assign(years=lambda t: range(len(t)))
    table.to_csv(faces / "manifest.csv", index=False)
    status, said = typed(model, "--probe", faces, "--within", "years", "--out", tmp_path / "out")

    assert status == 2
    assert not (tmp_path / "out").exists()
    assert f"--within: years makes {len(table)} strata" in said
    assert "at most 27" in said
    assert "--band years=0,18,30,45,60" in said

    again = tmp_path / "again"
    shutil.copytree(run, again)
    items = pd.read_parquet(again / "records.parquet")
    items.assign(**{"attribute.years": [str(k) for k in range(len(items))]}).to_parquet(again / "records.parquet")
    with pytest.raises(UsageError, match=f"years makes {len(items)} strata"):
        audit.with_within(audit.read_run(again), ["years"])


def test_words_that_make_too_many_strata_are_no_numbers_to_cut() -> None:
    raw = pd.DataFrame({"town": [f"t{k}" for k in range(28)], "skin": ["a", "b"] * 14})
    roles = Roles(path="path", label="gender", subject=None)

    with pytest.raises(UsageError, match=r"town\*skin makes 28 strata.*fewer values"):
        strata(raw, roles, ("town*skin",))
    assert strata(raw[:27], roles, ("town",)) == (("town",),)


def test_a_report_with_strata_says_that_they_came_later_and_what_they_show(run: Path, typed: Typed) -> None:
    before = next(f for f in audit.read_run(run).families if f.name == "headline" and f.by is None)
    added = audit.with_within(audit.read_run(run), ["skin"])
    after = next(f for f in added.families if f.name == "headline" and f.by is None)
    status, said = typed("report", run, "--within", "skin", "--formats", "md")
    plain = " ".join(said.split())
    note = "Added after the run: comparisons within strata of skin. The record (audit.json) is unchanged."

    assert status == 0
    assert note in plain
    assert f"for {after.size} tests instead of {before.size}" in plain
    assert after.size == before.size + 1
    assert note in (run / "summary.md").read_text()
    assert "same skin" in plain
    assert audit.with_within(added, ["skin"]).notes == added.notes
    typed("report", run, "--formats", "md")
    assert note not in (run / "summary.md").read_text()


def test_strata_of_the_run_itself_are_no_addition(model: Path, probe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    audit.run_audit(model, probe=probe, out=out, groups=["gender", "skin"], within=["skin"], min_subjects=4)

    assert not any("Added after" in note for note in audit.with_within(audit.read_run(out), ["skin"]).notes)


def test_an_attribute_within_itself_is_said_on_the_terminal(run: Path, typed: Typed) -> None:
    status, said = typed("report", run, "--within", "gender", "--formats", "md")

    assert status == 0
    line = "Not compared by gender within gender: what they share is the same for all in a stratum."
    assert line in " ".join(said.split())


def test_a_result_without_its_table_says_so() -> None:
    with pytest.raises(UsageError, match="per-item table"):
        audit.with_within(result(measured()), ["skin"])
