"""Fifteen drawn faces, five of each skin tone: a p and no verdict, from the command line to the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
from tests.support.planted import drawn_probe

Typed = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def fifteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first five people of each skin tone, one picture each."""
    everybody = drawn_probe(tmp_path_factory.mktemp("many") / "faces", subjects=18, pictures=1, seed=5)
    table = pd.read_csv(everybody / "manifest.csv", dtype=str)
    few = table.groupby("skin").head(5)
    folder = tmp_path_factory.mktemp("few") / "faces"
    shutil.copytree(everybody, folder)
    few.to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(model: Path, fifteen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    audit.run_audit(model, probe=fifteen, out=out, groups=["skin", "gender*skin"])
    return out


def disparities(run: Path, family: str, attribute: str) -> list[dict[str, Any]]:
    record = json.loads((run / "audit.json").read_text())
    found = [m for m in record["measurements"] if m["family"] == family]
    return [d for m in found for d in m["disparities"] if d["attribute"] == attribute]


def test_the_record_has_a_p_by_permutation_and_no_interval(run: Path) -> None:
    rows = disparities(run, "activations", "skin")

    assert rows
    for row in rows:
        assert (row["low"], row["high"], row["p_adjusted"], row["descriptive"]) == (None, None, None, True)
        assert row["p_method"] == "permutation"
        assert 1 / 126_126 <= row["p_value"] <= 1
        assert ("null_quantile" in row) == (row["kind"] == "ratio")
        assert "permutation over all 126,126 ways to deal 15 subjects out to the groups" in row["note"]


def test_only_activations_are_permuted(run: Path) -> None:
    for family in ("rates", "scores", "quality", "focus"):
        assert {d["p_method"] for d in disparities(run, family, "skin")} <= {None}


def test_small_intersections_say_what_they_rest_on(run: Path) -> None:
    rows = disparities(run, "activations", "gender*skin")

    assert rows
    assert all(re.search("2,000 random ways|only one subject", row["note"]) for row in rows)


def test_nothing_is_judged_and_no_family_is_made(run: Path) -> None:
    record = json.loads((run / "audit.json").read_text())

    assert record["verdict"]["status"] == "not judged"
    assert all("activation_strength" not in f["measures"] for f in record["families"])


def test_a_rule_on_fifteen_images_neither_passes_nor_fails(run: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[rule]]\nid = "ratio"\nmeasure = "activation_strength"\nattribute = "skin"\nkind = "ratio"\nmin = 0.1\n'
        'reason = "engineering"\n'
    )
    verdict = audit.judge(audit.read_run(run), audit.read_policy(policy))

    assert verdict.to_json()["status"] == "inconclusive"


def test_the_page_says_so_in_plain_words(typed: Typed, run: Path) -> None:
    status, _ = typed("report", run, "--formats", "html")
    page = (run / "report.html").read_text()

    assert status == 0
    assert "so there is a p and no verdict" in page
    assert "of the time these images would give a ratio above" in page
    assert "What so few images can show" in page


def test_the_seed_is_the_only_chance_there_is(model: Path, fifteen: Path, run: Path) -> None:
    again = audit.run_audit(model, probe=fifteen, groups=["skin", "gender*skin"])
    other = audit.run_audit(model, probe=fifteen, groups=["skin", "gender*skin"], seed=1)
    first = audit.read_run(run)

    def ps(result: audit.AuditResult, attribute: str) -> list[float | None]:
        return [d.p_value for m in result.all("activation_strength") if (d := m.disparity(attribute))]

    assert ps(again, "skin") == ps(first, "skin") == ps(other, "skin")  # all arrangements: no chance in them
    assert ps(again, "gender*skin") == ps(first, "gender*skin")
