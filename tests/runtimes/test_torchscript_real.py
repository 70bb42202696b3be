"""The real face models as TorchScript, against the same networks as ONNX in plain onnxruntime."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from audit.runtimes import Request, open_model
from tests.support.data import shared_data

pytestmark = pytest.mark.torch
MODELS = {
    "gender": (112, (122.782, 117.001, 104.298), 1.0, 256.0),
    "gender_imdb_rgb": (128, (0.0, 0.0, 0.0), 255.0, 1.0),
}


def faces(size: int, mean: tuple[float, ...], scale: float, std: float, count: int = 12) -> NDArray[np.float32]:
    from PIL import Image

    folder = shared_data("faces")
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        paths = [row["path"] for row in islice(csv.DictReader(file), 0, 100 * count, 100)]
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


def test_layers_behind_a_non_linearity_are_named_as_in_the_onnx_file() -> None:
    script, onnx = files("gender")
    named = [
        [layer.name for layer in open_model(path).describe((1, 3, 112, 112)).layers if layer.kind == "relu"]
        for path in (script, onnx)
    ]
    assert named[0] == named[1]
