"""Real faces and real models, against counts and figures that were computed independently."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import audit
import reports
from tests.support.data import shared_data

STRENGTH = {  # behind the last ReLU: max_of_channel_mean, mean_of_channel_max, mean
    ("female", "asian"): (0.8714, 2.804, 0.1804),
    ("female", "black"): (0.7005, 2.413, 0.1574),
    ("female", "white"): (0.7658, 2.773, 0.1814),
    ("male", "black"): (0.9851, 2.786, 0.1859),
    ("male", "white"): (1.0585, 2.887, 0.1892),
}
FACE_MASS = {
    ("female", "asian"): 0.571,
    ("female", "black"): 0.660,
    ("female", "white"): 0.596,
    ("female", "indian"): 0.612,
    ("female", "other"): 0.563,
    ("male", "asian"): 0.673,
    ("male", "indian"): 0.738,
    ("male", "other"): 0.709,
    ("male", "black"): 0.789,
    ("male", "white"): 0.752,
}


@pytest.fixture(scope="module")
def gender() -> audit.AuditResult:
    return audit.run_audit(shared_data("models", "gender.onnx"), probe=shared_data("faces"))


def check_counts(result: audit.AuditResult, name: str) -> None:
    expected = json.loads(shared_data("expected.json").read_text())[name]
    wrong = result["wrong_label_rate"].measurement
    seen = {frozenset(g.attributes.items()): (g.n, round((g.value or 0) * g.n)) for g in wrong.by_group}
    for key, cell in expected.items():
        if "=" in key:
            names, values = key.split("=")
            assert seen[frozenset(zip(names.split("+"), values.split("/"), strict=True))] == tuple(cell), key
    assert (wrong.overall.n, round((wrong.overall.value or 0) * wrong.overall.n)) == tuple(expected["all"])


def test_counts_are_exact(gender: audit.AuditResult) -> None:
    check_counts(gender, "gender.onnx")


def test_activation_strength_agrees_with_independent_figures(gender: audit.AuditResult) -> None:
    last = [layer["name"] for layer in gender.model["layers"] if layer["tapped"]][-1]
    for i, reduction in enumerate(("max_of_channel_mean", "mean_of_channel_max", "mean")):
        table = gender[f"activation_strength[layer={last},reduction={reduction}]"].by_group("gender*race")["value"]
        for key, expected in STRENGTH.items():
            assert table[key] == pytest.approx(expected[i], rel=0.005)


def test_relevance_mass_of_the_face_agrees_with_independent_figures(gender: audit.AuditResult) -> None:
    column = "relevance_mass[cam=cam,decisions=all,region=face,target=predicted]"
    table = gender[column].by_group("gender*race")["value"]

    assert {key: table[key] for key in FACE_MASS} == pytest.approx(FACE_MASS, abs=0.01)


def test_gaps_agree_with_the_independent_computation(gender: audit.AuditResult) -> None:
    expected = {
        "gender": (0.3, 0, 3.4),
        "race": (4.4, 0, 9.5),
        "age_band": (23.5, 17.1, 28.5),
        "gender*race": (16.1, 3.8, 23.7),
    }
    for attribute, points in expected.items():
        gap = gender["wrong_label_rate"].measurement.disparity(attribute)
        assert gap is not None
        assert [100 * (x or 0) for x in (gap.value, gap.low, gap.high)] == pytest.approx(points, abs=0.1)
    worst = gender["wrong_label_rate"].measurement.disparity("gender*race")
    assert worst is not None
    assert (worst.worst, worst.best) == ({"gender": "female", "race": "black"}, {"gender": "male", "race": "black"})


def test_the_analyses_say_what_was_counted(gender: audit.AuditResult) -> None:
    """29 of 149 black women are called men, 5 of 148 black men women; of all groups children are worst off."""
    taken = {
        m.parameters["label"]: {g.attributes["race"]: g for g in m.groups("race")} for m in gender.all("confusion")
    }
    search = next(m for m in gender.all("worst_group") if m.parameters["measure"] == "wrong_label_rate")

    assert (taken["female"]["black"].n, taken["female"]["black"].value) == (149, pytest.approx(29 / 149))
    assert (taken["male"]["black"].n, taken["male"]["black"].value) == (148, pytest.approx(5 / 148))
    assert dict(search.by_group[0].attributes) == {"age_band": "0-14"}
    assert {"gender": "female", "race": "black"} in [dict(g.attributes) for g in search.by_group]
    assert gender["auc"].overall.value == pytest.approx(
        roc_auc_score(gender.items["label"] == "female", gender.items["score.female"]), abs=1e-9
    )


@pytest.mark.parametrize(
    ("name", "counts"),
    [("age_gender.onnx", "gender.onnx"), ("gender_imdb_rgb.onnx", "gender_imdb_rgb.onnx")],
)
def test_the_other_onnx_models_have_their_counts(name: str, counts: str) -> None:
    check_counts(audit.run_audit(shared_data("models", name), probe=shared_data("faces")), counts)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["gender.pt", "gender_imdb_rgb.pt"])
def test_torchscript_decides_and_looks_as_onnx_does_for_every_image(name: str) -> None:
    """The second network has no linear layer: a convolution with a channel a class, pooled. Both have an exact head, so
    Grad-CAM is CAM where CAM is above 0."""
    pytest.importorskip("torch")
    options = {"probe": shared_data("faces"), "limit": 400, "trust": 0, "groups": ["race"]}
    script = audit.run_audit(shared_data("models", name), **options, cam="gradcam")
    onnx = audit.run_audit(shared_data("models", name.replace(".pt", ".onnx")), **options)
    mass = [r.items[f"relevance_mass[cam={cam},decisions=all,region=face,target=predicted]"]
            for r, cam in ((script, "gradcam"), (onnx, "cam"))]  # fmt: skip

    assert (script.model["cam"]["method"], onnx.model["cam"]["method"]) == ("gradcam", "cam")
    assert (script.items["decision"] == onnx.items["decision"]).all()
    assert np.abs(script.items["score.male"] - onnx.items["score.male"]).max() < 1e-4
    assert mass[0].notna().mean() > 0.99
    np.testing.assert_allclose(*mass, atol=1e-4)


def idx(path: Path) -> np.ndarray:
    """An IDX file: big-endian sizes after a four-byte head, then bytes."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def test_digits_with_a_fixed_batch_and_an_old_opset(tmp_path: Path) -> None:
    images = idx(shared_data("digits", "t10k-images-idx3-ubyte.gz"))
    labels = idx(shared_data("digits", "t10k-labels-idx1-ubyte.gz"))
    for digit in range(10):
        (tmp_path / "digits" / str(digit)).mkdir(parents=True)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(tmp_path / "digits" / str(label) / f"{i:05d}.png", compress_level=1)
    result = audit.run_audit(shared_data("models", "mnist_cnn.onnx"), probe=tmp_path / "digits", batch_size=64)

    assert result["wrong_label_rate"].overall.n == 10_000
    assert 1 - (result["wrong_label_rate"].overall.value or 0) == pytest.approx(0.989, abs=0.0005)


def test_the_report_opens_with_what_gender_alone_hides(gender: audit.AuditResult) -> None:
    page = reports.render(gender, None, "html").decode()

    assert reports.headlines(gender)[0] == (
        "Of the black women 19 in 100 are called men; of the black men 3 in 100 are called women."
    )
    assert "although women and men overall show no clear difference (10 and 10 in 100)" in page


def test_activation_ratio_by_race_has_an_interval_and_a_p_that_agree(gender: audit.AuditResult) -> None:
    last = [layer["name"] for layer in gender.model["layers"] if layer["tapped"]][-1]
    for reduction in ("max_of_channel_mean", "mean_of_channel_max", "mean"):
        found = gender.find("activation_strength", {"layer": last, "reduction": reduction})
        assert found is not None
        ratio, gap = found.disparity("race", "ratio"), found.disparity("race")
        assert ratio is not None
        assert gap is not None
        assert (ratio.low or 0) < (ratio.value or 0) < (ratio.high or 0) < 1
        assert (gap.low or 0) > 0
        assert (ratio.p_value or 0) == (gap.p_value or 0) < 0.05
        assert (ratio.p_method != "permutation", ratio.null_quantile) == (True, None)


def test_fifteen_real_faces_are_looked_at_and_not_judged(tmp_path: Path) -> None:
    faces = shared_data("faces")
    table = pd.read_csv(faces / "manifest.csv", dtype=str).drop_duplicates("subject").sort_values("path")
    few = table[table["race"].isin(["asian", "black", "white"])].groupby("race").head(5)
    (tmp_path / "images").mkdir()
    for path in few["path"]:
        shutil.copy(faces / path, tmp_path / path)
    few.to_csv(tmp_path / "manifest.csv", index=False)
    result = audit.run_audit(shared_data("models", "gender.onnx"), probe=tmp_path, groups=["race"])
    deepest = result.all("activation_strength")[-1].disparity("race", "ratio")

    assert deepest is not None
    assert (deepest.p_method, deepest.descriptive, deepest.low) == ("permutation", True, None)
    assert result.verdict is None
    values = result.items[result.all("activation_strength")[-1].column].to_numpy()
    ratios = sorted(every_ratio(values.tolist()))
    assert len(ratios) == 126_126
    assert deepest.p_value == pytest.approx(np.mean(np.array(ratios) <= (deepest.value or 0) + 1e-12))
    assert deepest.null_quantile == pytest.approx(ratios[len(ratios) // 20])


def every_ratio(values: list[float]) -> Iterator[float]:
    """Smallest over largest mean for every way to part fifteen in three fives; the first stays in the first."""
    total = sum(values)
    for others in itertools.combinations(range(1, 15), 4):
        one = values[0] + sum(values[i] for i in others)
        rest = [i for i in range(1, 15) if i not in others]
        for more in itertools.combinations(rest[1:], 4):
            two = values[rest[0]] + sum(values[i] for i in more)
            sums = (one, two, total - one - two)
            yield min(sums) / max(sums)
