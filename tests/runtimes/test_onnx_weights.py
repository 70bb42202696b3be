"""Large weights, of which a model and its copies hold only a reference: nothing but memory tells the difference."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audit.errors import ModelError, UnsafeModel
from audit.runtimes import REDUCTIONS, Request, default_layers, last_map, open_model
from audit.runtimes import _onnx_weights as room
from audit.runtimes._onnx_session import Sessions
from tests.support import onnx_networks as networks

Network = Callable[[], onnx.ModelProto]
ALL = 64  # bytes: with this for a limit every weight of a small network is large


def listed() -> onnx.ModelProto:
    """Before version 4 of the format weights are inputs, too."""
    model = networks.small_cnn(opset=9)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return model


def old() -> onnx.ModelProto:
    return networks.small_cnn(opset=11)


def half() -> onnx.ModelProto:
    return networks.small_cnn(dtype="float16")


def typed() -> onnx.ModelProto:
    """Numbers one by one in place of bytes."""
    model = networks.small_cnn()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, tensor.data_type, array.shape, array.reshape(-1).tolist()))
    return model


def beside(model: onnx.ModelProto, path: Path, least: int) -> Path:
    """The model with constants of at least so many bytes in a file of their own."""
    onnx.save_model(model, path, save_as_external_data=True, location="net.data", size_threshold=least)
    return path


def seen(path: Path) -> tuple[str, list[np.ndarray]]:
    """All that a model says and gives."""
    model = open_model(path, threads=1)
    shape = (1, *(n or 16 for n in model.inputs[0].shape[1:]))
    described = model.describe(shape)  # type: ignore[arg-type]
    layers = default_layers(described.layers)
    cam_layer, output = last_map(described.layers), described.outputs[0].name
    assert cam_layer is not None
    wanted = {layer.name: REDUCTIONS for layer in layers}
    gradients = described.gradients is None
    ask = Request(
        output=output, reductions=wanted, cam_layer=cam_layer.name, tail=True, logits=True, gradients=gradients
    )
    model.prepare(ask)
    images = np.random.default_rng(0).normal(size=(3, *shape[1:])).astype(model.inputs[0].dtype)
    arrays: list[Any] = []
    changed = model.randomized(0.7, seed=1)
    for one in (model, changed.model):
        given = one.run(images)
        assert given.tail is not None
        arrays += [given.outputs, given.activation, given.logits, given.tail(given.activation * 0.5)]  # type: ignore[operator]
        arrays += [given.strengths[key] for key in sorted(given.strengths)]
        if given.gradient is not None:
            arrays.append(given.gradient(np.zeros(3, np.int64)))
    heads = [head for head in (*described.heads.values(), changed.head) if head is not None]
    arrays += [array for head in heads for array in (head.weight, head.bias)]
    told = f"{described.layers} {described.heads_missing} {described.gradients} {described.tail} {described.notes}"
    return f"{told} {model.files} {changed.layers} {changed.of} {model.guard}", arrays


@pytest.mark.parametrize("file", [None, 0, 200], ids=["inside", "beside", "both"])
@pytest.mark.parametrize(
    "build", [networks.small_cnn, old, listed, half, typed, networks.quantized, networks.channels_last]
)
def test_nothing_depends_on_where_weights_are(
    build: Network, file: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    networks.save(build(), path) if file is None else beside(build(), path, file)
    told, arrays = seen(path)
    monkeypatch.setattr(room, "LARGE", ALL)
    told_aside, arrays_aside = seen(path)

    assert told_aside == told
    assert len(arrays_aside) == len(arrays)
    for found, expected in zip(arrays_aside, arrays, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("build", [networks.small_cnn, listed])
def test_no_copy_holds_large_weights(build: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build()
    large = {t.name for t in made.graph.initializer if t.ByteSize() >= ALL and t.data_type == TensorProto.FLOAT}
    path = networks.save(made, tmp_path / "net.onnx")
    opened: list[onnx.ModelProto | None] = []
    untouched = Sessions.open

    def watched(self: Sessions, model: onnx.ModelProto | None = None, *, optimize: bool = True) -> object:
        opened.append(model)
        return untouched(self, model, optimize=optimize)

    monkeypatch.setattr(Sessions, "open", watched)
    monkeypatch.setattr(room, "LARGE", ALL)
    seen(path)
    copies = [model for model in opened if model is not None]

    assert len(copies) >= 5
    assert len(large) >= 3
    for copy in copies:
        held = [t.name for t in copy.graph.initializer if t.raw_data or t.float_data]
        assert not large & set(held)


def test_weights_live_as_long_as_a_session_that_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LARGE", ALL)
    made = networks.small_cnn()
    path = networks.save(made, tmp_path / "net.onnx")
    feed = {"image": np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)}
    expected = Sessions(path, device="cpu", threads=1).open(optimize=False).run(None, feed)
    copy, weights = room.put_aside(made, tmp_path)
    session = Sessions(path, device="cpu", threads=1, weights=weights).open(copy, optimize=False)
    del copy, weights
    gc.collect()
    waste = [np.full(size, np.nan, np.float32) for size in range(1, 3000)]  # takes the memory that was given back

    assert waste
    for found, wanted in zip(session.run(None, feed), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_file_may_not_refer_to_memory(tmp_path: Path) -> None:
    made = networks.small_cnn()
    room.refer(made.graph.initializer[0])

    with pytest.raises(UnsafeModel, match="outside the model's folder"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_a_weight_with_too_few_numbers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LARGE", ALL)
    made = networks.small_cnn()
    tensor = max(made.graph.initializer, key=lambda one: len(one.raw_data))
    tensor.raw_data = tensor.raw_data[:-3]

    with pytest.raises(ModelError, match="can't open the model"):
        open_model(networks.save(made, tmp_path / "net.onnx"))
