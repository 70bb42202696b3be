"""Inspecting says what can be had of a model; trying finds the way it was trained to be fed."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from audit._trials import PICTURES, as_toml, sample_rows, trials, ways_to_feed
from audit.cli import main
from audit.errors import ProbeError, SettingsError
from audit.inputs import InputSpec
from audit.inspection import Inspection, inspect_model
from audit.probes import ProbeSet, read_probe
from audit.runtimes import Capture, TensorSpec
from audit.settings import ModelSettings, RunSettings
from tests.support import onnx_networks
from tests.support.data import shared_data

SPEC = InputSpec(size=(8, 8))


@pytest.fixture
def red_or_less(tmp_path: Path) -> ProbeSet:
    """Two labels that differ by the red channel only, round the middle of its range; blue is always strong."""
    rows = ["path,label"]
    for label, red in (("more", 140), ("less", 125)):
        for i in range(40):
            Image.new("RGB", (8, 8), (red, i, 200)).save(tmp_path / f"{label}{i}.png")
            rows.append(f"{label}{i}.png,{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return read_probe(tmp_path)


class RedModel:
    """Says class 1 where the first channel is above zero on average: right for `symmetric`, in RGB, for less, more."""

    def prepare(self, request: Any) -> None:
        pass

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:
        red = images[:, 0].mean(axis=(1, 2))
        return Capture(outputs=np.stack([-red, red], axis=1).astype(np.float32), strengths={})


OUTPUT = TensorSpec(name="y", shape=(None, 2), dtype="float32")
DESCRIPTION: Any = SimpleNamespace(outputs=(OUTPUT,), final={"y": None})


def tried(probe: ProbeSet, said: ModelSettings | None = None, description: Any = DESCRIPTION) -> Any:
    model: Any = RedModel()
    return trials(model, description, said or ModelSettings(), SPEC, probe, 0)


def test_the_planted_way_is_found_and_only_that_one_is_always_right(red_or_less: ProbeSet) -> None:
    found = tried(red_or_less)
    always = [(t.name, t.classes) for t in found if t.right == t.pictures]

    assert always == [("symmetric rgb", ("less", "more"))]
    assert found[0].pictures == PICTURES


def test_a_way_that_was_not_planted_is_right_half_of_the_time(red_or_less: ProbeSet) -> None:
    unit = [t.right for t in tried(red_or_less) if t.name == "unit rgb"]

    assert unit == [PICTURES // 2, PICTURES // 2]


def test_the_printed_toml_is_the_planted_way_and_can_be_read_back(red_or_less: ProbeSet, tmp_path: Path) -> None:
    text = as_toml(tried(red_or_less), tmp_path / "m.onnx", several_outputs=False)
    found = tomllib.loads(text)["model"]

    assert found["classes"] == ["less", "more"]
    assert (found["input"]["scale"], found["input"]["mean"], found["input"]["color"]) == (127.5, [1.0] * 3, "rgb")
    assert "#   64 of 64  symmetric rgb" in text


def test_names_cannot_break_out_of_the_printed_toml(red_or_less: ProbeSet, tmp_path: Path) -> None:
    odd = ('a"\nx = 1', "b\x7f")
    best = dataclasses.replace(tried(red_or_less)[0], classes=odd)
    found = tomllib.loads(as_toml((best,), tmp_path / "m.onnx", several_outputs=True))

    assert found["model"]["classes"] == list(odd)


def test_equally_good_ways_are_said_to_be_alike(red_or_less: ProbeSet, tmp_path: Path) -> None:
    best = tried(red_or_less)[0]
    close = tuple(dataclasses.replace(best, right=n) for n in (50, 48, 20))

    assert "can't tell the first 2 apart" in as_toml(close, tmp_path / "m.onnx", several_outputs=False)


def test_stated_classes_keep_their_order_and_are_tried_the_other_way_round(red_or_less: ProbeSet) -> None:
    found = tried(red_or_less, ModelSettings(classes=("more", "less")))

    assert {t.classes for t in found} == {("more", "less"), ("less", "more")}


def test_an_output_with_another_number_of_classes_is_left_out(red_or_less: ProbeSet) -> None:
    other = TensorSpec(name="z", shape=(None, 5), dtype="float32")
    description = SimpleNamespace(outputs=(other, OUTPUT), final={"y": None, "z": None})

    assert {t.output for t in tried(red_or_less, description=description)} == {"y"}


def test_no_output_with_the_labels_is_an_error(red_or_less: ProbeSet) -> None:
    other = TensorSpec(name="z", shape=(None, 5), dtype="float32")
    with pytest.raises(SettingsError, match="5 classes apart, the probe set has 2 labels"):
        tried(red_or_less, description=SimpleNamespace(outputs=(other,), final={"z": None}))


def test_pictures_that_cannot_be_read_are_an_error(red_or_less: ProbeSet) -> None:
    for path in red_or_less.folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(ProbeError, match="none of the pictures"):
        tried(red_or_less)


def test_the_draw_is_even_over_labels_and_repeatable(red_or_less: ProbeSet) -> None:
    rows = sample_rows(red_or_less, 0)
    labels = red_or_less.table["label"].iloc[rows]

    assert labels.value_counts().to_dict() == {"less": 32, "more": 32}
    assert rows.tolist() == sample_rows(red_or_less, 0).tolist() != sample_rows(red_or_less, 1).tolist()


@pytest.mark.parametrize(
    ("spec", "said", "names"),
    [
        (SPEC, {}, ["imagenet rgb", "imagenet bgr", "unit rgb", "unit bgr", "symmetric rgb", "symmetric bgr", "raw rgb",
                    "raw bgr"]),
        (InputSpec(size=(8, 8), color="gray", mean=(0.0,), std=(1.0,)), {},
         ["imagenet gray", "unit gray", "symmetric gray", "raw gray"]),
        (InputSpec(size=(8, 8), dtype="uint8", scale=1.0), {}, ["raw rgb", "raw bgr"]),
        (dataclasses.replace(SPEC, scale=2.0), {"scale": 2.0}, ["as stated rgb", "as stated bgr", "imagenet rgb",
         "imagenet bgr", "unit rgb", "unit bgr", "symmetric rgb", "symmetric bgr", "raw rgb", "raw bgr"]),
    ],
)  # fmt: skip
def test_the_ways_that_are_tried(spec: InputSpec, said: dict[str, Any], names: list[str]) -> None:
    assert [name for name, _ in ways_to_feed(ModelSettings(input=said), spec)] == names


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return onnx_networks.save(onnx_networks.small_cnn(), tmp_path / "small.onnx")


def test_a_model_is_described_for_a_person(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["inspect", str(small)])
    shown = capsys.readouterr().out

    assert (status, shown.splitlines()[0]) == (0, "small.onnx: onnx, runs on CPUExecutionProvider")
    assert [p for p in ("Layers (", "*  1.00", "Class activation maps:", "`--preprocess unit`") if p not in shown] == []


def test_a_model_is_described_for_a_machine(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(small), "--json", "-"])
    found = json.loads(capsys.readouterr().out)

    assert (found["format"], any(layer["picked"] for layer in found["layers"])) == ("onnx", True)
    assert {row["method"] for row in found["cams"]} >= {"cam", "gradcam"}


def test_an_output_that_is_not_there_is_named(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["inspect", str(small), "--output", "nothing"])

    assert (status, "the model has no such output, got 'nothing'" in capsys.readouterr().err) == (2, True)


def test_the_toml_goes_to_standard_output_and_the_words_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    model, faces = shared_data("models", "gender.onnx"), shared_data("faces")
    status = main(["inspect", str(model), "--probe", str(faces)])
    shown = capsys.readouterr()

    assert (status, tomllib.loads(shown.out)["model"]["classes"]) == (0, ["male", "female"])
    assert "Layers (17" in shown.err


def test_an_unknown_size_leaves_layers_open_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SimpleNamespace(
        path=tmp_path / "m.onnx", format="onnx", provider="CPU", batch=None, metadata={}, outputs=(OUTPUT,), notes=(),
        inputs=(TensorSpec(name="x", shape=(None, 3, None, None), dtype="float32"),), close=lambda: None,
    )  # fmt: skip
    monkeypatch.setattr("audit.inspection.open_model", lambda *_, **__: model)
    shown = inspect_model(tmp_path / "m.onnx", RunSettings()).text()

    assert "size = [224, 224]" in shown


@pytest.mark.parametrize(("picked", "said"), [(("act",), "Layers (2; * looked at by default):"), ((), "Layers (2):")])
def test_the_star_is_explained_where_there_is_one(
    picked: tuple[str, ...], said: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inspection, "picked", frozenset(picked))
    shown = inspect_model(small, RunSettings())
    layers = tuple(dataclasses.replace(shown.description.layers[0], name=name) for name in ("act", "other"))
    two = dataclasses.replace(shown, description=dataclasses.replace(shown.description, layers=layers))

    assert said in two.text()


def test_names_from_the_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = onnx_networks.save(
        onnx_networks.small_cnn(classes=2, metadata={"names": '["a\\u001b[31m", "b"]'}), tmp_path / "m.onnx"
    )
    text = inspect_model(path, RunSettings()).text()

    assert "a\\x1b[31m, b" in text
