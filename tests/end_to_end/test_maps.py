"""Every way to make maps through a whole audit: what the record says of it, its cost, and the same figures again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import audit
from audit._prior import sample_rows
from audit.cams import CAMS
from audit.errors import Interrupted
from audit.probes import ProbeOptions, read_probe


def column(result: audit.AuditResult, measure: str) -> Any:
    """The first of this measure: of the predicted class, all decisions, the first region."""
    return next(m for m in result.measurements if m.measure == measure)


@pytest.mark.parametrize("name", CAMS.names())
def test_every_method_can_be_asked_for(name: str, model: Path, probe: Path) -> None:
    result = audit.run_audit(model, probe=probe, cam=name, limit=24, groups=["skin"], trust=0)
    method, said = CAMS.get(name), result.model["cam"]
    mass, overlap = column(result, "relevance_mass"), [m for m in result.measurements if m.measure == "class_overlap"]

    assert (said["method"], said["signed"], said["reason"]) == (name, method.signed, "asked for by name")
    assert 0 < mass.overall.value < 1
    assert bool(overlap) == (method.by_class and 2 not in method.opposite)
    assert column(result, "evidence_for").overall.value > 0
    assert said["extra_passes"] == (32 if name == "scorecam" else 0)  # a pass for each channel; the rest by the head
    assert any("once more for every channel" in note for note in result.notes) == (name == "scorecam")
    assert (said["sample"] is not None) == (name == "lpcam")


def test_auto_takes_what_is_exact_and_evidence_is_the_same_whatever_the_map(model: Path, probe: Path) -> None:
    auto = audit.run_audit(model, probe=probe, limit=24, groups=["skin"], trust=0)
    other = audit.run_audit(model, probe=probe, limit=24, groups=["skin"], trust=0, cam="eigencam")
    name = column(auto, "evidence_against").column

    assert auto.model["cam"]["reason"] == "the head is a global pool and a linear layer, so the map is exact"
    np.testing.assert_array_equal(auto.items[name], other.items[name])


def test_scorecam_of_a_network_that_ends_in_a_softmax_is_that_of_its_logits(
    model: Path, probe: Path, tmp_path: Path
) -> None:
    file = onnx.load(model)
    (output,) = file.graph.output
    file.graph.node.append(onnx.helper.make_node("Softmax", [output.name], ["shares"], axis=1))
    output.name = "shares"
    onnx.save(file, tmp_path / "softmax.onnx")
    shutil.copy(f"{model}.toml", tmp_path / "softmax.onnx.toml")
    one, other = (
        audit.run_audit(path, probe=probe, limit=12, groups=["skin"], trust=0, cam="scorecam")
        for path in (model, tmp_path / "softmax.onnx")
    )
    name = column(one, "relevance_mass").column

    assert (one.model["final"], other.model["final"]) == (None, "softmax")
    np.testing.assert_allclose(other.items[name], one.items[name], rtol=1e-4)


def test_a_misspelled_method_ends_the_run_with_the_nearest(typed: Any, model: Path, probe: Path) -> None:
    status, said = typed(model, "--probe", probe, "--cam", "gradcam_pluplus")

    assert status == 2
    assert "gradcam_plusplus" in said
    assert "Traceback" not in said


def test_a_method_that_learned_from_a_sample_goes_on_with_the_same(model: Path, probe: Path, tmp_path: Path) -> None:
    options = {"probe": probe, "cam": "lpcam", "trust": 0, "groups": ["skin"]}
    audit.run_audit(model, **options, out=tmp_path / "whole", batch_size=16)

    def stop(done: int, _: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(model, **options, out=tmp_path / "cut", batch_size=16, progress=stop)
    audit.run_audit(model, **options, out=tmp_path / "cut", batch_size=16, resume=True)
    whole, cut = (json.loads((tmp_path / name / "audit.json").read_bytes()) for name in ("whole", "cut"))
    marks = whole.pop("run")["fingerprint"], cut.pop("run")["fingerprint"]

    assert whole == cut
    assert marks[0] == marks[1]
    assert whole["model"]["cam"]["sample"] == {"female": 48, "male": 48}
    assert any("learned from 96 pictures of the probe set" in note for note in whole["notes"])


def test_another_seed_draws_another_sample_and_is_another_run(model: Path, probe: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        audit.run_audit(
            model, probe=probe, cam="lpcam", trust=0, limit=24, groups=["skin"], seed=seed, out=tmp_path / str(seed)
        )
    marks = [json.loads((tmp_path / s / "audit.json").read_bytes())["run"]["fingerprint"] for s in "01"]

    assert marks[0] != marks[1]


def test_a_sample_has_one_picture_of_each_person_before_it_has_a_second(probe: Path) -> None:
    whole = read_probe(probe, ProbeOptions())
    many = dataclasses.replace(whole, table=whole.table.loc[np.repeat(whole.table.index, 4)].reset_index(drop=True))
    rows = sample_rows(many, ("female", "male"), 0)
    again, other = sample_rows(many, ("female", "male"), 0), sample_rows(many, ("female", "male"), 1)

    assert list(rows) == [0, 1]
    for target, drawn in rows.items():
        table = many.table.iloc[drawn]
        counts = table["subject"].value_counts()
        people = many.table.loc[many.table["label"] == ("female", "male")[target], "subject"].nunique()

        assert len(drawn) == 64
        assert set(table["label"]) == {("female", "male")[target]}
        assert len(counts) == min(people, 64)
        assert counts.max() - counts.min() <= 1
        np.testing.assert_array_equal(drawn, again[target])
        assert not np.array_equal(drawn, other[target])


def test_of_very_many_classes_fewer_pictures_each_are_looked_at(probe: Path) -> None:
    whole = read_probe(probe, ProbeOptions())
    table = whole.table.loc[np.repeat(whole.table.index, 100)].reset_index(drop=True)
    names = tuple(f"class {number}" for number in range(300))
    table["label"] = [names[row % 300] for row in range(len(table))]
    rows = sample_rows(dataclasses.replace(whole, table=table), names, 0)

    assert {len(drawn) for drawn in rows.values()} == {2_048 // 300}
    assert len(rows) == 300
