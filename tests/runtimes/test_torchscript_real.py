"""The real face models as TorchScript, against the same networks as ONNX in plain onnxruntime."""

from __future__ import annotations

import csv
import dataclasses
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from audit.runtimes import (  # noqa: E402 torch is an extra
    REDUCTIONS,
    Layer,
    Model,
    Request,
    default_layers,
    open_model,
)
from tests.support.data import shared_data  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]
MODELS = {
    "gender": (112, (122.782, 117.001, 104.298), 1.0, 256.0),
    "gender_imdb_rgb": (128, (0.0, 0.0, 0.0), 255.0, 1.0),
}


def faces(
    size: int, mean: tuple[float, ...], scale: float, std: float, count: int = 12, step: int = 100
) -> NDArray[np.float32]:
    from PIL import Image

    folder = shared_data("faces")
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        paths = [row["path"] for row in islice(csv.DictReader(file), 0, step * count, step)]
    pictures = [
        np.asarray(Image.open(folder / path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        for path in paths
    ]
    shifted = (np.stack(pictures).astype(np.float32) / scale - np.array(mean, np.float32)) / np.float32(std)
    return np.ascontiguousarray(shifted.transpose(0, 3, 1, 2))


def files(name: str) -> tuple[Path, Path]:
    return shared_data("models", f"{name}.pt"), shared_data("models", f"{name}.onnx")


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_onnx_file(name: str) -> None:
    import onnxruntime

    script, onnx = files(name)
    size = MODELS[name][0]
    images = faces(*MODELS[name])
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    model = open_model(script)
    head = model.describe((1, 3, size, size)).heads["output"]
    model.prepare(Request(output="output", cam_layer=head.layer, gradients=True))
    captured = model.run(images)
    cam_logits = captured.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
    np.testing.assert_allclose(captured.outputs, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(cam_logits, captured.outputs, rtol=1e-4, atol=1e-4)


def described(name: str) -> tuple[tuple[Model, tuple[Layer, ...]], ...]:
    """The TorchScript and the ONNX model, each with its layers."""
    size = MODELS[name][0]
    models = [open_model(path, threads=1) for path in files(name)]
    return tuple((model, model.describe((1, 3, size, size)).layers) for model in models)


@pytest.mark.parametrize("name", MODELS)
def test_both_files_of_a_network_have_the_same_layers(name: str) -> None:
    (_, script), (_, onnx) = described(name)
    seen = [[dataclasses.replace(layer, name="") for layer in one] for one in (script, onnx)]
    defaults = [[one.index(layer) for layer in default_layers(one)] for one in (script, onnx)]

    assert seen[0] == seen[1]
    assert defaults[0] == defaults[1]


@pytest.mark.parametrize("name", MODELS)
def test_layers_behind_a_non_linearity_are_named_as_in_the_onnx_file(name: str) -> None:
    (_, script), (_, onnx) = described(name)
    named = [[layer.name for layer in one if layer.kind == "relu"] for one in (script, onnx)]

    assert named[0] == named[1]


def test_all_layers_of_the_gender_model_are_named_as_in_the_onnx_file() -> None:
    (_, script), (_, onnx) = described("gender")

    assert [layer.name for layer in script] == [layer.name for layer in onnx]


@pytest.mark.parametrize("name", MODELS)
def test_activation_strengths_are_those_of_the_onnx_file(name: str) -> None:
    images = faces(*MODELS[name], count=200, step=7)
    found = []
    for model, layers in described(name):
        chosen = [layer.name for layer in default_layers(layers)]
        output = model.outputs[0].name
        model.prepare(Request(output=output, reductions=dict.fromkeys(chosen, REDUCTIONS)))
        captures = [model.run(images[at : at + 50]) for at in range(0, len(images), 50)]
        keys = [(layer, reduction) for layer in chosen for reduction in REDUCTIONS]
        found.append([np.concatenate([capture.strengths[key] for capture in captures]) for key in keys])

    assert np.shape(found) == (2, 6 * len(REDUCTIONS), 200)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)
