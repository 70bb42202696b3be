"""What is done to make torch fast changes no answer, and leaves alone what it can't change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.runtimes import REDUCTIONS, Request, open_model  # noqa: E402 as above
from audit.runtimes._torch_speed import faster_order  # noqa: E402 as above
from audit.runtimes._torchscript_graph import ScriptProgram  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[2]


class Viewed(nn.Module):
    """Lays its maps out as one row with `view`, which wants the channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 24 * 24, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.fc(x.view(x.size(0), -1))


class Strided(Viewed):
    """Has its strides written down: with the channels last it would read other numbers, without a complaint."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.fc(x.as_strided([x.size(0), 4 * 24 * 24], [4 * 24 * 24, 1]))


def order(network: nn.Module, folder: Path) -> object:
    path = networks.save(networks.build(network), folder / "order.pt")
    return faster_order(ScriptProgram(torch.jit.load(str(path)).eval()), networks.noise(2))


def test_channels_come_last_where_the_answers_stay(tmp_path: Path) -> None:
    assert order(networks.Plain(), tmp_path) == torch.channels_last


@pytest.mark.parametrize("network", [Viewed, Strided])
def test_channels_stay_first_where_a_file_relies_on_it(network: type[nn.Module], tmp_path: Path) -> None:
    assert order(network(), tmp_path) == torch.contiguous_format


@pytest.mark.parametrize("network", [networks.Plain, Viewed, Strided])
@pytest.mark.parametrize("how", ["scripted", "frozen"])
def test_the_answers_are_the_network_s_whatever_the_order(network: type[nn.Module], how: str, tmp_path: Path) -> None:
    eager = networks.build(network())
    model = open_model(networks.save(eager, tmp_path / "model.pt", how))
    layer = model.describe((1, 3, 24, 24)).layers[0].name
    model.prepare(Request(output="output", reductions={layer: REDUCTIONS}, cam_layer=layer, gradients=True))
    captured = model.run(networks.noise(3).numpy())
    logits, watched = networks.watch(eager, networks.noise(3), leaf=0)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), watched.cut)

    np.testing.assert_allclose(captured.outputs, logits.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(captured.activation, watched.seen[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(captured.gradient(np.ones(3, np.int64)), gradient.numpy(), rtol=1e-4, atol=1e-6)
    assert captured.activation.flags.c_contiguous


def test_describing_again_for_another_size_settles_the_order_again(tmp_path: Path) -> None:
    eager = networks.build(networks.Plain())
    model = open_model(networks.save(eager, tmp_path / "model.pt"))
    for size in (24, 40):
        model.describe((1, 3, size, size))
    model.prepare(Request(output="output"))
    expected = eager(networks.noise(2, size=40)).detach().numpy()

    np.testing.assert_allclose(model.run(networks.noise(2, size=40).numpy()).outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP library of torch's Linux build is asked")
@pytest.mark.parametrize(("given", "taken"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise_and_the_environment_is_left_as_it_was(
    given: str | None, taken: str, tmp_path: Path
) -> None:
    path = networks.save(networks.build(networks.Plain()), tmp_path / "model.pt")
    code = (
        "import os, sys; from audit.runtimes import open_model; before = dict(os.environ); open_model(sys.argv[1]);"
        "print(before == dict(os.environ))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "true"} | ({"OMP_WAIT_POLICY": given} if given else {})
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )

    assert f"OMP_WAIT_POLICY = '{taken}'" in done.stderr
    assert done.stdout == "True\n"
