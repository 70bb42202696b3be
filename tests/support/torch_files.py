"""Networks of torch as files, and everything that is read inside them held against the eager network."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audit.runtimes import REDUCTIONS, Capture, Description, Model, Request
from tests.support import torch_networks as networks
from tests.support.eager import SEEN, as_map, reduced, watch
from tests.support.torch_zoo import SIZE

BATCH = {0: torch.export.Dim("batch", min=1, max=64)}


def exported(network: Any, path: Path, *, batch: int = 2, free: tuple[str, ...] = ("batch",), **more: Any) -> Path:
    """As ONNX by torch's exporter, with these axes of the picture left free."""
    axes = {at: name for at, name in enumerate(("batch", "", "height", "width")) if name in free}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(batch, 3, SIZE, SIZE),),
            str(path),
            dynamo=False,
            input_names=["image"],
            output_names=["output"],
            dynamic_axes={"image": axes, "output": {0: "batch"}} if axes else {},
            **{"opset_version": 17, **more},
        )
    return path


def written(network: nn.Module, folder: Path, form: str) -> Path:
    path = folder / f"{form}{networks.suffix(form)}"
    return exported(network, folder / "net.onnx") if form == "onnx" else networks.save(network, path, form, size=SIZE)


def captured(model: Model, images: np.ndarray) -> tuple[Description, Capture]:
    """All reductions of all layers that can be tapped."""
    description = model.describe((1, *images.shape[1:]))
    reductions = {layer.name: REDUCTIONS for layer in description.layers if layer.reason is None}
    model.prepare(Request(output=description.outputs[0].name, reductions=reductions))
    return description, model.run(images)


def assert_as_eager(model: Model, network: nn.Module, images: Tensor) -> Description:
    """Outputs and strengths of all non-linearities are the eager network's. `images` as that takes them."""
    description, got = captured(model, images.numpy())
    expected, seen = watch(network, images)
    np.testing.assert_allclose(got.outputs, expected, rtol=1e-4, atol=1e-5)
    layers = [layer for layer in description.layers if layer.kind in SEEN and layer.reason is None]
    assert [layer.kind for layer in layers] == [word for word, _ in seen]
    for layer, (_, value) in zip(layers, seen, strict=True):
        for reduction, numbers in reduced(as_map(value, layer, 0)).items():
            np.testing.assert_allclose(got.strengths[layer.name, reduction], numbers, rtol=1e-5, atol=1e-6)
    assert model.guard is not None
    assert model.guard < 1e-5
    return description
