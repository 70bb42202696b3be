"""A table of predictions in place of a model: the same figures, and nothing that a table can't know."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
import reports
from audit.errors import Interrupted, ModelError, ProbeError, SettingsError, UsageError
from tests.support.data import shared_data
from tests.support.pictures import write_probe

Typed = Callable[..., tuple[int, str]]

GROUPS = ["skin", "gender*skin"]


@pytest.fixture(scope="module")
def run(model: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit of the demo's network."""
    folder = tmp_path_factory.mktemp("run") / "out"
    audit.run_audit(model, probe=probe, out=folder, groups=GROUPS)
    return folder


@pytest.fixture
def items(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "records.parquet")


def written(items: pd.DataFrame, path: Path, *columns: str, **renamed: str) -> Path:
    items[["path", *columns]].rename(columns=renamed).to_csv(path, index=False)
    return path


def figures(result: audit.AuditResult, *families: str) -> dict[str, Any]:
    """Everything that the record says of these families' measures, one entry a figure: rates, intervals, p, all but
    what is adjusted over the whole record, which has more measures where there is a model, and the failure rate's
    definition, since a table alone can lack a picture."""
    measurements = [m for m in result.to_json()["measurements"] if m["family"] in families]
    found = dict(_flat([m | ({"definition": ""} if m["measure"] == "failure_rate" else {}) for m in measurements], ""))
    assert found
    return {name: value for name, value in found.items() if not name.endswith("/p_adjusted")}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """To 12 digits: how many measures are worked on together moves the last one or two."""
    return one == {k: pytest.approx(v, rel=1e-12, abs=1e-12) if isinstance(v, float) else v for k, v in other.items()}


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _flat(inner, f"{name}/{key}")
    else:
        yield name, value


@pytest.mark.parametrize("kind", ["records.parquet", "both", "probabilities", "bare names"])
def test_a_run_written_down_and_audited_again_gives_the_same_record(
    run: Path, items: pd.DataFrame, probe: Path, tmp_path: Path, kind: str
) -> None:
    scores = ("score.female", "score.male")
    tables = {
        "records.parquet": lambda path: Path(shutil.copy(run / "records.parquet", path.with_suffix(".parquet"))),
        "both": lambda path: written(items, path, "decision", *scores),
        "probabilities": lambda path: written(items, path, *scores),
        "bare names": lambda path: written(items, path, *scores, **{"score.female": "female", "score.male": "male"}),
    }
    model = audit.read_run(run)
    table = audit.run_audit(tables[kind](tmp_path / "p.csv"), probe=probe, groups=GROUPS)
    families = sorted({m.family for m in model.measurements} - {"activations", "focus"})

    assert {"rates", "scores", "quality"} <= set(families)
    assert same(figures(table, *families), figures(model, *families))
    assert table.items["decision"].equals(items["decision"])


def test_decisions_alone_give_the_same_rates_and_nothing_of_scores(
    run: Path, items: pd.DataFrame, probe: Path, tmp_path: Path
) -> None:
    result = audit.run_audit(
        written(items, tmp_path / "p.csv", "decision"), probe=probe, groups=GROUPS, out=tmp_path / "out"
    )
    skipped = {s.measure: s.reason for s in result.skipped}

    assert same(figures(result, "rates"), figures(audit.read_run(run), "rates"))
    assert "no probability" in skipped["confidence"]
    assert "no probability" in skipped["brier_score"]
    assert {"auc", "calibration_error", "threshold_sweep"} <= set(skipped)
    assert result.items[["score.female", "score.male"]].isna().all(axis=None)
    assert "NaN" not in (tmp_path / "out" / "audit.json").read_text()


def test_everything_inside_is_skipped_with_the_reason(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    result = audit.run_audit(written(items, tmp_path / "p.csv", "decision"), probe=probe)
    inside = {m: r for m, r in ((s.measure, s.reason) for s in result.skipped) if "holds no activations" in r}

    assert {"activation_strength", "relevance_mass", "entropy", "pointing_game"} <= set(inside)
    assert not [m for m in result.measurements if m.family in ("activations", "focus")]
    assert result.mean_maps == ()


def test_the_record_says_that_it_was_a_table(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "decision")
    (tmp_path / "p.csv.toml").write_text('[model]\npositive = "female"\n[model.facts]\nendpoint = "v2"\n')
    result = audit.run_audit(path, probe=probe)
    model = result.model

    assert (model["format"], model["input"], model["layers"], model["cam"]) == ("predictions", None, [], None)
    assert (model["final"], model["threshold"], model["facts"]) == (None, None, {"endpoint": "v2"})
    assert result["selection_rate"].overall.value is not None
    assert "table of predictions" in result.notes[0]
    assert not any("preprocess" in note or "in which order" in note for note in result.notes)


def test_the_report_says_so_too(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    result = audit.with_faces(audit.run_audit(written(items, tmp_path / "p.csv", "decision"), probe=probe))
    paths = reports.write(result, None, tmp_path / "out", ["html", "pdf", "md"])
    page = (tmp_path / "out" / "report.html").read_text()

    assert len(paths) == 3
    assert "This is an audit of a table of predictions" in page
    assert "taken on trust" in page
    assert "in the order of their names" in page
    assert "with confidence" not in page
    assert result.faces


def test_the_command_reports_on_a_run_written_down_in_every_format(typed: Typed, run: Path, probe: Path) -> None:
    status, said = typed(run / "records.parquet", "--probe", probe, "--group", "skin", "--out", "one")
    own = "The decisions are the table's own, so no operating point is marked."
    assert status == 0, said
    pages = [Path("one", name) for name in ("report.html", "summary.md", "report.pdf")]
    first = [page.read_bytes() for page in pages]
    for page in pages:
        page.unlink()
    again, said = typed("report", "one")

    assert again == 0, said
    assert [page.read_bytes() for page in pages] == first
    assert own in html.unescape(pages[0].read_text())
    assert not any(word in pages[0].read_text() for word in ("At the operating point", "the dashed line"))


def test_pictures_without_a_prediction_count_as_unanswered_and_are_counted_first(
    items: pd.DataFrame, probe: Path, tmp_path: Path
) -> None:
    kept = items.iloc[10:].copy()
    kept.loc[kept.index[0], "decision"] = None
    result = audit.run_audit(written(kept, tmp_path / "p.csv", "decision"), probe=probe)
    reasons = result.items["reason"].value_counts()

    assert result["failure_rate"].overall.value == 11 / 96
    assert (result.probe["failed"], result.probe["unreadable"]) == (11, 0)
    assert reasons.to_dict() == {"no prediction in the table": 10, "the table gives no answer": 1}
    assert "no prediction for 10 of 96 pictures" in result.notes[1]


def test_pictures_that_the_probe_set_lacks_are_noted_by_name(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    more = pd.concat([items, pd.DataFrame({"path": [f"more/{k}.jpg" for k in range(5)], "decision": "male"})])
    path = written(more, tmp_path / "p.csv", "decision")
    result, sample = audit.run_audit(path, probe=probe), audit.run_audit(path, probe=probe, limit=40)

    assert (
        "The table names 5 pictures that the probe set lacks (more/0.jpg, more/1.jpg, more/2.jpg, …): left aside."
        in result.notes
    )
    assert not any("lacks" in note for note in sample.notes)


def test_one_strange_picture_is_one(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    more = pd.concat([items, pd.DataFrame({"path": ["more/0.jpg"], "decision": "male"})])
    result = audit.run_audit(written(more, tmp_path / "p.csv", "decision"), probe=probe)

    assert "The table names 1 picture that the probe set lacks (more/0.jpg): left aside." in result.notes


def test_classes_are_the_decisions_and_the_labels(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    count = (items["decision"] == "male").sum()
    items["decision"] = items["decision"].replace("male", "unsure")
    result = audit.run_audit(written(items, tmp_path / "p.csv", "decision"), probe=probe, accept_chance=True)

    assert result.model["classes"] == ["female", "male", "unsure"]
    assert any(f"no label of the probe set, and how often they occur: unsure ({count})." in n for n in result.notes[:2])


def test_probabilities_that_do_not_add_up_are_noted_with_their_number(
    items: pd.DataFrame, probe: Path, tmp_path: Path
) -> None:
    items.loc[:6, "score.female"] = 0.9
    items.loc[:6, "score.male"] = [0.1, 0.105, 0.11, 0.12, 0.05, 0.9, float("nan")]
    result = audit.run_audit(written(items, tmp_path / "p.csv", "score.female", "score.male"), probe=probe)
    sigmoids = [note for note in result.notes if "add up to 1" in note]

    assert len(sigmoids) == 1
    assert "In 3 of 96 rows" in sigmoids[0]


def test_threshold_and_abstention_work_on_probabilities(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "score.female", "score.male")
    result = audit.run_audit(path, probe=probe, threshold=0.9, abstain_below=0.6)
    sure = items[["score.female", "score.male"]].max(axis=1) >= 0.6
    male = items["score.male"] >= 0.9

    assert result.items["decision"].notna().tolist() == sure.tolist()
    assert (result.items["decision"] == "male").tolist() == (male & sure).tolist()


@pytest.mark.parametrize("asked", [{"threshold": 0.9}, {"abstain_below": 0.6}])
def test_what_would_not_move_a_decision_is_refused(run: Path, probe: Path, asked: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="the table's column `decision` stands"):
        audit.run_audit(run / "records.parquet", probe=probe, **asked)


def test_decisions_made_at_another_threshold_mark_no_operating_point(
    items: pd.DataFrame, probe: Path, tmp_path: Path
) -> None:
    same = audit.run_audit(written(items, tmp_path / "s.csv", "decision", "score.female", "score.male"), probe=probe)
    items["decision"] = ["male" if p >= 0.9 else "female" for p in items["score.male"]]
    other = audit.run_audit(written(items, tmp_path / "o.csv", "decision", "score.female", "score.male"), probe=probe)
    marked = [[m for m in r.measurements if "operating_point" in m.parameters] for r in (same, other)]

    assert marked[0]
    assert marked[1] == []


def test_a_table_that_guesses_is_not_judged(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    items["decision"] = ["female", "male"] * 48
    result = audit.run_audit(written(items, tmp_path / "p.csv", "decision"), probe=probe)

    assert "no better than chance" in result.notes[0]


def test_an_interrupted_run_over_a_table_goes_on(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "decision")

    def ctrl_c(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(path, probe=probe, out=tmp_path / "cut", batch_size=16, progress=ctrl_c)
    audit.run_audit(path, probe=probe, out=tmp_path / "cut", batch_size=16, resume=True)
    audit.run_audit(path, probe=probe, out=tmp_path / "whole")
    cut, whole = (json.loads((tmp_path / name / "audit.json").read_text()) for name in ("cut", "whole"))
    cut.pop("run"), whole.pop("run")

    assert cut == whole


def test_another_table_is_another_run(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "decision")
    first = audit.run_audit(path, probe=probe)
    items.loc[0, "decision"] = {"male": "female", "female": "male"}[items.loc[0, "decision"]]
    second = audit.run_audit(written(items, path, "decision"), probe=probe)

    assert first.model["sha256"] != second.model["sha256"]
    assert first.run["fingerprint"] != second.run["fingerprint"]


def test_inspect_says_what_a_table_holds(typed: Typed, items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "decision")

    status, said = typed("inspect", path, "--probe", probe)

    assert status == 0
    assert "96, the first images/p0001-1.jpg" in said
    assert "no activations" in said


def test_inspect_knows_the_labels_too(typed: Typed, items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    other = written(items.replace({"decision": {"male": "unsure"}}), tmp_path / "other.csv", "decision")
    wrong = written(items.replace({"decision": {"male": "Male"}}), tmp_path / "wrong.csv", "decision")

    assert "how often they occur: unsure (" in " ".join(typed("inspect", other, "--probe", probe)[1].split())
    status, said = typed("inspect", wrong, "--probe", probe)
    assert (status, "close to one, got 'Male'" in said) == (4, True)
    assert typed("inspect", wrong, "--probe", probe, "--classes", "female,male,Male")[0] == 0


def test_a_word_close_to_a_label_can_be_a_class_of_its_own(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    items.loc[:9, "decision"] = "femail"
    path = written(items, tmp_path / "p.csv", "decision")
    result = audit.run_audit(path, probe=probe, classes=["female", "male", "femail"])

    assert result.model["classes"] == ["female", "male", "femail"]
    assert not any("femail" in note for note in result.notes)


def test_a_missing_picture_is_part_of_what_failing_means(run: Path, probe: Path) -> None:
    table, model = (
        result.find("failure_rate")
        for result in (audit.run_audit(run / "records.parquet", probe=probe), audit.read_run(run))
    )

    assert table is not None
    assert model is not None
    assert "or the table of predictions has none for the picture" in table.definition
    assert "table" not in model.definition


# what can be wrong


def refused(typed: Typed, status: int, text: str, probe: Path, *words: object) -> str:
    Path("p.csv").write_text(text)
    seen, said = typed("p.csv", "--probe", probe, *words)

    assert seen == status, said
    assert len([line for line in said.splitlines() if line.strip()]) == 1, said
    assert not list(Path().glob("audit-*"))
    return said


def test_a_table_of_other_pictures_shows_both_first_names(typed: Typed, probe: Path) -> None:
    said = refused(typed, 4, "path,decision\n/data/a.png,female\n", probe)

    assert "its first is /data/a.png, the probe set's first is images/p0001-1.jpg" in said


ONE = "images/p0001-1.jpg"
REFUSED = {
    "a label that it can't say": (4, f"path,f,male\n{ONE},0,1\n", (), "a label that the model can't say, got 'female'"),
    "percentages": (
        4,
        f"path,female,male\n{ONE},87.5,12.5\n",
        (),
        "p.csv, line 2: the column female holds a number that is no probability, got '87.5'. Allowed: numbers from 0",
    ),
    "a misspelled decision": (
        4,
        f"path,decision\n{ONE},male\nx.jpg,femail\ny.jpg,femail\n",
        (),
        (
            "p.csv, line 3, column decision: the table's decision is no label of the probe set, but close to one, got "
            "'femail'. Allowed: female, male. Did you mean female or male? Say --classes female,male,femail if it is a "
            "class of its own."
        ),
    ),
    "a decision in other case": (
        4,
        f"path,decision\n{ONE},Male\n",
        (),
        "line 2, column decision: the table's decision",
    ),
    "a column in other case": (
        4,
        f"path,score.female,score.male,score.Male\n{ONE},0,1,0\n",
        (),
        "p.csv, column score.Male: the table's column is no label of the probe set, but close to one, got 'Male'",
    ),
    "only columns in other case": (4, f"path,Female,Male\n{ONE},0,1\n", (), "column Female: the table's column"),
    "a preprocessing": (2, f"path,decision\n{ONE},male\n", ("--preprocess", "unit"), "is fed no pictures"),
    "layers": (2, f"path,decision\n{ONE},male\n", ("--layers", "relu"), "holds no activations"),
    "an output": (2, f"path,decision\n{ONE},male\n", ("--output", "logits"), "no such output"),
    "a strange decision": (4, f"path,decision\n{ONE},mael\n", ("--classes", "female,male"), "line 2, column decision"),
    "an unknown map": (2, f"path,decision\n{ONE},male\n", ("--cam", "gradcm"), "Did you mean gradcam"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_table_cannot_do_ends_in_one_line(typed: Typed, probe: Path, case: str) -> None:
    status, text, words, expected = REFUSED[case]

    assert expected in refused(typed, status, text, probe, *words)


def test_one_class_tells_nothing_apart(typed: Typed, tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "set", [{"path": "a.png", "gender": "female"}, {"path": "b.png", "gender": ""}])

    assert "one class only" in refused(typed, 4, "path,decision\na.png,female\n", probe)


def test_probabilities_that_are_not_finite_are_no_answer(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    items.loc[0, "score.male"] = float("inf")
    items.loc[1, ["score.male", "score.female"]] = None
    result = audit.run_audit(written(items, tmp_path / "p.csv", "score.female", "score.male"), probe=probe)

    assert list(result.items["reason"][:2]) == ["the output is not finite", "the table gives no answer"]
    assert result.probe["failed"] == 2


def test_errors_have_their_kinds(items: pd.DataFrame, probe: Path, tmp_path: Path) -> None:
    path = written(items, tmp_path / "p.csv", "decision")
    with pytest.raises(UsageError):
        audit.run_audit(path, probe=probe, layers=["x"])
    with pytest.raises(ProbeError, match="can't say"):
        audit.run_audit(path, probe=probe, classes=["female", "other"])
    with pytest.raises(ModelError, match="none of the probe set's pictures"):
        audit.run_audit(written(items.assign(path="x/" + items["path"]), path, "decision"), probe=probe)


def test_real_predictions_give_the_real_models_figures(tmp_path: Path) -> None:
    probe = shared_data("faces")
    model = audit.run_audit(shared_data("models", "gender.onnx"), probe=probe, out=tmp_path / "model", limit=300)
    table = audit.run_audit(tmp_path / "model" / "records.parquet", probe=probe, limit=300)
    families = ("rates", "scores", "quality")

    assert same(figures(table, *families), figures(model, *families))
