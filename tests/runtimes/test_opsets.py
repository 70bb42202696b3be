"""The same network in the operators of 2018 and of today: the same layers, the same strengths."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from onnx import version_converter  # noqa: E402 torch is an extra

from audit.errors import ModelError  # noqa: E402 as above
from audit.runtimes import REDUCTIONS, Layer, Request, open_model  # noqa: E402 as above
from tests.support import onnx_networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import SEEN, TOKENS, as_map, reduced, watch  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = pytest.mark.torch

VERSIONS = (7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26)
QUICK = {"plain": (7, 9, 13, 18, 22, 26), "mobile": (7, 11, 26), "vit-pooled": (9, 12, 20), "swin": (11, 18)}
# What torch's exporter can't write in operators that old.
MISSING = dict.fromkeys(("vit", "vit-pooled", "deit"), 9) | {"swin": 10}
CASES = [
    pytest.param(name, version, marks=() if version in QUICK.get(name, ()) else pytest.mark.slow)
    for name in zoo.ZOO
    for version in VERSIONS
    if version >= MISSING.get(name, 7)
]
SHAPE = (1, 3, zoo.SIZE, zoo.SIZE)


def written(network: Any, path: Path, version: int) -> Path:
    """By torch's own exporter, and from the version on that it doesn't know by onnx's converter."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, *SHAPE[1:]),),
            str(path),
            dynamo=False,
            input_names=["image"],
            output_names=["output"],
            dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}},
            opset_version=min(version, 17),
        )
    if version > 17:
        onnx.save(version_converter.convert_version(onnx.load(path), version), path)
    return path


def told(layer: Layer) -> tuple[object, ...]:
    """What must not depend on the version, where a normalization may be spelled out."""
    return layer.name, layer.kind, layer.shape, layer.reason


@pytest.mark.parametrize(("name", "version"), CASES)
def test_layers_and_strengths_do_not_depend_on_the_version(name: str, version: int, tmp_path: Path) -> None:
    network = zoo.build(name)
    usual = open_model(zoo.write(network, tmp_path, "onnx")).describe(SHAPE)
    path = written(network, tmp_path / "other.onnx", version)
    assert {entry.version for entry in onnx.load(path).opset_import if not entry.domain} == {version}
    model = open_model(path)
    description = model.describe(SHAPE)
    layers = [layer for layer in description.layers if layer.reason is None]
    model.prepare(Request(output="output", reductions={layer.name: REDUCTIONS for layer in layers}))

    assert [told(layer) for layer in description.layers] == [told(layer) for layer in usual.layers]
    assert list(description.heads) == list(usual.heads)
    for call in range(3):
        images = noise((3, 1, 4)[call], size=zoo.SIZE, seed=call)
        captured = model.run(images.numpy())
        expected, seen = watch(network, images)
        np.testing.assert_allclose(captured.outputs, expected, rtol=1e-4, atol=1e-5)
        watched = [layer for layer in layers if layer.kind in SEEN]
        assert len(watched) == len(seen)
        for layer, (_, value) in zip(watched, seen, strict=True):
            for reduction, numbers in reduced(as_map(value, layer, TOKENS.get(name, 0))).items():
                np.testing.assert_allclose(captured.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
    assert model.guard is not None
    assert model.guard < 1e-5


def test_operators_from_the_future_are_refused_in_words(tmp_path: Path) -> None:
    made = onnx_networks.small_cnn(opset=onnx.defs.onnx_opset_version())
    made.opset_import[0].version = 999
    path = onnx_networks.save(made, tmp_path / "net.onnx")
    with pytest.raises(
        ModelError, match=r"newer version of the operators.*opset \d+ or older.*Update onnxruntime"
    ) as said:
        open_model(path)

    assert "\n" not in str(said.value)
    assert "::" not in str(said.value)
