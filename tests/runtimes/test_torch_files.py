"""Activations, outputs and gradients of torch's files, against the eager network and torch's own autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audit.errors import ModelError, UsageError  # noqa: E402 torch is an extra
from audit.runtimes import REDUCTIONS, Model, Request, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

HOW = ("scripted", "traced", "frozen", "exported")
NETWORKS = {
    "plain": networks.Plain,
    "residual": networks.Residual,
    "depthwise-se": networks.DepthwiseSE,
    "vgg": networks.VggLike,
    "no-linear": networks.NoLinear,
    "overwritten": networks.Overwritten,
    "softmax": lambda: networks.Plain(end=torch.nn.Softmax(dim=1)),
    "one-sigmoid": lambda: networks.Plain(classes=1, end=torch.nn.Sigmoid()),
    "silu": lambda: networks.Plain(activation=torch.nn.SiLU()),
}


def opened(network: torch.nn.Module, folder: Path, how: str = "scripted", size: int = 24) -> Model:
    model = open_model(networks.save(network, folder / f"{how}{networks.suffix(how)}", how))
    model.describe((1, 3, size, size))
    return model


def layer_names(model: Model, size: int = 24) -> list[str]:
    """The layers that the oracle watches: ReLU and SiLU."""
    layers = model.describe((1, 3, size, size)).layers
    return [layer.name for layer in layers if layer.kind in {"relu", "silu"}]


def reduced(activation: torch.Tensor) -> dict[str, np.ndarray]:
    """The reductions as their definitions say, image by image."""
    maps = activation.clamp(min=0).double().numpy()
    maps = maps[:, :, None, None] if maps.ndim == 2 else maps
    return {
        "max_of_channel_mean": np.array([a.mean(axis=0).max() for a in maps]),
        "mean_of_channel_max": np.array([a.reshape(len(a), -1).max(axis=1).mean() for a in maps]),
        "mean": np.array([a.mean() for a in maps]),
    }


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_strengths_are_those_of_the_eager_network(name: str, how: str, tmp_path: Path) -> None:
    network = networks.build(NETWORKS[name]())
    model = opened(network, tmp_path, how)
    layers = layer_names(model)
    model.prepare(Request(output="output", reductions=dict.fromkeys(layers, REDUCTIONS)))
    for batch in (3, 5, 1):
        images = networks.noise(batch, seed=batch)
        captured = model.run(images.numpy())
        returned, watched = networks.watch(network, images)
        np.testing.assert_allclose(captured.outputs, returned.numpy(), rtol=1e-5, atol=1e-6)
        assert len(watched.seen) == len(layers)
        for layer, activation in zip(layers, watched.seen, strict=True):
            for reduction, expected in reduced(activation).items():
                np.testing.assert_allclose(captured.strengths[layer, reduction], expected, rtol=1e-5, atol=1e-7)
    assert model.guard == 0.0
    assert model.notes == ()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_autograd_from_the_first_call_to_the_tenth(name: str, how: str, tmp_path: Path) -> None:
    network = networks.build(NETWORKS[name]())
    model = opened(network, tmp_path, how)
    description = model.describe((1, 3, 24, 24))
    assert description.gradients is None
    watched_layers = layer_names(model)
    layer = [one.name for one in description.layers if one.spatial and one.name in watched_layers][-1]
    place = watched_layers.index(layer)
    model.prepare(Request(output="output", cam_layer=layer, gradients=True))
    end = network.end if isinstance(network, networks.Plain) else None
    for call in range(10):
        images = networks.noise(3 + 2 * (call % 2), seed=call)
        captured = model.run(images.numpy())
        if end is not None:
            network.end = torch.nn.Identity()  # the gradient is of the logit
        logits, watched = networks.watch(network, images, leaf=place)
        if end is not None:
            network.end = end
        for targets in (np.arange(len(images)) % 2, np.ones(len(images), np.int64)):
            sign = torch.from_numpy(2 * targets - 1)
            chosen = logits[:, 0] * sign if logits.shape[1] == 1 else logits[range(len(images)), targets]
            (expected,) = torch.autograd.grad(chosen.sum(), watched.cut, retain_graph=True)
            np.testing.assert_allclose(captured.gradient(targets), expected.numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(captured.activation, watched.cut.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_gradients_are_of_the_layer_asked_for_however_deep(tmp_path: Path) -> None:
    network = networks.build(networks.Residual())
    model = opened(network, tmp_path)
    images = networks.noise(2)
    for place, layer in enumerate(layer_names(model)):
        model.prepare(Request(output="output", cam_layer=layer, gradients=True))
        captured = model.run(images.numpy())
        logits, watched = networks.watch(network, images, leaf=place)
        (expected,) = torch.autograd.grad(logits[:, 1].sum(), watched.cut)
        np.testing.assert_allclose(captured.gradient(np.ones(2, np.int64)), expected.numpy(), rtol=1e-4, atol=1e-6)


def test_an_activation_can_be_had_without_gradients(tmp_path: Path) -> None:
    network = networks.build(networks.Overwritten())
    model = opened(network, tmp_path)
    model.prepare(Request(output="output", cam_layer="relu"))
    captured = model.run(networks.noise(2).numpy())
    _, watched = networks.watch(network, networks.noise(2))
    assert captured.gradient is None
    np.testing.assert_allclose(captured.activation, watched.seen[0].numpy(), rtol=1e-5)


def test_a_map_with_its_channels_last_is_turned_round(tmp_path: Path) -> None:
    network = networks.build(networks.ChannelsLast())
    model = opened(network, tmp_path)
    (layer,) = [one for one in model.describe((1, 3, 24, 16)).layers if one.kind == "silu"]
    model.prepare(Request(output="output", cam_layer="silu", gradients=True, reductions={"silu": REDUCTIONS}))
    images = networks.noise(3)[..., :16]
    captured = model.run(images.numpy())
    logits, watched = networks.watch(network, images, leaf=0)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), watched.cut)
    turned = watched.seen[0].permute(0, 3, 1, 2)
    assert layer.shape == (10, 6, 4)
    np.testing.assert_allclose(captured.activation, turned.numpy(), rtol=1e-5, atol=1e-6)
    expected = gradient.permute(0, 3, 1, 2).numpy()
    np.testing.assert_allclose(captured.gradient(np.ones(3, np.int64)), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        captured.strengths["silu", "mean_of_channel_max"], reduced(turned)["mean_of_channel_max"], rtol=1e-5
    )


def test_a_convolution_that_no_non_linearity_follows_is_a_layer(tmp_path: Path) -> None:
    network = networks.build(networks.NoLinear())
    model = opened(network, tmp_path)
    model.prepare(Request(output="output", cam_layer="classes", reductions={"classes": ("mean",)}))
    captured = model.run(networks.noise(2).numpy())
    seen = []
    handle = network.classes.register_forward_hook(lambda module, given, result: seen.append(result.detach()))
    network(networks.noise(2))
    handle.remove()
    np.testing.assert_allclose(captured.activation, seen[0].numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(captured.strengths["classes", "mean"], reduced(seen[0])["mean"], rtol=1e-5)


@pytest.mark.parametrize("how", ["scripted", "traced", "exported"])
def test_layers_are_named_by_the_path_of_their_module(how: str, tmp_path: Path) -> None:
    model = opened(networks.build(networks.Residual()), tmp_path, how)
    assert [layer.name for layer in model.describe((1, 3, 24, 24)).layers] == [
        "relu",
        "layers.0.0.relu",
        "layers.0.0.relu_1",
        "layers.1.0.relu",
        "layers.1.0.relu_1",
    ]


def test_a_gate_is_no_layer_and_a_squeezed_value_is_a_vector(tmp_path: Path) -> None:
    layers = opened(networks.build(networks.DepthwiseSE()), tmp_path).describe((1, 3, 24, 24)).layers
    assert [(layer.name, layer.kind, layer.shape) for layer in layers] == [
        ("silu", "silu", (6, 12, 12)),
        ("silu_1", "silu", (6, 12, 12)),
        ("se.relu", "relu", (4,)),
        ("add", "conv", (6, 12, 12)),
        ("silu_2", "silu", (10, 12, 12)),
    ]


def test_depth_runs_to_one_at_the_last_layer(tmp_path: Path) -> None:
    layers = opened(networks.build(networks.Residual()), tmp_path).describe((1, 3, 24, 24)).layers
    assert [layer.depth for layer in layers] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_layers_inside_a_branch_say_why_they_cannot_be_reached(tmp_path: Path) -> None:
    model = opened(networks.build(networks.Branching()), tmp_path)
    reasons = {layer.name: layer.reason for layer in model.describe((1, 3, 24, 24)).layers}
    assert reasons.pop("relu") is None
    assert set(reasons.values()) == {"it stands inside a branch or a loop of the file, where values can't be reached"}
    with pytest.raises(ModelError, match="'relu_2' can't be looked at: it stands inside a branch"):
        model.prepare(Request(output="output", cam_layer="relu_2"))


def test_a_tap_before_a_branch_still_gives_gradients(tmp_path: Path) -> None:
    network = networks.build(networks.Branching())
    model = opened(network, tmp_path)
    model.prepare(Request(output="output", cam_layer="relu", gradients=True))
    captured = model.run(networks.noise(2).numpy())
    logits, watched = networks.watch(network, networks.noise(2), leaf=0)
    (expected,) = torch.autograd.grad(logits[:, 0].sum(), watched.cut)
    np.testing.assert_allclose(captured.gradient(np.zeros(2, np.int64)), expected.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("kind", "names"), [("tuple", ["output0", "output1"]), ("dict", ["age", "gender"])])
def test_each_of_several_outputs_has_its_name_and_head(kind: str, names: list[str], tmp_path: Path) -> None:
    network = networks.build(networks.TwoOutputs(kind))
    model = opened(network, tmp_path, "traced")
    description = model.describe((1, 3, 24, 24))
    assert [(spec.name, spec.shape) for spec in description.outputs] == [(names[0], (None, 1)), (names[1], (None, 2))]
    np.testing.assert_allclose(description.heads[names[1]].weight, network.gender.weight.detach().numpy())
    model.prepare(Request(output=names[1]))
    expected = network(networks.noise(2))[names[1] if kind == "dict" else 1]
    np.testing.assert_allclose(
        model.run(networks.noise(2).numpy()).outputs, expected.detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_a_named_tuple_gives_its_fields_as_outputs(tmp_path: Path) -> None:
    description = opened(networks.build(networks.NamedOutputs()), tmp_path).describe((1, 3, 24, 24))
    assert [(spec.name, spec.shape) for spec in description.outputs] == [("age", (None, 1)), ("gender", (None, 2))]


def test_an_output_put_together_at_run_time_has_activations_but_no_gradients(tmp_path: Path) -> None:
    model = opened(networks.build(networks.LateOutput()), tmp_path)
    description = model.describe((1, 3, 24, 24))
    model.prepare(Request(output="late", reductions={"relu": ("mean",)}))
    captured = model.run(networks.noise(2).numpy())
    assert captured.outputs.shape == (2, 4)
    assert "puts this output together only when it runs" in description.gradients
    assert "puts this output together only when it runs" in description.heads_missing["late"]


def test_a_gradient_of_an_output_that_the_layer_does_not_reach_is_zero(tmp_path: Path) -> None:
    network = networks.build(networks.TwoOutputs("early"))
    model = opened(network, tmp_path, "traced")
    model.prepare(Request(output="output0", cam_layer="body.3", gradients=True))
    gradient = model.run(networks.noise(2).numpy()).gradient(np.ones(2, np.int64))
    assert not gradient.any()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["plain", "residual", "depthwise-se", "softmax", "one-sigmoid", "silu", "no-linear"])
def test_a_pool_and_a_linear_layer_are_found_as_the_head(name: str, how: str, tmp_path: Path) -> None:
    network = networks.build(NETWORKS[name]())
    model = opened(network, tmp_path, how)
    head = model.describe((1, 3, 24, 24)).heads["output"]
    model.prepare(Request(output="output", cam_layer=head.layer))
    captured = model.run(networks.noise(3).numpy())
    if hasattr(network, "end"):
        network.end = torch.nn.Identity()
    logits = captured.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
    np.testing.assert_allclose(logits, network(networks.noise(3)).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("vgg", "the last linear layer is fed by the operator relu"), ("overwritten", "are not the linear layer of")],
)
def test_another_head_is_named_as_the_reason(name: str, reason: str, tmp_path: Path) -> None:
    description = opened(networks.build(NETWORKS[name]()), tmp_path).describe((1, 3, 24, 24))
    assert description.heads == {}
    assert reason in description.heads_missing["output"]


@pytest.mark.parametrize(
    ("end", "final"),
    [
        (torch.nn.Softmax(dim=1), "softmax"),
        (torch.nn.LogSoftmax(dim=1), "log_softmax"),
        (torch.nn.Sigmoid(), "sigmoid"),
        (torch.nn.Identity(), None),
    ],
    ids=str,
)
@pytest.mark.parametrize("how", HOW)
def test_what_stands_at_the_very_end_is_told(end: torch.nn.Module, final: str | None, how: str, tmp_path: Path) -> None:
    description = opened(networks.build(networks.Plain(end=end)), tmp_path, how).describe((1, 3, 24, 24))
    assert description.final == {"output": final}


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_batch_size_written_into_the_file_is_served_in_pieces(batch: int, tmp_path: Path) -> None:
    network = networks.build(networks.FixedBatch(batch))
    model = opened(network, tmp_path, "scripted")
    assert model.batch == batch
    model.prepare(Request(output="output", cam_layer="relu", gradients=True, reductions={"relu": ("mean",)}))
    captured = model.run(networks.noise(7).numpy())
    network.batch = 7
    logits, watched = networks.watch(network, networks.noise(7), leaf=0)
    targets = np.array([0, 1, 1, 0, 0, 1, 0])
    (expected,) = torch.autograd.grad(logits[range(7), targets].sum(), watched.cut)
    np.testing.assert_allclose(captured.outputs, logits.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(captured.strengths["relu", "mean"], reduced(watched.seen[0])["mean"], rtol=1e-5)
    np.testing.assert_allclose(captured.gradient(targets), expected.numpy(), rtol=1e-4, atol=1e-7)


def test_half_precision_is_fed_and_read_as_such(tmp_path: Path) -> None:
    network = networks.build(networks.Plain()).half()
    model = opened(network, tmp_path, "scripted")
    assert model.inputs[0].dtype == "float16"
    model.prepare(Request(output="output", reductions={"act2": REDUCTIONS}, cam_layer="act2", gradients=True))
    captured = model.run(networks.noise(2).half().numpy())
    logits, watched = networks.watch(network, networks.noise(2).half(), leaf=1)
    (expected,) = torch.autograd.grad(logits[:, 1].sum(), watched.cut)
    np.testing.assert_allclose(captured.gradient(np.ones(2, np.int64)), expected.float().numpy(), rtol=1e-2, atol=1e-4)
    assert captured.outputs.dtype == np.float32


def test_the_input_tells_what_the_file_knows(tmp_path: Path) -> None:
    network = networks.build(networks.Plain())
    traced = open_model(networks.save(network, tmp_path / "traced.pt", "traced"))
    scripted = open_model(networks.save(network, tmp_path / "scripted.pt"))
    assert (traced.inputs[0].name, traced.inputs[0].shape) == ("x", (None, 3, 24, 24))
    assert scripted.inputs[0].shape == (None, 3, None, None)


def test_extra_files_are_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "extra.pt"
    networks.save(networks.build(networks.Plain()), path, extra={"bias_audit.json": '{"classes": ["a", "b"]}'})
    assert open_model(path).metadata == {"bias_audit.json": '{"classes": ["a", "b"]}'}


def test_without_taps_the_untouched_module_answers(tmp_path: Path) -> None:
    network = networks.build(networks.Plain())
    model = opened(network, tmp_path)
    model.prepare(Request(output="output"))
    captured = model.run(networks.noise(2).numpy())
    np.testing.assert_allclose(captured.outputs, network(networks.noise(2)).detach().numpy(), rtol=1e-5)
    assert (captured.strengths, captured.activation, captured.gradient, model.guard) == ({}, None, None, None)


def test_outputs_come_from_the_untouched_module_when_tapping_changes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(networks.build(networks.Plain()), tmp_path)
    model.prepare(Request(output="output", reductions={"act1": ("mean",)}))
    images = networks.noise(2).numpy()
    honest = model.run(images).outputs
    model.prepare(Request(output="output", reductions={"act1": ("mean",)}))
    inner = model._tapped

    def shifted(given: torch.Tensor) -> object:
        taken = inner(given)
        return type(taken)(
            returned=taken.returned + 5.0, values=taken.values, strengths=taken.strengths, leaf=taken.leaf
        )

    monkeypatch.setattr(model, "_tapped", shifted)
    first, second = model.run(images), model.run(images)
    assert model.guard > 0.1
    assert "outputs come from the untouched model" in model.notes[0]
    np.testing.assert_array_equal(first.outputs, honest)
    np.testing.assert_array_equal(second.outputs, honest)


@pytest.fixture
def broken_piece(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Changes what is put behind layers, as another version of torch might change what it does."""
    from audit.runtimes import _torchscript_taps as taps

    def change(old: str, new: str) -> None:
        assert old in taps._PIECES
        monkeypatch.setattr(taps, "_PIECES", taps._PIECES.replace(old, new))
        taps._pieces.cache_clear()

    yield change
    taps._pieces.cache_clear()


def test_taps_that_fail_are_noticed_and_the_model_still_answers(
    tmp_path: Path, broken_piece: Callable[[str, str], None]
) -> None:
    network = networks.build(networks.Plain())
    broken_piece("x.mean(1)", "x.mean(9)")
    model = opened(network, tmp_path)
    description = model.describe((1, 3, 24, 24))
    model.prepare(Request(output="output"))
    outputs = model.run(networks.noise(2).numpy()).outputs
    assert all("this file can't be looked into: Dimension out of range" in layer.reason for layer in description.layers)
    assert "can't be looked into" in description.heads_missing["output"]
    np.testing.assert_allclose(outputs, network(networks.noise(2)).detach().numpy(), rtol=1e-5)


def test_taps_that_change_the_outputs_are_noticed(tmp_path: Path, broken_piece: Callable[[str, str], None]) -> None:
    broken_piece("    if last and", "    x.mul_(2.0)\n    if last and")
    description = opened(networks.build(networks.Plain()), tmp_path).describe((1, 3, 24, 24))
    assert "doing so changes the output 'output'" in description.layers[0].reason


def test_gradients_that_do_not_arrive_are_noticed(tmp_path: Path, broken_piece: Callable[[str, str], None]) -> None:
    broken_piece(".requires_grad_(True)", "")
    model = opened(networks.build(networks.Plain()), tmp_path)
    description = model.describe((1, 3, 24, 24))
    assert description.gradients == "this file gives no gradients: no gradient arrives at its last map, act2"
    assert [layer.reason for layer in description.layers] == [None, None]
    with pytest.raises(ModelError, match="no gradient arrives"):
        model.prepare(Request(output="output", cam_layer="act2", gradients=True))


def test_what_a_model_prints_and_warns_stays_off_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    model = opened(networks.build(networks.Talking()), tmp_path)
    model.prepare(Request(output="output"))
    model.run(networks.noise(2).numpy())
    assert capfd.readouterr() == ("", "")
    assert recwarn.list == []


def test_a_layer_that_is_not_there_is_named_with_those_near(tmp_path: Path) -> None:
    model = opened(networks.build(networks.Plain()), tmp_path)
    with pytest.raises(ModelError, match=r"no such layer, got 'act3'.*Allowed: act1, act2.*Did you mean"):
        model.prepare(Request(output="output", cam_layer="act3"))


def test_an_output_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    model = opened(networks.build(networks.Plain()), tmp_path)
    with pytest.raises(UsageError, match="no such output, got 'logits'. Allowed: output"):
        model.prepare(Request(output="logits"))


def test_a_vector_has_no_map(tmp_path: Path) -> None:
    model = opened(networks.build(networks.VggLike()), tmp_path)
    with pytest.raises(ModelError, match="'classifier.1' can't be looked at: it is a vector, not a map"):
        model.prepare(Request(output="output", cam_layer="classifier.1"))


def test_another_channel_count_is_refused_with_the_reason_of_torch(tmp_path: Path) -> None:
    model = open_model(networks.save(networks.build(networks.Plain()), tmp_path / "model.pt"))
    with pytest.raises(ModelError, match=r"pictures of this shape: .* 3 channels, but got 1 channels.*'1x24x24'") as e:
        model.describe((1, 1, 24, 24))
    assert "\n" not in str(e.value)


def test_a_closed_model_says_so(tmp_path: Path) -> None:
    model = opened(networks.build(networks.Plain()), tmp_path)
    model.close()
    with pytest.raises(ModelError, match="has been closed"):
        model.describe((1, 3, 24, 24))


def test_cuda_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    path = networks.save(networks.build(networks.Plain()), tmp_path / "model.pt")
    with pytest.raises(UsageError, match="no CUDA device"):
        open_model(path, device="cuda")
