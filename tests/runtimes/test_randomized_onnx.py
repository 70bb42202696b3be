"""Weights drawn anew in ONNX files: wherever a file may keep them, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from audit.errors import ModelError
from audit.runtimes import Request, default_layers, open_model
from audit.runtimes._onnx_redraw import redrawn
from audit.runtimes._onnx_session import Sessions
from audit.runtimes._onnx_weights import Weights
from tests.support import onnx_networks as networks


def tensors(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every constant of the top level by name."""
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            held[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return held


def changed(model: onnx.ModelProto, share: float, path: Path = Path("net.onnx")) -> set[str]:
    """The names of the tensors that differ."""
    before, after = tensors(model), tensors(redrawn(model, Weights(path.parent), path, share, 3)[0])
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert np.array_equal(np.sort(array, axis=None), np.sort(after[name], axis=None))
        assert (array.dtype, array.shape) == (after[name].dtype, after[name].shape)
    return {name for name, array in before.items() if not np.array_equal(array, after[name])}


def weights(model: onnx.ModelProto) -> set[str]:
    return {name for name, array in tensors(model).items() if array.ndim >= 2 and array.size > 1}


def test_every_weight_and_no_bias_is_changed() -> None:
    model = networks.small_cnn()

    assert changed(model, 1.0) == weights(model)


def test_the_top_goes_first() -> None:
    model = networks.small_cnn()
    head = model.graph.node[-1].input[1]

    assert changed(model, 0.0) == {head}
    assert changed(model, 0.0) < changed(model, 0.5) < changed(model, 1.0)


def test_constant_nodes_are_changed_like_initializers() -> None:
    model = networks.small_cnn()
    for tensor in list(model.graph.initializer):
        model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    del model.graph.initializer[:]

    assert changed(model, 1.0) == weights(model)


def test_weights_behind_a_transposition_and_a_scale_are_found() -> None:
    model = networks.quantized()
    kernels = {name for name, array in tensors(model).items() if array.dtype == np.int8 and array.ndim == 4}

    assert kernels < changed(model, 1.0)


def test_a_head_of_one_row_counts_and_a_bias_of_one_row_does_not() -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3))
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    weight = net.weight(np.arange(8, dtype=np.float32).reshape(8, 1), "head")
    x = net.add("MatMul", x, weight)
    x = net.add("Add", x, net.weight(np.float32([[0.5, 0.25]]), "bias"), out="logits")
    model = net.model(("batch", 3, 16, 16), {x: ("batch", 2)})

    assert changed(model, 0.0) == {"head"}


def test_places_in_a_table_are_no_weights() -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3))
    x = net.add("Gather", x, net.weight(np.array([[1, 0], [2, 3]], dtype=np.int64), "places"), axis=1)
    x = net.add("ReduceMean", x, axes=[3, 4], keepdims=0)
    x = net.linear(net.add("Flatten", x), (4, 2), out="logits")
    model = net.model(("batch", 3, 16, 16), {x: ("batch", 2)})

    assert "places" not in changed(model, 1.0)


def test_data_beside_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save_model(networks.small_cnn(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    before = (path.read_bytes(), (tmp_path / "net.data").read_bytes())
    model = open_model(path)
    described = model.describe((1, 3, 16, 16))
    model.prepare(Request(output="logits", cam_layer=described.heads["logits"].layer))
    other = model.randomized(1.0, 0)
    images = np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32)

    assert not np.allclose(other.model.run(images).outputs, model.run(images).outputs)
    assert (path.read_bytes(), (tmp_path / "net.data").read_bytes()) == before


@pytest.mark.parametrize("build", [networks.quantized, networks.integer_convolutions, networks.channels_last])
def test_quantized_files_and_other_layouts_run_with_other_weights(build: object, tmp_path: Path) -> None:
    path = networks.save(build(), tmp_path / "net.onnx")  # type: ignore[operator]
    model = open_model(path)
    shape = (1, *(n or 16 for n in model.inputs[0].shape[1:]))
    layer = default_layers(model.describe(shape).layers)[-1].name
    model.prepare(Request(output=model.outputs[0].name, cam_layer=layer))
    images = np.random.default_rng(0).normal(size=(3, *shape[1:])).astype(np.float32)
    before = model.run(images)
    after = model.randomized(1.0, 0).model.run(images)

    assert np.isfinite(after.outputs).all()
    assert not np.allclose(after.activation, before.activation, atol=1e-3)


def test_a_network_without_weights_says_so() -> None:
    net = networks.Net()
    x = net.add("ReduceMean", "image", out="logits", axes=[2, 3], keepdims=0)
    model = net.model(("batch", 3, 16, 16), {x: ("batch", 3)})
    with pytest.raises(ModelError, match="no weights that can be drawn anew"):
        redrawn(model, Weights(Path()), Path("net.onnx"), 1.0, 0)


def test_no_session_of_the_untouched_copy_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    layers = model.describe((1, 3, 16, 16)).layers
    model.prepare(Request(output="logits", cam_layer=layers[-1].name))
    opened: list[onnx.ModelProto | None] = []
    untouched = Sessions.open

    def watched(self: Sessions, given: onnx.ModelProto | None = None, *, optimize: bool = True) -> object:
        opened.append(given)
        return untouched(self, given, optimize=optimize)

    monkeypatch.setattr(Sessions, "open", watched)
    other = model.randomized(1.0, 0).model
    other.run(np.zeros((2, 3, 16, 16), np.float32))

    assert opened
    assert None not in opened
    assert (other.guard, other.provider, other.notes) == (0.0, model.provider, ())
