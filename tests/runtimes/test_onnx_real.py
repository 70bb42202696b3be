"""Real models and real faces, where they are at hand."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from audit.runtimes import REDUCTIONS, Request, default_layers, open_model
from tests.runtimes.test_onnx import reduced, values_of
from tests.support.data import shared_data
from tests.support.onnx_networks import onnx

MODELS = (
    "age_gender",
    "gender",
    "gender_imdb_rgb",
    "mnist_cnn",
    "mobilefacenet",
    "pfld",
    "style_candy",
    "ultraface",
)


def _faces(gender: str, race: str) -> NDArray[np.float32]:
    """All faces of a group as `gender.onnx.toml` says to feed them."""
    folder = shared_data("faces")
    with (folder / "manifest.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if (row["gender"], row["race"]) == (gender, race)]
    pictures = []
    for row in rows:
        with Image.open(folder / row["path"]) as image:
            pictures.append(np.asarray(image.convert("RGB").resize((112, 112), Image.Resampling.BILINEAR), np.float32))
    centered = (np.stack(pictures) - np.float32([122.782, 117.001, 104.298])) / 256
    return np.ascontiguousarray(centered.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (("female", "asian"), (0.8714, 2.804, 0.1804)),
        (("female", "black"), (0.7005, 2.413, 0.1574)),
        (("male", "white"), (1.0585, 2.887, 0.1892)),
    ],
)
def test_strength_behind_the_last_relu_of_the_gender_model(
    group: tuple[str, str], expected: tuple[float, float, float]
) -> None:
    model = open_model(shared_data("models", "gender.onnx"), threads=1)
    layer = model.describe((1, 3, 112, 112)).layers[-1].name
    model.prepare(Request(output="gender_logits", reductions={layer: REDUCTIONS}))
    images = _faces(*group)
    captures = [model.run(images[at : at + 32]) for at in range(0, len(images), 32)]
    found = [np.concatenate([c.strengths[layer, name] for c in captures]).mean() for name in REDUCTIONS]

    assert model.guard == pytest.approx(0, abs=1e-5)
    assert found == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("name", MODELS)
def test_every_real_model_opens_and_its_activations_are_true(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = shared_data("models", f"{name}.onnx")
    model = open_model(path, threads=1)
    shape = model.inputs[0].shape
    description = model.describe((1, *shape[1:]))  # type: ignore[arg-type]
    layers = default_layers(description.layers)
    output = model.outputs[-1].name
    model.prepare(Request(output=output, reductions={x.name: REDUCTIONS for x in layers}, cam_layer=layers[-1].name))
    images = np.random.default_rng(0).normal(size=(1, *shape[1:])).astype(np.float32)  # type: ignore[arg-type]
    capture = model.run(images)

    tensors = {layer.name: model._seen.places[layer.name].tensor for layer in layers}  # type: ignore[attr-defined]
    truth = values_of(onnx.load(str(path)), list(dict.fromkeys([*tensors.values(), output])), images)
    assert capfd.readouterr() == ("", "")
    assert set(description.heads) | set(description.heads_missing) == {spec.name for spec in model.outputs}
    assert model.guard is not None
    assert model.guard < 1e-5
    assert np.allclose(capture.outputs.reshape(-1), truth[output].reshape(-1), rtol=1e-4, atol=1e-4)
    for layer in layers:
        for reduction in REDUCTIONS:
            oracle = reduced(truth[tensors[layer.name]], reduction)
            assert np.allclose(capture.strengths[layer.name, reduction], oracle, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "output", "shape"),
    [
        ("gender", "gender_logits", (2, 512)),
        ("age_gender", "age", (1, 512)),
        ("age_gender", "gender_logits", (2, 512)),
        ("gender_imdb_rgb", "gender_logits", (2, 2)),
    ],
)
def test_the_gender_models_have_an_exact_head(name: str, output: str, shape: tuple[int, int]) -> None:
    model = open_model(shared_data("models", f"{name}.onnx"), threads=1)
    size = 128 if "imdb" in name else 112
    head = model.describe((1, 3, size, size)).heads[output]

    assert head.weight.shape == shape


def test_a_fresh_process_stays_quiet(tmp_path: Path) -> None:
    path = shared_data("models", "ultraface.onnx")
    code = "import sys; from audit.runtimes import open_model; open_model(sys.argv[1]).describe((1, 3, 240, 320))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True, cwd=root)

    assert (done.stdout, done.stderr) == (b"", b"")
