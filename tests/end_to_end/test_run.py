"""The whole way through: a model file and a folder of pictures to a record that follows from them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import audit
from audit.analyses import ANALYSES
from audit.engines import ENGINES
from audit.errors import Interrupted, ProbeError, SettingsError, UsageError
from audit.settings import RunSettings
from tests.support.onnx_networks import save, small_cnn


@pytest.fixture(scope="module")
def result(model: Path, probe: Path) -> audit.AuditResult:
    return audit.run_audit(model, probe=probe)


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "audit.json").read_text())


def test_figures_follow_from_the_per_item_table(result: audit.AuditResult) -> None:
    items = result.items
    counted = items.groupby(["attribute.gender", "attribute.skin"])["wrong_label_rate"].mean()
    table = result["wrong_label_rate"].by_group("gender*skin")["value"]

    assert np.allclose(counted.to_numpy(), table.to_numpy())
    assert ((items["decision"] != items["label"]) == items["wrong_label_rate"].astype(bool)).all()


def test_every_measure_has_a_column_and_every_column_a_measurement(result: audit.AuditResult) -> None:
    columns = {m.column for m in result.measurements if m.measure not in ANALYSES}
    fixed = {"path", "image_sha256", "subject", "status", "reason", "label", "decision"}
    beside = {c for c in result.items.columns if c.startswith(("score.", "attribute."))} | fixed

    assert set(result.items.columns) - beside == columns


def test_python_and_the_folder_hold_the_same(
    result: audit.AuditResult, model: Path, probe: Path, tmp_path: Path
) -> None:
    audit.run_audit(model, probe=probe, out=tmp_path / "out")
    read = audit.read_run(tmp_path / "out")

    assert read.to_json()["measurements"] == result.to_json()["measurements"]
    assert np.array_equal(read.mean_maps[0].sums, result.mean_maps[0].sums)
    pd.testing.assert_frame_equal(
        read.items[["wrong_label_rate", "confidence"]], result.items[["wrong_label_rate", "confidence"]]
    )


def test_two_runs_give_the_same_record_but_for_the_block_run(model: Path, probe: Path, tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 3)):
        audit.run_audit(model, probe=probe, out=tmp_path / name, workers=workers)
    one, two = (record(tmp_path / name) for name in ("one", "two"))
    one.pop("run"), two.pop("run")

    assert one == two


def test_the_batch_size_changes_no_figure(result: audit.AuditResult, model: Path, probe: Path) -> None:
    other = audit.run_audit(model, probe=probe, batch_size=7)
    values = [m.overall.value for m in result.measurements]

    assert [m.overall.value for m in other.measurements] == pytest.approx(values, rel=1e-5)


def test_an_interrupted_run_goes_on_and_gives_the_same_record(
    model: Path, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.run_audit(model, probe=probe, out=tmp_path / "whole", batch_size=16)

    def ctrl_c(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"after 32 of 96 images.*--resume"):
        audit.run_audit(model, probe=probe, out=tmp_path / "cut", batch_size=16, progress=ctrl_c)
    seen: list[int] = []
    audit.run_audit(
        model, probe=probe, out=tmp_path / "cut", batch_size=16, resume=True, progress=lambda done, _: seen.append(done)
    )
    whole, cut = record(tmp_path / "whole"), record(tmp_path / "cut")
    whole.pop("run"), cut.pop("run")

    assert seen[0] == 32
    assert cut == whole
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == [
        "audit.json",
        "difference_maps.npz",
        "features",
        "records.parquet",
        "run.log",
        "tallies.npz",
    ]
    assert {"features/cam_predicted.npy", "features/cam_predicted.rows.npy"} < set(cut["files"])


def test_a_model_no_better_than_chance_is_not_judged(model: Path, probe: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\nmax = 1.0\n')
    options = {"probe": probe, "policy": tmp_path / "policy.toml", "classes": ["male", "female"]}
    refused = audit.run_audit(model, **options)
    accepted = audit.run_audit(model, **options, accept_chance=True)

    assert "no better than chance" in refused.notes[0]
    assert accepted.notes[0] == refused.notes[0]  # judged all the same, but not in silence
    assert refused.verdict is not None
    assert refused.verdict["status"] == "not judged"
    assert accepted.verdict is not None
    assert accepted.verdict["status"] == "pass"


def test_what_nobody_said_is_assumed_and_said_first(probe: Path, tmp_path: Path) -> None:
    bare = save(small_cnn(classes=2), tmp_path / "bare.onnx")
    notes = audit.run_audit(bare, probe=probe, accept_chance=True).notes

    assert any("unit" in note for note in notes)
    assert any("alphabetical" in note for note in notes)


def test_abstaining_is_a_failure_and_not_an_error(model: Path, probe: Path) -> None:
    result = audit.run_audit(model, probe=probe, abstain_below=0.9)
    failed = result.items["status"] == "failed"

    assert failed.any()
    assert result["failure_rate"].overall.value == pytest.approx(failed.mean())
    assert result["wrong_label_rate"].overall.n == (~failed).sum()
    assert result.items.loc[failed, "decision"].isna().all()
    assert result.items.loc[failed, "reason"].str.contains("abstained").all()


def test_an_unreadable_picture_is_the_files_failure_not_the_models(model: Path, probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    victim = min((folder / "images").iterdir())
    victim.write_text("not a picture")
    result = audit.run_audit(model, probe=folder)
    row = result.items[result.items["path"] == f"images/{victim.name}"].iloc[0]

    assert row["status"] == "unreadable"
    assert result.probe["unreadable"] == 1
    assert result["failure_rate"].overall.n == 95
    assert result["failure_rate"].overall.value == 0.0


def test_a_positive_class_brings_the_conditional_rates_but_not_within_the_label(model: Path, probe: Path) -> None:
    result = audit.run_audit(model, probe=probe, positive="female")
    within = {s.attribute for s in result.skipped if s.measure == "false_positive_rate"}

    assert result["false_positive_rate"].by_group("skin")["n"].sum() == 48
    assert "gender" in within
    assert "gender*skin" in within


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"unknown setting, got 'group'.*Did you mean groups\?"):
        audit.run_audit("m.onnx", probe="p", group=["skin"])


def test_settings_that_only_say_how_fast_stand_in_run(model: Path, probe: Path, tmp_path: Path) -> None:
    audit.run_audit(model, probe=probe, out=tmp_path / "out", settings=RunSettings(batch_size=8, threads=1))
    held = record(tmp_path / "out")

    assert (held["run"]["batch_size"], held["run"]["threads"]) == (8, 1)
    assert not {"batch_size", "workers", "threads", "device"} & set(held["settings"])
    assert set(held["settings"]) == {f.name for f in dataclasses.fields(RunSettings)} - {
        "batch_size",
        "workers",
        "threads",
        "device",
    }


def test_the_files_hashes_are_those_of_the_files(model: Path, probe: Path, tmp_path: Path) -> None:
    from audit.files import sha256

    audit.run_audit(model, probe=probe, out=tmp_path / "out")
    held = record(tmp_path / "out")

    assert held["files"]["records.parquet"] == f"sha256 {sha256(tmp_path / 'out' / 'records.parquet')}"
    assert held["model"]["sha256"] == sha256(model)


def test_one_failing_batch_leaves_nothing_behind(
    model: Path, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import ModelError

    def broken(plan: object, rows: object) -> object:
        raise ModelError("the model broke")

    monkeypatch.setattr(ENGINES.get("local"), "shards", broken)
    with pytest.raises(ModelError):
        audit.run_audit(model, probe=probe, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_log_has_one_line_an_event_and_is_gone_on_with(model: Path, probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    min((folder / "images").iterdir()).write_text("not a picture")

    def ctrl_c(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(model, probe=folder, out=tmp_path / "out", batch_size=16, progress=ctrl_c)
    audit.run_audit(model, probe=folder, out=tmp_path / "out", batch_size=16, resume=True)
    lines = (tmp_path / "out" / "run.log").read_text().splitlines()

    assert sum("interrupted after 32 of 96" in line for line in lines) == 1
    assert sum("going on after 32 of 96" in line for line in lines) == 1
    assert sum("unreadable: images/" in line for line in lines) == 1
    assert all(line[:2] == "20" for line in lines)


def test_landmarks_stand_in_for_aligned_pictures(model: Path, probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    settings = folder / "bias-audit.toml"
    settings.write_text(settings.read_text().replace("aligned = true", "aligned = false"))
    nowhere = audit.run_audit(model, probe=folder)
    points = np.random.default_rng(0).uniform(20, 76, (68, 2))
    paths = pd.read_csv(folder / "manifest.csv")["path"]
    names = [f"{axis}{i}" for i in range(68) for axis in "xy"]
    rows = pd.DataFrame(np.tile(points.ravel(), (len(paths), 1)), columns=names)
    pd.concat([paths, rows], axis=1).to_csv(folder / "landmarks68.csv", index=False)
    laid = audit.run_audit(model, probe=folder)

    assert nowhere.mean_maps == ()
    assert any("landmarks68.csv" in s.reason for s in nowhere.skipped if s.measure == "mean_map")
    assert laid.probe["aligned"] == "landmarks"
    assert laid.mean_maps[0].counts.sum() == 96


def test_a_setting_of_the_command_line_alone_is_no_setting_of_a_run() -> None:
    with pytest.raises(SettingsError, match="unknown setting, got 'formats'"):
        audit.run_audit("m.onnx", probe="p", formats=["html"])


def test_a_picture_without_label_or_answer_is_neither_right_nor_wrong_in_the_mean_maps(
    model: Path, probe: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.loc[:9, "gender"] = ""
    manifest.to_csv(folder / "manifest.csv", index=False)
    result = audit.run_audit(model, probe=folder, abstain_below=0.9)
    items = result.items
    answered = items["status"] == "ok"
    wrong = int(items["wrong_label_rate"].sum())
    right = int((items["wrong_label_rate"] == 0).sum())
    predicted, true = (next(m for m in result.mean_maps if m.target == t) for t in ("predicted", "true"))

    assert predicted.counts.sum(axis=0).tolist() == [wrong, right, int((answered & items["label"].isna()).sum())]
    assert true.counts.sum(axis=0).tolist() == [wrong, right, int((~answered & items["label"].notna()).sum())]


def test_the_record_does_not_depend_on_how_the_way_to_the_folder_is_written(
    model: Path, probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(probe)
    here, there = (audit.run_audit(model.resolve(), probe=p, limit=8, accept_chance=True) for p in (".", probe))

    assert here.probe == there.probe


def test_a_threshold_for_several_classes_is_refused(probe: Path, tmp_path: Path) -> None:
    three = save(small_cnn(classes=3), tmp_path / "three.onnx")

    with pytest.raises(SettingsError, match="a threshold is for models of two classes; this one has 3, got '0.9'"):
        audit.run_audit(three, probe=probe, classes=["female", "male", "other"], threshold=0.9)


def test_a_single_logit_that_happens_to_lie_between_0_and_1_is_no_probability(probe: Path, tmp_path: Path) -> None:
    one = save(small_cnn(classes=1), tmp_path / "one.onnx")
    stated = save(small_cnn(classes=1, final="Sigmoid"), tmp_path / "stated.onnx")
    plain, sigmoid = (audit.run_audit(m, probe=probe, accept_chance=True) for m in (one, stated))

    assert np.allclose(plain.items["score.male"], sigmoid.items["score.male"], atol=1e-6)
    assert plain.items["score.male"].between(0.5, 0.7).all()  # logits from 0 to 1


def test_nothing_readable_leaves_a_folder_that_was_there_as_it_was(model: Path, probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    for picture in (folder / "images").iterdir():
        picture.write_text("not a picture")
    (tmp_path / "out").mkdir()

    with pytest.raises(ProbeError, match="no picture of the probe set can be read"):
        audit.run_audit(model, probe=folder, out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_is_not_gone_on_with_over_other_pictures(model: Path, probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)

    def ctrl_c(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(model, probe=folder, out=tmp_path / "out", batch_size=16, progress=ctrl_c)
    first, last = sorted((folder / "images").iterdir())[::95]
    shutil.copy(last, first)
    with pytest.raises(UsageError, match="another model, probe set or settings"):
        audit.run_audit(model, probe=folder, out=tmp_path / "out", batch_size=16, resume=True)


def test_two_copies_of_a_probe_set_give_the_same_record(model: Path, probe: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(probe, tmp_path / f"faces-{name}")
        audit.run_audit(model, probe=tmp_path / f"faces-{name}", out=tmp_path / name)
    one, two = (record(tmp_path / name) for name in ("one", "two"))
    one.pop("run"), two.pop("run")

    assert one == two


def test_a_run_cut_off_after_its_last_picture_says_the_same(
    model: Path, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = audit.run_audit(model, probe=probe, out=tmp_path / "whole")

    def ctrl_c(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(model, probe=probe, out=tmp_path / "cut", progress=ctrl_c)
    cut = audit.run_audit(model, probe=probe, out=tmp_path / "cut", resume=True)

    assert cut.run["tap_guard"] == whole.run["tap_guard"] is not None
    assert cut.notes == whole.notes
    assert cut.run["images_per_second"] == 0.0
