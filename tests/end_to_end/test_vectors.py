"""A network without any map through a whole audit: activation strength reads its vectors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import audit
import reports
from audit.result import AuditResult
from tests.support import onnx_networks

SETTINGS = """[model]
classes = ["female", "male"]
[model.input]
size = [32, 32]
color = "rgb"
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
"""


def strengths(result: AuditResult) -> dict[str, np.ndarray]:
    """A number an image, by layer."""
    return {
        m.parameters["layer"]: result.items[m.column].to_numpy()
        for m in result.measurements
        if m.measure == "activation_strength"
    }


@pytest.mark.torch
def test_strength_of_a_perceptron_is_the_same_in_every_format(probe: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch import nn

    from tests.support import torch_zoo

    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(3 * 32 * 32, 12), nn.ReLU(), nn.Linear(12, 8), nn.Sigmoid(), nn.Linear(8, 2)]
    network = nn.Sequential(*layers, nn.Tanh(), nn.Softmax(1)).eval()
    found = {}
    for form in ("onnx", "traced", "exported"):
        path = torch_zoo.write(network, tmp_path, form)
        path.with_name(path.name + ".toml").write_text(SETTINGS)
        result = audit.run_audit(path, probe=probe, groups=["skin"], min_subjects=4)
        found[form] = strengths(result)
        assert not [s for s in result.skipped if s.measure == "activation_strength"]
        assert list(found[form]) == ["2", "4"]  # neither the tanh nor the softmax: they are the answer
        assert all(np.ptp(values) > 0 for values in found[form].values())
    for form in ("traced", "exported"):
        for layer, values in found["onnx"].items():
            np.testing.assert_allclose(found[form][layer], values, rtol=1e-4, err_msg=f"{form} {layer}")


def test_a_report_of_vectors_reads_as_one_of_maps(probe: Path, tmp_path: Path) -> None:
    path = onnx_networks.save(onnx_networks.perceptron(), tmp_path / "m.onnx")
    settings = SETTINGS.replace("32, 32", "4, 4").replace('"female", "male"', '"female", "male", "other"')
    path.with_name("m.onnx.toml").write_text(settings)
    result = audit.run_audit(path, probe=probe, groups=["skin"], min_subjects=4)
    page = reports.render(result, None, "html").decode()
    text = " ".join(re.sub("<[^>]+>", " ", page).split())

    assert "Activations over depth" in text
    assert "values below 0 are clipped to 0 first" in text  # a tanh has them
    assert "A vector has one place" in text
    assert "mean of channel max" not in text
    reasons = {s.reason for s in result.skipped if s.measure == "relevance_mass"}
    assert reasons == {"the network has no spatial layer that can be tapped, so there is no map"}  # said once
