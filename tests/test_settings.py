"""Settings: four places in their order, errors with key paths; how a model is fed, and what had to be assumed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ModelError, ProbeError, SettingsError
from audit.inputs import PRESETS
from audit.runtimes import TensorSpec
from audit.settings import (
    ModelSettings,
    RunSettings,
    checked_settings,
    classes_or_assumed,
    input_spec,
    read_command_settings,
    read_model_settings,
    read_run_settings,
)
from tests.support.data import shared_data


def read(folder: Path, environ: dict[str, str] | None = None, **flags: Any) -> RunSettings:
    return read_run_settings(flags, folder=folder, environ=environ or {})


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "bias-audit.toml").write_text("[run]\nbatch_size = 2\nseed = 2\nworkers = 2\n")
    environ = {"BIAS_AUDIT_BATCH_SIZE": "3", "BIAS_AUDIT_SEED": "3"}
    found = read(tmp_path, environ, batch_size="4")

    assert (found.batch_size, found.seed, found.workers, found.min_subjects) == (4, 3, 2, 30)


def test_pyproject_is_read_where_there_is_no_file_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bias-audit]\nbatch-size = 5\n[tool.other]\nx = 1\n")

    assert read(tmp_path).batch_size == 5


def test_our_own_file_hides_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bias-audit]\nbatch-size = 5\nseed = 7\n")
    (tmp_path / "bias-audit.toml").write_text("[run]\nbatch_size = 6\n")

    assert (read(tmp_path).batch_size, read(tmp_path).seed) == (6, 0)


def test_every_kind_of_value_can_be_written_as_text(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"BIAS_AUDIT_BANDS": "age=0,18,60;height=150,180", "BIAS_AUDIT_ACCEPT_CHANCE": "yes"},
        classes="a, b",
        alpha="0.1",
        groups=("skin", "gender*skin"),
    )

    assert found == RunSettings(
        bands={"age": (0.0, 18.0, 60.0), "height": (150.0, 180.0)},
        accept_chance=True,
        classes=("a", "b"),
        alpha=0.1,
        groups=("skin", "gender*skin"),
    )


def test_what_the_command_does_around_a_run_stands_in_the_same_places(tmp_path: Path) -> None:
    (tmp_path / "bias-audit.toml").write_text('[run]\npolicy = "p.toml"\nformats = ["html"]\nexit_zero = true\n')
    found = read_command_settings({"inconclusive": "fail"}, folder=tmp_path, environ={})

    assert (found.policy, found.formats, found.exit_zero, found.inconclusive) == ("p.toml", ("html",), True, "fail")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[run]\nbatch_size = 0\n", ("bias-audit.toml: [run] batch_size", "'0'", "a whole number, 1 or more")),
        ("[run]\nbatch_size = true\n", ("[run] batch_size", "'True'")),
        ("[run]\nbatch_size = '32'\n", ("[run] batch_size", "'32'")),
        ("[run]\nbatchsize = 1\n", ("unknown key", "'batchsize'", "Did you mean batch_size")),
        ("[runs]\n", ("unknown table", "'runs'", "Did you mean run")),
        ("[run]\nseed = \n", ("malformed TOML", "line 2")),
        ("[run]\nx = " + "[" * 5000, ("malformed TOML",)),
        ("run = 3\n", ("[run]", "must be a table")),
        ("[run]\nalpha = nan\n", ("[run] alpha", "above 0 and up to 0.5")),
        ("[run]\nclasses = ['a', 'a']\n", ("[run] classes", "different names")),
        ("[run]\npreprocess = 'imagnet'\n", ("[run] preprocess", "Did you mean imagenet?")),
        ("[run.bands]\nage = [18, 0]\n", ("[run] bands", "rising numbers")),
    ],
)
def test_a_bad_file_names_key_value_and_what_is_allowed(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "bias-audit.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        read(tmp_path)

    assert [p for p in parts if p not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"batch_size": "many"}, ("--batch-size: this can't be used, got 'many'", "a whole number, 1 or more")),
        ({"bands": "age"}, ("--band", "'age'", "age=0,18,30")),
        ({"device": "gpu"}, ("--device", "auto, cpu, cuda")),
        ({"threshold": "1.5"}, ("--threshold", "from 0 to 1")),
        ({"trust": "7"}, ("--trust", "'7'", "0, or a whole number from 8 to 32")),
        ({"trust": 33}, ("--trust", "'33'", "0, or a whole number from 8 to 32")),
        ({"batchsize": 1}, ("unknown setting", "Did you mean batch_size?")),
    ],
)
def test_a_bad_flag_is_named_as_it_is_typed(tmp_path: Path, flags: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, **flags)

    assert [p for p in parts if p not in str(caught.value)] == []


def test_maps_are_checked_on_as_many_pictures_as_the_check_can_use_or_on_none(tmp_path: Path) -> None:
    from audit.trust import FEWEST, MOST

    allowed = [n for n in range(-1, 64) if not refused(trust=n)]
    (tmp_path / "bias-audit.toml").write_text("[run]\ntrust = 5\n")

    assert allowed == [0, *range(FEWEST, MOST + 1)]
    with pytest.raises(SettingsError, match=r"\[run\] trust: .*'5'"):
        read(tmp_path)


def refused(**options: Any) -> bool:
    """Whether a call from Python is: by a single option and by settings made by hand alike."""
    ways = []
    for settings, rest in ((None, options), (RunSettings(**options), {})):
        try:
            checked_settings(settings, rest)
            ways.append(False)
        except SettingsError:
            ways.append(True)
    assert ways[0] == ways[1]
    return ways[0]


def test_settings_made_by_hand_stand_as_they_are_and_single_options_go_over_them() -> None:
    made = RunSettings(groups=("skin",), bands={"age": (0, 30)}, seed=3, trust=0)

    assert checked_settings(made, {}) == made
    assert checked_settings(made, {"seed": 4}) == dataclasses.replace(made, seed=4)
    assert checked_settings(made, {"seed": 0}).seed == 0


def test_a_bad_environment_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BIAS_AUDIT_SEED: .*'-1'"):
        read(tmp_path, {"BIAS_AUDIT_SEED": "-1"})


def test_a_slip_in_an_environment_variable_is_caught(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'BIAS_AUDIT_BATCHSIZE'.*Did you mean BIAS_AUDIT_BATCH_SIZE\?"):
        read(tmp_path, {"BIAS_AUDIT_BATCHSIZE": "1"})


def test_somebody_elses_environment_variable_is_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, {"BIAS_AUDIT_CI_JOB_TOKEN": "x"}) == RunSettings()


def model_file(tmp_path: Path, toml: str = "", **beside: Any) -> Path:
    path = tmp_path / "model.onnx"
    if toml:
        (tmp_path / "model.onnx.toml").write_text(toml)
    for name, content in beside.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return path


def image(*shape: int | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name="x", shape=shape, dtype=dtype)


ANY = image(None, 3, None, None)


def test_the_real_models_files_are_read() -> None:
    folder = shared_data("models")
    found = {p.name: read_model_settings(p.with_suffix(""), {}, RunSettings()) for p in folder.glob("*.toml")}

    assert found["gender.onnx.toml"].classes == ("male", "female")
    assert found["gender.onnx.toml"].input["mean"] == (122.782, 117.001, 104.298)
    assert (found["ultraface.onnx.toml"].positive, found["ultraface.onnx.toml"].input["margin"]) == ("1", 0.5)


def test_typed_beats_toml_beats_hugging_face_beats_metadata(tmp_path: Path) -> None:
    path = model_file(
        tmp_path,
        "[model]\nthreshold = 0.7\n[model.input]\nsize = [64, 48]\n[model.facts]\nshare_female = 0.5\n",
        preprocessor_config={"size": 32, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]},
        config={"id2label": {"0": "cat", "1": "dog"}},
    )
    metadata = {"names": "{0: 'x', 1: 'y'}", "bias_audit.abstain_below": "0.25", "bias_audit.input.fit": '"pad"'}
    found = read_model_settings(path, metadata, RunSettings(threshold=0.9))

    assert (found.threshold, found.classes, found.abstain_below) == (0.9, ("cat", "dog"), 0.25)
    assert found.input == {
        "fit": "pad", "size": (64, 48), "mean": (0.1, 0.2, 0.3), "std": (1.0, 1.0, 1.0), "scale": 255.0
    }  # fmt: skip
    assert [p.name for p in found.sources] == ["config.json", "preprocessor_config.json", "model.onnx.toml"]


def test_metadata_of_other_exporters_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    metadata = {"names": "{0: 'x'", "classes": "LABEL", "id2label": '{"0": "LABEL_0", "1": "LABEL_1"}'}

    assert read_model_settings(model_file(tmp_path), metadata, RunSettings()) == ModelSettings()


def test_a_hugging_face_processor_in_our_words(tmp_path: Path) -> None:
    said = {
        "do_center_crop": True, "crop_size": {"height": 224, "width": 192}, "size": {"shortest_edge": 256},
        "do_rescale": True, "rescale_factor": 1 / 127.5, "do_normalize": False, "image_mean": [9, 9, 9], "resample": 3,
    }  # fmt: skip
    found = read_model_settings(model_file(tmp_path, preprocessor_config=said), {}, RunSettings())

    assert found.input == {"size": (224, 192), "scale": 127.5, "resize": "bicubic", "fit": "crop"}
    assert "cuts the middle out" in found.notes[0]


def test_a_filter_we_do_not_have_is_said(tmp_path: Path) -> None:
    found = read_model_settings(model_file(tmp_path, preprocessor_config={"resample": 1}), {}, RunSettings())

    assert found.notes == (
        "preprocessor_config.json resizes with Pillow's filter 1, which we don't have; bicubic is used.",
    )


def test_a_preset_replaces_scale_mean_and_std_only(tmp_path: Path) -> None:
    path = model_file(tmp_path, '[model.input]\nsize = [8, 8]\ncolor = "bgr"\nscale = 3.0\nmean = [1, 2, 3]\n')
    found = read_model_settings(path, {}, RunSettings(preprocess="imagenet"))

    assert found.input == {"size": (8, 8), "color": "bgr", **PRESETS["imagenet"]}


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("[model]\nclases = ['a']\n", ("model.onnx.toml: [model]", "'clases'", "Did you mean classes?")),
        ("[model.input]\nsize = [0, 3]\n", ("[model.input] size", "'[0, 3]'", "[height, width]")),
        ("[model.input]\nmean = [1, 2]\n", ("[model.input] mean", "one number a channel")),
        ("[model.input]\nstd = [0, 1, 1]\n", ("[model.input] std", "above 0")),
        ("[model.input]\ncolor = 'rbg'\n", ("[model.input] color", "Did you mean", "rgb")),
        ("[model]\ninput = 3\n", ("[model.input]", "must be a table")),
        ("[model]\nthreshold = 2\n", ("[model] threshold", "from 0 to 1")),
        ("[model.facts]\nx = 1979-05-27\n", ("[model] facts", "texts, numbers")),
        ("[modell]\n", ("unknown table", "'modell'")),
        ("[model\n", ("malformed TOML", "line 1")),
    ],
)
def test_a_bad_model_file_names_the_key_path(tmp_path: Path, toml: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_model_settings(model_file(tmp_path, toml), {}, RunSettings())

    assert [p for p in parts if p not in str(caught.value)] == []


def spec_of(tmp_path: Path, tensor: TensorSpec, **stated: Any) -> Any:
    return input_spec(ModelSettings(input=stated), tensor, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("tensor", "layout", "color", "size"),
    [
        (image(None, 3, 20, 30), "NCHW", "rgb", (20, 30)),
        (image(1, 20, 30, 3), "NHWC", "rgb", (20, 30)),
        (image(None, 1, 28, 28), "NCHW", "gray", (28, 28)),
        (image(None, 28, 28, 1), "NHWC", "gray", (28, 28)),
        (image(None, None, 20, 30), "NCHW", "rgb", (20, 30)),
    ],
)
def test_the_file_says_layout_channels_and_size(
    tmp_path: Path, tensor: TensorSpec, layout: str, color: str, size: tuple[int, int]
) -> None:
    found, _ = spec_of(tmp_path, tensor)

    assert (found.layout, found.color, found.size, found.channels) == (layout, color, size, len(found.mean))


def test_what_nobody_stated_is_assumed_and_said(tmp_path: Path) -> None:
    found, sentences = spec_of(tmp_path, image(None, 3, 8, 8))

    assert (found.scale, found.mean, found.std) == (255.0, (0.0,) * 3, (1.0,) * 3)
    assert "unit" in sentences[0]


def test_what_was_stated_needs_no_sentence(tmp_path: Path) -> None:
    found, sentences = spec_of(tmp_path, ANY, size=(8, 9), mean=(1.0, 2.0, 3.0), color="bgr")

    assert (found.size, found.mean, found.color, sentences) == ((8, 9), (1.0, 2.0, 3.0), "bgr", ())


def test_color_statistics_adapt_to_a_gray_picture(tmp_path: Path) -> None:
    found, _ = spec_of(tmp_path, image(1, 1, 8, 8), **PRESETS["imagenet"])

    assert (found.mean, found.fill) == ((pytest.approx((0.485 + 0.456 + 0.406) / 3),), (0,))


def test_bytes_go_in_as_they_are(tmp_path: Path) -> None:
    found, sentences = spec_of(tmp_path, image(None, 8, 8, 3, dtype="uint8"))

    assert (found.scale, found.mean, found.std, sentences) == (1.0, (0.0,) * 3, (1.0,) * 3, ())


@pytest.mark.parametrize(
    ("tensor", "stated", "error", "parts"),
    [
        (ANY, {}, SettingsError, ("how large", "model.onnx.toml", "[model.input]", "size = [224, 224]")),
        (image(None, 3, 48, None), {}, SettingsError, ("`size = [48, 224]`",)),
        (image(None, 3, 8, 8), {"size": (9, 9)}, SettingsError, ("contradicts the size", "'[9, 9]'", "[8, 8]")),
        (image(None, 1, 8, 8), {"color": "rgb"}, SettingsError, ("takes 1 color channel", "'rgb'", "gray")),
        (image(None, 3, 8, 8), {"color": "gray"}, SettingsError, ("takes 3 color channels", "rgb, bgr")),
        (image(None, 1, 8, 8), {"mean": (1.0, 2.0, 3.0)}, SettingsError, ("[model.input] mean", "1 value")),
        (image(None, 3, 8, 8, dtype="uint8"), {"scale": 255.0}, SettingsError, ("uint8", "255.0")),
        (image(None, 4, 8, 8), {}, ModelError, ("[None, 4, 8, 8]", "1 or 3 color channels")),
        (image(None, 128), {}, ModelError, ("no batch of pictures",)),
        (image(None, 3, 8, 8, dtype="int64"), {}, ModelError, ("'int64'", "float32")),
    ],
)
def test_what_cannot_be_fed_says_why(
    tmp_path: Path, tensor: TensorSpec, stated: dict[str, Any], error: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        spec_of(tmp_path, tensor, **stated)

    assert [p for p in parts if p not in str(caught.value)] == []


def test_classes_that_were_stated_stand_as_they_are() -> None:
    assert classes_or_assumed(("male", "female"), ["female", "female"], 2) == (("male", "female"), None)


def test_classes_that_nobody_stated_are_the_labels_in_alphabetical_order() -> None:
    classes, sentence = classes_or_assumed((), ["male", "female", "male"], 2)

    assert classes == ("female", "male")
    assert sentence is not None
    assert "female, male is assumed" in sentence


@pytest.mark.parametrize(
    ("stated", "labels", "error", "parts"),
    [
        ((), ["a", "b", "c"], SettingsError, ("2 classes", "3 labels (a, b, c)", "--classes")),
        (("a", "b", "c"), ["a"], SettingsError, ("2 classes", "names 3")),
        (("male", "female"), ["femal"], ProbeError, ("can't say", "'femal'", "Did you mean female")),
    ],
)
def test_classes_that_cannot_be(
    stated: tuple[str, ...], labels: list[str], error: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        classes_or_assumed(stated, labels, 2)

    assert [p for p in parts if p not in str(caught.value)] == []
