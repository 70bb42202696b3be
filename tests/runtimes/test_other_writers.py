"""Patterns met in files by other writers, each built here by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.errors import ModelError
from audit.runtimes import Request, open_model
from tests.support import onnx_networks as networks


def reader_of_text(tmp_path: Path) -> Path:
    """A letter a column, as readers of text give them, and a softmax over the last of three axes in the way that
    onnx's converter lifts an old one: on a table with one row a letter."""
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3), name="/act/Relu")
    x = net.add("Transpose", net.add("ReduceMean", x, axes=[2], keepdims=0), perm=[0, 2, 1])
    x = net.add("MatMul", x, net.weight(net.random.normal(size=(4, 5))))
    folded = net.add("Softmax", net.add("Flatten", x, axis=2), axis=-1)
    net.add("Reshape", folded, net.add("Shape", x), out="letters")
    return networks.save(net.model(("b", 3, 6, 8), {"letters": ("b", 8, 5)}), tmp_path / "net.onnx")


def test_each_picture_has_its_own_logits_where_an_old_softmax_folds_them_into_a_table(tmp_path: Path) -> None:
    model = open_model(reader_of_text(tmp_path))
    description = model.describe((1, 3, 6, 8))
    model.prepare(Request(output="letters", cam_layer="act", tail=True, logits=True))
    images = np.random.default_rng(0).normal(size=(3, 3, 6, 8)).astype(np.float32)
    together, alone = model.run(images), model.run(images[1:2])
    assert together.logits is not None
    assert alone.logits is not None
    assert together.activation is not None
    assert together.tail is not None
    changed = together.activation.copy()
    changed[1] += 1
    moved = np.abs(together.tail(changed) - together.logits).max(axis=1) > 1e-3

    assert description.final == {"letters": None}
    assert together.logits.shape == (3, 40)
    np.testing.assert_allclose(together.logits[1], alone.logits[0], rtol=1e-5)
    assert moved.tolist() == [False, True, False]


def test_an_operator_that_onnxruntime_does_not_know_is_named(tmp_path: Path) -> None:
    net = networks.Net()
    net.add("StatefulPartitionedCall", "image", out="out", name="block/depthwise/StatefulPartitionedCall")
    made = net.model((1, 3, 8, 8), {"out": (1, 3, 8, 8)})
    with pytest.raises(ModelError, match=r"operator that onnxruntime does not know, got 'StatefulPartitionedCall'"):
        open_model(networks.save(made, tmp_path / "net.onnx"))
