"""Methods that run a network again compare logits: a network with a softmax at its end has the maps that it has
without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 torch is an extra

from audit.cams import CAMS, Mapper  # noqa: E402 as above
from audit.runtimes import Request, last_map, open_model  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = pytest.mark.torch


ENDS = [*((nn.Softmax(1), form) for form in zoo.FORMATS), (nn.LogSoftmax(1), "onnx"), (nn.Sigmoid(), "traced")]


def maps(path: Path, targets: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """By what the runtime gives, with no head known."""
    model = open_model(path, threads=1)
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    (output,), layer = description.final, last_map(description.layers)
    assert layer is not None
    model.prepare(Request(output=output, cam_layer=layer.name, tail=True, logits=True))
    images = noise(len(targets), size=zoo.SIZE).numpy()
    captured, final = model.run(images), description.final[output]
    return {
        name: Mapper(method=CAMS.get(name), head=None, final=final).maps(model, captured, images, targets)
        for name in ("scorecam", "ablationcam")
    }


@pytest.mark.parametrize(("final", "form"), ENDS, ids=[f"{type(end).__name__}-{form}" for end, form in ENDS])
def test_a_last_step_changes_no_map(final: nn.Module, form: str, tmp_path: Path) -> None:
    network, targets = zoo.build("plain"), np.array([0, 1])
    (tmp_path / "plain").mkdir()
    expected = maps(zoo.write(network, tmp_path / "plain", form), targets)
    got = maps(zoo.write(nn.Sequential(network, final).eval(), tmp_path, form), targets)

    for name, map_ in expected.items():
        assert map_.max() > 0
        np.testing.assert_allclose(got[name], map_, rtol=1e-4, atol=1e-5 * map_.max(), err_msg=name)


@pytest.mark.parametrize("form", ["onnx", "traced", "exported"])
def test_logits_can_be_asked_for_alone(form: str, tmp_path: Path) -> None:
    network = zoo.build("plain")
    model = open_model(zoo.write(nn.Sequential(network, nn.Softmax(1)).eval(), tmp_path, form), threads=1)
    (output,) = model.describe((1, 3, zoo.SIZE, zoo.SIZE)).final
    model.prepare(Request(output=output, logits=True))
    images = noise(3, size=zoo.SIZE)
    captured = model.run(images.numpy())

    assert captured.logits is not None
    np.testing.assert_allclose(captured.logits, network(images).detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(captured.outputs.sum(1), 1, rtol=1e-5)
