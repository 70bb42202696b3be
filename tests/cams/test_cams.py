"""Which method is chosen and why, and CAM and Grad-CAM of real TorchScript files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.cams import CAMS, CamInput, choose
from audit.result import Skipped


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


@pytest.mark.torch
def test_cam_asked_for_without_such_a_head_says_why_not(tmp_path: Path) -> None:
    _, _, description = described(tmp_path, "VggLike")
    skipped = choose("cam", description, "output")
    assert isinstance(skipped, Skipped)
    assert "fed by the operator relu" in skipped.reason
