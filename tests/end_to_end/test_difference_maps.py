"""Difference maps from a run: on drawn faces, in memory and from the folder, and on real faces where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import audit
from audit.errors import UsageError
from tests.support.data import shared_data
from tests.support.planted import drawn_probe

MODEL = Path(audit.__file__).parent / "demo" / "model.onnx"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_probe(tmp_path_factory.mktemp("drawn") / "faces", subjects=72, pictures=2)


@pytest.fixture(scope="module")
def result(probe: Path) -> audit.AuditResult:
    return audit.run_audit(MODEL, probe=probe, groups=["skin", "gender*skin"], min_subjects=10, trust=0)


def test_every_stated_group_is_compared_with_the_others(result: audit.AuditResult) -> None:
    named = [(m.attribute, *m.group.values()) for m in result.difference_maps if m.attribute == "skin"]
    light = result.difference_map("skin", "light")
    crossed = result.difference_map("gender*skin", {"gender": "female", "skin": "dark"})

    assert [name[0] for name in named] == ["skin"] * 3
    assert (light.n, light.subjects, light.rest_n, light.rest_subjects) == (48, 24, 96, 48)
    assert light.mean.sum() == pytest.approx(1, abs=1e-6)
    assert light.difference.sum() == pytest.approx(0, abs=1e-6)
    assert light.p_value is not None
    assert light.p_adjusted is not None
    assert light.p_adjusted >= light.p_value
    assert (crossed.against, crossed.n, crossed.rest_n, crossed.indicative) == ("same label", 24, 48, False)
    assert {m.p_value is None for m in result.difference_maps if m.attribute != "decision"} == {False}


def test_the_mean_map_of_a_group_is_that_of_the_tallies(result: audit.AuditResult) -> None:
    maps = next(m for m in result.mean_maps if (m.attribute, m.target) == ("skin", "predicted"))
    mean = maps.mean(maps.groups.index({"skin": "dark"}))
    assert mean is not None
    found = result.difference_map("skin", "dark").mean
    step = np.array(mean.shape) // np.array(found.shape)

    if (step * found.shape == mean.shape).all():
        mean = mean.reshape(found.shape[0], step[0], found.shape[1], step[1]).sum(axis=(1, 3))
        assert found == pytest.approx(mean, abs=1e-6)


def test_names_that_are_not_there_are_refused_with_those_that_are(result: audit.AuditResult) -> None:
    with pytest.raises(UsageError, match="no such group in the difference maps, got 'blue'.*dark"):
        result.difference_map("skin", "blue")
    with pytest.raises(UsageError, match="no difference maps.*got 'hair'.*skin"):
        result.difference_map("hair", "long")


def test_groups_that_are_too_small_are_shown_untested_or_it_is_said_why_there_are_none(probe: Path) -> None:
    found = audit.run_audit(MODEL, probe=probe, groups=["skin", "gender*skin"], min_subjects=24, trust=0)

    assert {m.indicative for m in found.difference_maps if m.attribute == "skin"} == {False}
    with pytest.raises(UsageError, match="no group has 24 subjects with a map"):
        found.difference_map("gender*skin", "female*dark")


def test_a_run_in_a_folder_says_the_same_as_one_in_memory(
    probe: Path, tmp_path: Path, result: audit.AuditResult
) -> None:
    groups = ["skin", "gender*skin"]
    audit.run_audit(MODEL, probe=probe, out=tmp_path / "out", groups=groups, min_subjects=10, trust=0)
    read = audit.read_run(tmp_path / "out")
    rows = np.load(tmp_path / "out" / "features" / "cam_predicted.rows.npy")
    values = np.load(tmp_path / "out" / "features" / "cam_predicted.npy")

    assert rows.tolist() == list(range(144))
    assert values.dtype == np.float32
    assert values.sum(axis=(1, 2)) == pytest.approx(np.ones(144), abs=1e-5)
    assert len(read.difference_maps) == len(result.difference_maps)
    for mine, other in zip(read.difference_maps, result.difference_maps, strict=True):
        assert mine.to_json(0.05) == other.to_json(0.05)
        assert np.array_equal(mine.mean, other.mean)
        assert np.array_equal(mine.marked(), other.marked())


def test_pictures_that_are_not_aligned_have_no_difference_maps_and_it_is_said_why(probe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(probe, folder)
    settings = folder / "bias-audit.toml"
    settings.write_text(settings.read_text().replace("aligned = true", "aligned = false"))
    found = audit.run_audit(MODEL, probe=folder, out=tmp_path / "out", trust=0)

    assert found.difference_maps == ()
    assert not (tmp_path / "out" / "features").exists()
    assert not (tmp_path / "out" / "difference_maps.npz").exists()
    with pytest.raises(UsageError, match="aligned = true"):
        found.difference_map("skin", "dark")


@pytest.mark.slow
def test_on_real_faces_children_are_looked_at_elsewhere_and_most_races_alike() -> None:
    groups = ["race", "age_band", "gender*race"]
    model, faces = shared_data("models", "gender.onnx"), shared_data("faces")
    found = audit.run_audit(model, probe=faces, groups=groups, trust=0)
    race = {m.group["race"]: m for m in found.difference_maps if m.attribute == "race"}
    children = found.difference_map("age_band", "0-14")

    assert children.marked().sum() >= 30
    assert children.mean[2:5].sum() < 0.7 * children.rest[2:5].sum()
    assert race["black"].p_value == pytest.approx(1 / 2001)
    assert min(race[name].p_value or 0 for name in ("indian", "white")) > 0.2
    assert found.difference_map("gender*race", "female*white").marked().sum() == 0
    assert found.difference_map("decision", "female").marked().sum() >= 8
