"""ONNX files: what goes in and comes out, and that looking inside leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from audit.errors import ModelError, UsageError
from audit.runtimes import REDUCTIONS, Request, open_model
from audit.runtimes._onnx_taps import Taps
from tests.support import onnx_networks as networks


def pictures(shape: tuple[int, ...], dtype: str = "float32", seed: int = 1) -> NDArray[Any]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, shape).astype(dtype) if dtype == "uint8" else random.normal(size=shape).astype(dtype)


def values_of(model: onnx.ModelProto, names: list[str], images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The oracle: a session of its own with inner values as outputs, and nothing else changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [*names, copy.graph.output[0].name]
    picture = session.get_inputs()[0].name  # weights that are listed as inputs are none to it
    return dict(zip(wanted, session.run(wanted, {picture: images}), strict=True))


def reduced(activation: NDArray[Any], name: str) -> NDArray[np.float64]:
    """The definitions of the reductions, in float64 on [B, C, h, w]."""
    positive = np.maximum(activation.astype(np.float64), 0)
    return {
        "max_of_channel_mean": positive.mean(axis=1).max(axis=(1, 2)),
        "mean_of_channel_max": positive.max(axis=(2, 3)).mean(axis=1),
        "mean": positive.mean(axis=(1, 2, 3)),
    }[name]


NETWORKS = {
    "plain": (networks.small_cnn, (16, 16), "NCHW"),
    "opset 8": (lambda: networks.small_cnn(opset=8), (16, 16), "NCHW"),
    "opset 21": (lambda: networks.small_cnn(opset=21), (16, 16), "NCHW"),
    "weights as inputs": (lambda: networks.small_cnn(weights_as_inputs=True), (16, 16), "NCHW"),
    "batch of four": (lambda: networks.small_cnn(batch=4), (16, 16), "NCHW"),
    "separable": (networks.separable, (16, 16), "NCHW"),
    "squeeze and excitation": (networks.squeeze_and_excitation, (16, 16), "NCHW"),
    "channels last": (networks.channels_last, (12, 16), "NHWC"),
    "perceptron": (networks.perceptron, (4, 4), "NCHW"),
    **{
        name: (lambda name=name: networks.spelled_out(name), (16, 16), "NCHW")
        for name in ("silu", "gelu", "hard_swish")
    },
}


@pytest.mark.parametrize("network", NETWORKS)
def test_activations_equal_those_of_an_untouched_session(network: str, tmp_path: Path) -> None:
    build, (height, width), layout = NETWORKS[network]
    made = build()
    images = pictures((4, height, width, 3) if layout == "NHWC" else (4, 3, height, width))
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    layers = model.describe((1, *images.shape[1:])).layers
    maps = [layer for layer in layers if layer.spatial]
    model.prepare(
        Request(
            output=model.outputs[0].name,
            reductions={layer.name: REDUCTIONS for layer in layers},
            cam_layer=maps[-1].name if maps else None,
        )
    )
    capture = model.run(images)

    tensors = {layer.name: model._seen.places[layer.name].tensor for layer in layers}  # type: ignore[attr-defined]
    truth = values_of(made, list(tensors.values()), images)
    assert layers
    assert model.guard == 0
    assert model.notes == ()
    assert np.array_equal(capture.outputs, truth[made.graph.output[0].name])
    for layer in layers:
        value = truth[tensors[layer.name]]
        if layer.name.startswith("block.relu") and layout == "NHWC":
            value = value.transpose(0, 3, 1, 2)
        value = value.reshape(*value.shape, 1, 1) if value.ndim == 2 else value
        assert value.shape[1:] == (*layer.shape, 1, 1)[:3] if not layer.spatial else value.shape[1:] == layer.shape
        for reduction in REDUCTIONS:
            assert np.allclose(
                capture.strengths[layer.name, reduction], reduced(value, reduction), rtol=1e-5, atol=1e-7
            )
        if layer is (maps or [None])[-1]:
            assert capture.activation is not None
            assert np.array_equal(capture.activation, value)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_a_fixed_batch_takes_any_number_of_pictures(count: int, tmp_path: Path) -> None:
    images = pictures((count, 3, 16, 16))
    fixed = open_model(networks.save(networks.small_cnn(batch=4), tmp_path / "fixed.onnx"))
    free = open_model(networks.save(networks.small_cnn(), tmp_path / "free.onnx"))
    request = Request(output="logits", reductions={"features.3": REDUCTIONS}, cam_layer="features.3")
    captures = []
    for model in (fixed, free):
        model.prepare(request)
        captures.append(model.run(images))

    assert (fixed.batch, free.batch) == (4, None)
    assert np.allclose(captures[0].outputs, captures[1].outputs, atol=1e-6)
    assert captures[0].activation is not None
    assert captures[0].activation.shape == (count, 12, 8, 8)
    for key, values in captures[1].strengths.items():
        assert np.allclose(captures[0].strengths[key], values, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_other_number_formats_go_in_and_float32_comes_out(dtype: str, tmp_path: Path) -> None:
    made = networks.small_cnn(dtype=dtype)
    images = pictures((3, 3, 16, 16), dtype)
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    described = model.describe((1, 3, 16, 16))
    model.prepare(Request(output="logits", reductions={"features.3": REDUCTIONS}, cam_layer="features.3"))
    capture = model.run(images)

    value = values_of(made, ["/features/features.3/Relu_output_0"], images)["/features/features.3/Relu_output_0"]
    assert model.inputs[0].dtype == dtype
    assert described.heads["logits"].layer == "features.3"
    assert capture.outputs.dtype == np.float32
    assert capture.activation is not None
    assert capture.activation.dtype == np.float32
    assert np.allclose(capture.activation, value.astype(np.float32), rtol=2e-3, atol=2e-3)
    for reduction in REDUCTIONS:
        assert np.allclose(capture.strengths["features.3", reduction], reduced(value, reduction), rtol=2e-3)


def test_outputs_come_from_the_untouched_model_when_tapping_changes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = networks.small_cnn()
    images = pictures((8, 3, 16, 16))
    finished = Taps.finished

    def other(taps: Taps) -> onnx.ModelProto:
        """What onnxruntime may do to a graph that it can't fuse as before, but more of it."""
        copy = finished(taps)
        for tensor in copy.graph.initializer:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1.001, tensor.name))
        return copy

    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    layers = model.describe((1, 3, 16, 16)).layers
    monkeypatch.setattr(Taps, "finished", other)
    model.prepare(Request(output="logits", reductions={layer.name: ("mean",) for layer in layers}))
    first, second = model.run(images), model.run(images[:3])

    bare = values_of(made, [], images)["logits"]
    assert model.guard is not None
    assert model.guard > 1e-4
    assert np.array_equal(first.outputs, bare)
    assert np.array_equal(second.outputs, bare[:3])
    assert "come from the untouched model" in model.notes[0]
    assert f"{model.guard:.1e}" in model.notes[0]


def test_the_untouched_session_is_closed_once_both_agree(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    model.prepare(Request(output="logits", reductions={"features.3": ("mean",)}))
    assert model._bare is not None  # type: ignore[attr-defined]
    model.run(pictures((2, 3, 16, 16)))

    assert model.guard == 0
    assert model._bare is None  # type: ignore[attr-defined]


def test_taps_leave_pairs_of_quantization_as_onnxruntime_fuses_them(tmp_path: Path) -> None:
    made = networks.quantized()
    images = pictures((8, 3, 16, 16))
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    layers = model.describe((1, 3, 16, 16)).layers
    model.prepare(Request(output="logits", reductions={layer.name: REDUCTIONS for layer in layers}))
    captured = model.run(images)

    assert [(layer.name, layer.kind) for layer in layers] == [(f"relu{at}", "relu") for at in range(3)]
    assert model.guard == 0
    assert np.array_equal(captured.outputs, values_of(made, [], images)["logits"])


def test_integer_activations_are_read_in_their_own_scale(tmp_path: Path) -> None:
    made = networks.integer_convolutions()
    images = pictures((4, 3, 16, 16))
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    layers = model.describe((1, 3, 16, 16)).layers
    model.prepare(Request(output="logits", reductions={"conv0": REDUCTIONS}))
    capture = model.run(images)

    tensor = "/conv0/Conv_output_0"
    value = (values_of(made, [tensor], images)[tensor].astype(np.float64) - 100) * np.float32(0.05)
    assert [layer.name for layer in layers if layer.convolution][:2] == ["conv0", "conv1"]
    assert model.guard == 0
    for reduction in REDUCTIONS:
        assert np.allclose(capture.strengths["conv0", reduction], reduced(value, reduction), rtol=1e-5)


def test_without_taps_there_is_nothing_to_guard(tmp_path: Path) -> None:
    made = networks.quantized()
    images = pictures((2, 3, 16, 16))
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    capture = model.run(images)

    assert np.array_equal(capture.outputs, values_of(made, [], images)["logits"])
    assert (dict(capture.strengths), capture.activation, capture.gradient) == ({}, None, None)
    assert (model.guard, model.notes) == (None, ())


def test_nan_goes_through(tmp_path: Path) -> None:
    images = pictures((2, 3, 16, 16))
    images[1] = np.nan
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    model.prepare(Request(output="logits", reductions={"features.3": ("mean",)}))
    outputs = model.run(images).outputs

    truth = values_of(networks.small_cnn(), [], images)["logits"]
    assert np.isfinite(outputs[0]).all()
    assert np.array_equal(outputs, truth, equal_nan=True)
    assert model.notes == ()


@pytest.mark.parametrize(("operator", "shape"), [("Squeeze", [3]), (None, [3, 4, 1, 1])])
def test_one_number_a_picture_and_maps_of_one_cell_come_as_rows(
    operator: str | None, shape: list[int], tmp_path: Path
) -> None:
    net = networks.Net()
    x = net.conv("image", (3, 1 if operator else 4), 3)
    x = net.add("GlobalAveragePool", x, out="out" if operator is None else None)
    if operator:
        x = net.add(operator, x, net.weight(np.array([1, 2, 3])), out="out")
    made = net.model(("batch", 3, 8, 8), {"out": ("batch", *shape[1:])})
    model = open_model(networks.save(made, tmp_path / "net.onnx"))

    assert model.run(pictures((3, 3, 8, 8))).outputs.shape == (3, 1 if operator else 4)


def test_a_picture_that_comes_out_keeps_its_shape(tmp_path: Path) -> None:
    net = networks.Net()
    net.conv("image", (3, 3), 3, out="picture")
    model = open_model(networks.save(net.model((1, 3, 8, 8), {"picture": (1, 3, 8, 8)}), tmp_path / "net.onnx"))

    assert model.run(pictures((2, 3, 8, 8))).outputs.shape == (2, 3, 8, 8)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    path = networks.save(networks.small_cnn(metadata={"classes": "a,b,c"}), tmp_path / "net.onnx")
    model = open_model(path, device="cpu", threads=1)

    assert dict(model.metadata) == {"classes": "a,b,c"}
    assert (model.inputs[0].name, model.inputs[0].shape) == ("image", (None, 3, 16, 16))
    assert (model.outputs[0].name, model.outputs[0].shape) == ("logits", (None, 3))
    assert (model.format, model.provider, model.device) == ("onnx", "CPUExecutionProvider", "cpu")
    assert model.files == (path,)


def test_weights_listed_as_inputs_are_no_inputs_and_no_warnings(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = open_model(networks.save(networks.small_cnn(weights_as_inputs=True), tmp_path / "net.onnx"))
    model.prepare(Request(output="logits", reductions={"features.3": ("mean",)}))
    model.run(pictures((2, 3, 16, 16)))

    assert [spec.name for spec in model.inputs] == ["image"]
    assert capfd.readouterr() == ("", "")


def test_a_failing_run_is_one_quiet_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net = networks.Net()
    net.add("Reshape", net.conv("image", (3, 2), 3), net.weight(np.array([2, 128])), out="out")
    model = open_model(networks.save(net.model(("batch", 3, 8, 8), {"out": (2, 128)}), tmp_path / "net.onnx"))
    with pytest.raises(ModelError, match="the model fails on its input") as caught:
        model.run(pictures((3, 3, 8, 8)))

    assert "\n" not in str(caught.value)
    assert "ONNXRuntimeError" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_output_without_a_row_for_each_picture_is_refused(tmp_path: Path) -> None:
    net = networks.Net()
    net.add("ReduceMean", net.conv("image", (3, 2), 3), out="out", axes=[0, 2, 3], keepdims=0)
    model = open_model(networks.save(net.model(("batch", 3, 8, 8), {"out": (2,)}), tmp_path / "net.onnx"))

    with pytest.raises(ModelError, match="'out' does not give one row a picture: 2 rows for 3 pictures"):
        model.run(pictures((3, 3, 8, 8)))


def test_another_size_than_the_file_s_is_refused(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))

    with pytest.raises(ModelError, match=r"another input size, got '3 x 32 x 32'. Allowed: 3 x 16 x 16"):
        model.describe((1, 3, 32, 32))


def test_layers_of_an_open_size_need_a_description_first(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3), name="/relu/Relu")
    net.add("ReduceMean", x, out="out", axes=[2, 3], keepdims=0)
    model = open_model(networks.save(net.model(("b", 3, "h", "w"), {"out": ("b", 4)}), tmp_path / "net.onnx"))
    request = Request(output="out", reductions={"relu": ("mean",)})
    with pytest.raises(ModelError, match="describe the model for an input size"):
        model.prepare(request)
    layers = model.describe((1, 3, 20, 10)).layers
    model.prepare(request)

    assert layers[0].shape == (4, 20, 10)
    assert model.run(pictures((2, 3, 14, 14))).strengths["relu", "mean"].shape == (2,)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(output="logits", reductions={"features.4": ("mean",)}), "no such layer, got 'features.4'.*features.3"),
        (Request(output="logits", cam_layer="nose"), "no such layer, got 'nose'"),
        (Request(output="logits", reductions={"features.3": ("median",)}), "unknown reduction.*'median'.*mean"),
        (Request(output="logits", gradients=True), "gradients.* need a layer"),
    ],
)
def test_what_can_t_be_had_is_named(request_: Request, message: str, tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))

    with pytest.raises(ModelError, match=message):
        model.prepare(request_)


def test_an_unknown_output_names_the_nearest(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))

    with pytest.raises(UsageError, match="no such output, got 'logit'.*Did you mean logits"):
        model.prepare(Request(output="logit"))


def test_a_vector_has_no_cam(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.perceptron(), tmp_path / "net.onnx"))

    with pytest.raises(ModelError, match="'act' can't be looked at: it is a vector"):
        model.prepare(Request(output="logits", cam_layer="act"))


def test_cuda_asked_for_by_name_is_an_error_where_it_is_not(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    path = networks.save(networks.small_cnn(), tmp_path / "net.onnx")

    with pytest.raises(UsageError, match=r"no CUDA device.*got 'cuda'.*auto, cpu"):
        open_model(path, device="cuda")


def test_a_closed_model_says_so(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.small_cnn(), tmp_path / "net.onnx"))
    model.close()

    with pytest.raises(ModelError, match="has been closed"):
        model.describe((1, 3, 16, 16))
