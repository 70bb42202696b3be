"""What is particular to torch.export files: sizes that are written down, inputs by name, branches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.errors import ModelError  # noqa: E402 as above
from audit.runtimes import REDUCTIONS, Request, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = pytest.mark.torch


class Choosing(nn.Module):
    """A branch that torch.export keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        x = torch.cond(x.sum() > 1e6, lambda y: torch.relu(y - 1), lambda y: torch.relu(y * 1.5), (x,))
        return self.fc(x.mean([2, 3]))


class Pair(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x.mean([2, 3]) + y.mean([2, 3])


def all_of(path: Path, images: np.ndarray) -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    model = open_model(path)
    layers = [layer.name for layer in model.describe((1, *images.shape[1:])).layers if layer.reason is None]
    model.prepare(Request(output=model.outputs[0].name, reductions=dict.fromkeys(layers, REDUCTIONS)))
    captured = model.run(images)
    return captured.outputs, dict(captured.strengths)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_that_is_written_down_is_filled_up(batch: int, tmp_path: Path) -> None:
    network = networks.build(networks.Residual())
    images = networks.noise(7)
    free = all_of(networks.export(network, tmp_path / "free.pt2"), images.numpy())
    fixed = all_of(networks.export(network, tmp_path / "fixed.pt2", batch=batch), images.numpy())

    model = open_model(tmp_path / "fixed.pt2")
    model.describe((1, 3, 24, 24))
    assert model.batch == batch
    np.testing.assert_allclose(fixed[0], free[0], rtol=1e-5, atol=1e-6)
    for key, expected in free[1].items():
        np.testing.assert_allclose(fixed[1][key], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("free", [torch.export.Dim.DYNAMIC, torch.export.Dim.AUTO, torch.export.Dim("n")], ids=str)
def test_however_a_batch_is_left_free_it_is(free: Any, tmp_path: Path) -> None:
    network, path = networks.build(networks.Plain()), tmp_path / "net.pt2"
    example = torch.zeros(2, 3, 24, 24)  # of its own: torch writes notes on it
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=({0: free},)), path)
    model = open_model(path)
    model.describe((1, 3, 24, 24))
    model.prepare(Request(output="output"))

    assert model.batch is None
    images = networks.noise(5)
    np.testing.assert_allclose(
        model.run(images.numpy()).outputs, network(images).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_size_and_type_of_the_picture_are_read_from_the_file(tmp_path: Path) -> None:
    model = open_model(networks.export(networks.build(networks.Plain()).half(), tmp_path / "half.pt2"))

    assert model.inputs[0].shape == (None, 3, 24, 24)
    assert model.inputs[0].dtype == "float16"
    with pytest.raises(ModelError, match="48"):
        model.describe((1, 3, 48, 48))


def test_a_picture_that_is_given_by_name(tmp_path: Path) -> None:
    network = networks.build(networks.Plain())
    images = networks.noise(3)
    outputs, _ = all_of(networks.export(network, tmp_path / "named.pt2", keyword="x"), images.numpy())

    np.testing.assert_allclose(outputs, network(images).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_several_outputs_have_their_names(tmp_path: Path) -> None:
    network = networks.build(networks.TwoOutputs("dict"))
    model = open_model(networks.export(network, tmp_path / "two.pt2"))
    description = model.describe((1, 3, 24, 24))
    model.prepare(Request(output="gender", cam_layer=description.heads["gender"].layer, gradients=True))
    captured = model.run(networks.noise(2).numpy())

    assert [output.name for output in description.outputs] == ["age", "gender"]
    np.testing.assert_allclose(
        captured.outputs, network(networks.noise(2))["gender"].detach().numpy(), rtol=1e-5, atol=1e-6
    )
    assert captured.gradient is not None


def test_values_inside_a_branch_are_named_with_the_reason(tmp_path: Path) -> None:
    network = networks.build(Choosing())
    path = networks.export(network, tmp_path / "branch.pt2")
    layers = open_model(path).describe((1, 3, 24, 24)).layers
    outputs, strengths = all_of(path, networks.noise(3).numpy())

    assert [layer.reason is None for layer in layers] == [True, False, False]
    assert "branch" in str(layers[1].reason)
    with torch.no_grad():  # torch.cond itself would be compiled
        expected = network.fc(torch.relu(torch.relu(network.conv(networks.noise(3))) * 1.5).mean([2, 3]))
    np.testing.assert_allclose(outputs, expected.numpy(), rtol=1e-5, atol=1e-6)
    assert (layers[0].name, "mean") in strengths


def test_extra_files_are_the_metadata(tmp_path: Path) -> None:
    path = networks.export(networks.build(networks.Plain()), tmp_path / "extra.pt2", extra={"classes": "a,b,c"})

    assert open_model(path).metadata == {"classes": "a,b,c"}


def test_a_network_that_wants_more_than_a_picture_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(Pair(), (torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)))
    torch.export.save(program, str(tmp_path / "pair.pt2"))

    with pytest.raises(ModelError, match="inputs that can't be given"):
        open_model(tmp_path / "pair.pt2")


@pytest.mark.parametrize(("how", "wrong", "right"), [("scripted", ".pt2", ".pt"), ("exported", ".pt", ".pt2")])
def test_a_file_under_the_other_suffix_is_told_so(how: str, wrong: str, right: str, tmp_path: Path) -> None:
    path = networks.save(networks.build(networks.Plain()), tmp_path / f"net{networks.suffix(how)}", how)

    with pytest.raises(ModelError, match=f"suffix {right}"):
        open_model(path.rename(path.with_suffix(wrong)))


def test_the_same_network_is_the_same_in_both_formats(tmp_path: Path) -> None:
    for name, network in {
        "plain": networks.Plain(),
        "residual": networks.Residual(),
        "depthwise": networks.DepthwiseSE(),
        "vgg": networks.VggLike(),
        "channels_last": networks.ChannelsLast(),
    }.items():
        networks.build(network)
        paths = [networks.save(network, tmp_path / f"{name}{networks.suffix(h)}", h) for h in ("traced", "exported")]
        first, second = (open_model(path).describe((1, 3, 24, 24)) for path in paths)

        assert first.layers == second.layers
        assert first.heads_missing == second.heads_missing
        assert {k: h.layer for k, h in first.heads.items()} == {k: h.layer for k, h in second.heads.items()}
