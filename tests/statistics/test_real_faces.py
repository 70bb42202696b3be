"""The figures that were computed independently for a real model on real faces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.groups import make_groupings, subject_codes
from audit.result import Measurement
from audit.strata import with_strata
from audit.summary import Options, summarise
from tests.support.data import shared_data
from tests.support.figures import a_measure

ATTRIBUTES = ("gender", "race", "age_band")


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, pd.DataFrame]:
    """Where the gender model is wrong [N, 1], from a bare session: none of the audit's own reading of models."""
    import onnxruntime
    from PIL import Image

    faces, model = shared_data("faces"), shared_data("models", "gender.onnx")
    manifest = pd.read_csv(faces / "manifest.csv", dtype=str)
    session = onnxruntime.InferenceSession(str(model))
    mean = np.array([122.782, 117.001, 104.298], dtype=np.float32)
    decisions = []
    for start in range(0, len(manifest), 64):
        batch = []
        for path in manifest["path"][start : start + 64]:
            with Image.open(faces / path) as image:
                small = image.convert("RGB").resize((112, 112), Image.Resampling.BILINEAR)
            batch.append(((np.asarray(small, dtype=np.float32) - mean) / 256).transpose(2, 0, 1))
        decisions.append(session.run(None, {session.get_inputs()[0].name: np.stack(batch)})[0].argmax(axis=1))
    said = np.array(["male", "female"])[np.concatenate(decisions)]
    wrong = (said != manifest["gender"].to_numpy()).astype(np.float64)
    table = manifest.rename(columns={a: f"attribute.{a}" for a in ATTRIBUTES})
    return wrong[:, None], table


@pytest.fixture(scope="module")
def wrong_labels(judged: tuple[np.ndarray, pd.DataFrame]) -> Measurement:
    """With groups by each attribute, and within race and age."""
    wrong, table = judged
    groupings = make_groupings(table, (*((a,) for a in ATTRIBUTES), ("gender", "race")))
    subjects, options = subject_codes(table), Options()
    found, _ = summarise(wrong, [a_measure()], groupings, subjects, "gender", options)
    strata = make_groupings(table, (("race",), ("age_band",)))
    (measurement,), _ = with_strata(found, lambda _: wrong, groupings, strata, subjects, options)
    return measurement


@pytest.mark.parametrize(
    ("attribute", "points", "p"),
    [
        ("gender", (0.3, 0.0, 3.4), "0.85"),
        ("race", (4.4, 0.0, 9.5), "0.4"),
        ("age_band", (23.5, 17.1, 28.5), "1e-12"),
        ("gender*race", (16.1, 3.8, 23.7), "0.0029"),
    ],
)
def test_gaps_are_the_independent_ones(
    wrong_labels: Measurement, attribute: str, points: tuple[float, float, float], p: str
) -> None:
    gap = wrong_labels.disparity(attribute)

    assert (100 * gap.value, 100 * gap.low, 100 * gap.high) == pytest.approx(points, abs=0.1)
    assert f"{gap.p_value:.2g}" == p


def test_black_women_are_named_and_black_men_and_not_women_or_men(wrong_labels: Measurement) -> None:
    gap = wrong_labels.disparity("gender*race")

    assert gap.worst == {"gender": "female", "race": "black"}
    assert gap.best == {"gender": "male", "race": "black"}
    assert wrong_labels.disparity("gender").low == 0.0


def test_gender_alone_shows_nothing_and_within_race_much(wrong_labels: Measurement) -> None:
    (row,) = [w for w in wrong_labels.within if (w.attribute, w.by) == ("gender", "race")]

    assert not wrong_labels.disparity("gender").clear
    assert not row.clear
    assert (row.comparable, row.left_out) == (1.0, ())
    (black,) = [s for s in row.strata if s.low > 0]
    assert black.attributes == {"race": "black"}
    assert (black.worst, black.best) == ({"gender": "female"}, {"gender": "male"})
    assert (100 * black.value, 100 * black.low, 100 * black.high) == pytest.approx((16.1, 6.3, 26.4), abs=0.1)
    assert black.p_value < 0.001


def test_age_bands_stand_in_order_of_age(wrong_labels: Measurement) -> None:
    names = [g.attributes["age_band"] for g in wrong_labels.groups("age_band")]

    assert names == ["0-14", "15-29", "30-49", "50-116"]
