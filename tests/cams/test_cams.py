"""Which method is chosen and why, and CAM and Grad-CAM of real TorchScript files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.cams import CAMS, CamInput, can_work, choose
from audit.errors import UsageError
from audit.result import Skipped
from audit.runtimes import Description, Head, Layer


def described(folder: Path, network: str) -> tuple[object, object, object]:
    pytest.importorskip("torch")
    from audit.runtimes import open_model
    from tests.support import torch_networks as networks

    eager = networks.build(getattr(networks, network)())
    model = open_model(networks.save(eager, folder / "model.pt"))
    return eager, model, model.describe((1, 3, 24, 24))


@pytest.mark.torch
@pytest.mark.parametrize("network", ["Plain", "Residual", "DepthwiseSE"])
def test_with_a_pool_and_a_linear_layer_cam_and_gradcam_are_the_same_up_to_the_number_of_cells(
    network: str, tmp_path: Path
) -> None:
    from audit.runtimes import Request
    from tests.support import torch_networks as networks

    _, model, description = described(tmp_path, network)
    head = description.heads["output"]
    model.prepare(Request(output="output", cam_layer=head.layer, gradients=True))
    captured = model.run(networks.noise(4).numpy())
    targets = np.array([0, 1, 1, 0])
    given = CamInput(
        activation=captured.activation, targets=targets, gradient=captured.gradient(targets), weight=head.weight
    )
    cells = captured.activation[0, 0].size
    cam = CAMS.get("cam").compute(given)
    np.testing.assert_allclose(CAMS.get("gradcam").compute(given) * cells, np.maximum(cam, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("network", ["VggLike", "Residual", "Plain"])
def test_gradcam_is_that_of_the_eager_network(network: str, tmp_path: Path) -> None:
    from audit.runtimes import Request
    from tests.support import torch_networks as networks

    torch = pytest.importorskip("torch")
    eager, model, description = described(tmp_path, network)
    choice = choose("gradcam", description, "output")
    model.prepare(Request(output="output", cam_layer=choice.layer, gradients=True))
    images, targets = networks.noise(4), np.array([0, 1, 1, 0])
    captured = model.run(images.numpy())
    given = CamInput(activation=captured.activation, targets=targets, gradient=captured.gradient(targets))
    place = [layer.name for layer in description.layers].index(choice.layer)
    logits, watched = networks.watch(eager, images, leaf=place)
    (gradient,) = torch.autograd.grad(logits[range(4), targets].sum(), watched.cut)
    expected = (gradient.mean((2, 3), keepdim=True) * watched.cut).sum(1).clamp(min=0).detach().numpy()
    np.testing.assert_allclose(choice.method.compute(given), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.torch
def test_auto_takes_cam_where_the_head_allows_it_and_gradcam_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    plain, vgg = (described(folder, n)[2] for folder, n in ((tmp_path, "Plain"), (tmp_path / "a", "VggLike")))
    first, second = choose("auto", plain, "output"), choose("auto", vgg, "output")
    assert (first.method.name, first.layer) == ("cam", "act2")
    assert (second.method.name, second.layer) == ("gradcam", "features.4")


@pytest.mark.parametrize(
    ("weight", "bias", "said"),
    [
        (np.eye(4), np.zeros(4), "the head is a global pool, so the map is exact"),
        (np.eye(4), np.ones(4), "the head is a global pool and a linear layer, so the map is exact"),
        (np.eye(2, 4), np.zeros(2), "the head is a global pool and a linear layer, so the map is exact"),
    ],
)
def test_a_pool_without_a_linear_layer_is_called_a_pool(weight: np.ndarray, bias: np.ndarray, said: str) -> None:
    pooled = Head(layer="early", weight=weight.astype(np.float32), bias=bias.astype(np.float32))

    assert choose("auto", seen(heads={"output": pooled}, heads_missing={}), "output").reason == said


@pytest.mark.torch
def test_cam_asked_for_without_such_a_head_says_why_not(tmp_path: Path) -> None:
    _, _, description = described(tmp_path, "VggLike")
    skipped = choose("cam", description, "output")
    assert isinstance(skipped, Skipped)
    assert "fed by the operator relu" in skipped.reason


def seen(**fields: object) -> Description:
    """A network with two maps and a vector behind them; nothing else can be had unless `fields` say so."""
    shapes = {"early": (4, 8, 8), "late": (6, 4, 4), "vector": (6,)}
    layers = tuple(
        Layer(name=name, kind="relu", shape=shape, depth=0.5, convolution=True, non_negative=True)
        for name, shape in shapes.items()
    )
    nothing = {
        "inputs": (), "outputs": (), "layers": layers, "heads": {}, "final": {}, "tail": "there is a branch behind it",
        "heads_missing": {"output": "two linear layers"}, "gradients": "pip install 'bias-audit[torch]'",
    }  # fmt: skip
    return Description(**{**nothing, **fields})


def head(layer: str, channels: int) -> Head:
    return Head(layer=layer, weight=np.ones((2, channels), np.float32), bias=np.zeros(2, np.float32))


def test_auto_falls_back_to_gradients_then_to_the_tail_and_says_what_was_missing() -> None:
    gradients, tail = choose("auto", seen(gradients=None), "output"), choose("auto", seen(tail=None), "output")

    assert (gradients.method.name, gradients.layer, gradients.extra_passes) == ("gradcam", "late", 0)
    assert gradients.reason == "gradients can be had at the last spatial layer; CAM: two linear layers"
    assert (tail.method.name, tail.layer, tail.extra_passes) == ("ablationcam", "late", 6)
    assert tail.reason.startswith("the network behind the last spatial layer can be run again; CAM: two linear layers")
    assert "Grad-CAM: pip install 'bias-audit[torch]'" in tail.reason


def test_auto_without_any_way_gives_every_reason() -> None:
    skipped = choose("auto", seen(), "output")

    assert isinstance(skipped, Skipped)
    assert skipped.reason == (
        "CAM: two linear layers; Grad-CAM: pip install 'bias-audit[torch]'; Ablation-CAM: there is a branch behind it"
    )


def test_gradcam_without_gradients_names_the_extra() -> None:
    skipped = choose("gradcam", seen(), "output")

    assert isinstance(skipped, Skipped)
    assert "bias-audit[torch]" in skipped.reason


def test_a_network_without_a_map_has_none_of_any_kind() -> None:
    flat = seen(layers=seen().layers[2:], gradients=None, tail=None)
    for name, method in CAMS.items():
        assert "no spatial layer" in (can_work(method, flat, "output") or ""), name
    assert isinstance(choose("auto", flat, "output"), Skipped)


def test_an_exact_head_gives_every_method_at_the_layer_that_it_pools() -> None:
    known = seen(heads={"output": head("early", 4)}, heads_missing={})
    for name in CAMS.names():
        choice = choose(name, known, "output")

        assert (choice.layer, choice.head.layer) == ("early", "early")
        assert choice.extra_passes == (4 if name == "scorecam" else 0)


def test_a_head_that_pools_a_single_cell_makes_no_map() -> None:
    known = seen(heads={"output": head("vector", 6)}, heads_missing={})

    assert isinstance(choose("cam", known, "output"), Skipped)
    assert choose("eigencam", known, "output").layer == "late"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="gradcam"):
        choose("gradcm", seen(), "output")
