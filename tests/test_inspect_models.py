"""Every real model opens and says what it can give: classifiers, an embedder, a detector, landmarks, a generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.inspection import inspect_model
from audit.runtimes import REDUCTIONS, Request, open_model
from audit.settings import RunSettings
from tests.support import onnx_networks
from tests.support.data import shared_data

# Layers, then the methods that make maps of the output read, where it is one score a class.
HEAD, GRADIENTS, ANY = {"cam"}, {"gradcam", "layercam"}, {"eigencam"}
MODELS = {
    "gender.onnx": (17, HEAD | GRADIENTS | ANY),
    "age_gender.onnx": (17, HEAD | GRADIENTS | ANY),
    "gender_imdb_rgb.onnx": (15, HEAD | GRADIENTS | ANY),
    "mobilefacenet.onnx": (49, ANY),
    "pfld.onnx": (43, ANY),
    "mnist_cnn.onnx": (2, ANY),
    "ultraface.onnx": (51, ANY),
    "style_candy.onnx": (16, ANY),
    "gender.pt": (17, HEAD | GRADIENTS | ANY),
    "gender_imdb_rgb.pt": (15, HEAD | GRADIENTS | ANY),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_real_model_says_what_it_can_give(name: str) -> None:
    path = shared_data("models", name)
    if path.suffix == ".pt":
        pytest.importorskip("torch")
    seen = inspect_model(path, RunSettings())
    layers, methods = MODELS[name]
    assert seen.description is not None
    costs = [layer.cost for layer in seen.description.layers if layer.cost is not None]
    text = seen.text()

    assert seen.trouble is None
    assert len(seen.description.layers) == len(costs) == layers
    assert 0.9 < sum(costs) <= 1 + 1e-9
    assert {method for _, method, reason in seen.cams() if reason is None} >= methods
    assert all(reason is None or reason.strip() for _, _, reason in seen.cams())
    assert max(map(len, text.splitlines())) <= 80
    assert f"Layers ({layers}; " in text


@pytest.mark.parametrize("name", ["ultraface.onnx", "style_candy.onnx"])
def test_boxes_and_pictures_are_no_classes(name: str) -> None:
    seen = inspect_model(shared_data("models", name), RunSettings())

    assert [method for _, method, reason in seen.cams() if reason is None] == ["eigencam"]
    assert "not one score a class" in " ".join(seen.text().split())


@pytest.mark.torch
def test_one_network_in_two_files_agrees_at_every_layer() -> None:
    pytest.importorskip("torch")
    images = np.random.default_rng(0).normal(0, 0.3, size=(2, 3, 112, 112)).astype(np.float32)
    models = [open_model(shared_data("models", name)) for name in ("gender.onnx", "gender.pt")]
    names = [[layer.name for layer in model.describe((1, 3, 112, 112)).layers] for model in models]

    assert names[0] == names[1]
    for name in names[0]:
        got = []
        for model in models:
            model.prepare(Request(output=model.outputs[0].name, reductions={name: REDUCTIONS}, cam_layer=name))
            got.append(model.run(images))
        first, second = got
        assert first.activation is not None
        assert second.activation is not None
        scale = np.abs(first.activation).max()
        np.testing.assert_allclose(first.activation, second.activation, rtol=0, atol=1e-4 * scale, err_msg=name)
        for key, values in first.strengths.items():
            np.testing.assert_allclose(values, second.strengths[key], rtol=1e-4, err_msg=str(key))


def test_methods_that_share_a_reason_share_a_line(tmp_path: Path) -> None:
    text = inspect_model(onnx_networks.save(onnx_networks.perceptron(), tmp_path / "m.onnx"), RunSettings()).text()

    assert text.count("can't be made: ") < 4
    assert "5.9 % come after the last" in " ".join(text.split())


@pytest.mark.torch
def test_a_map_that_nothing_reads_is_explained_once(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.support import torch_zoo

    path = torch_zoo.write(torch_zoo.build("vit"), tmp_path, "traced")
    seen = inspect_model(path, RunSettings())
    unread = [layer for layer in (seen.description.layers if seen.description else ()) if layer.unread]
    text = " ".join(seen.text().split())

    assert unread
    assert text.count("behind it only the class token is read") == 1
    assert text.count("% (1)") == len(unread)
