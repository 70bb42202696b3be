"""Files as people have them: weights listed as inputs or kept beside the file, further inputs with defaults, branches
and loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.errors import ModelError  # noqa: E402 as above
from audit.runtimes import Request, open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.eager import watch  # noqa: E402 as above
from tests.support.torch_files import BATCH, SIZE, assert_as_eager, captured, exported, written  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize("version", [8, 11])
def test_weights_listed_as_inputs_in_the_oldest_kind_of_file(version: int, tmp_path: Path) -> None:
    network = zoo.build("residual")
    path = exported(network, tmp_path / "net.onnx", opset_version=version, keep_initializers_as_inputs=True)
    model = onnx.load(path)
    model.ir_version = 3  # where every weight has to be listed
    onnx.save(model, path)
    opened = open_model(path)

    assert len(model.graph.input) > 10
    assert [spec.name for spec in opened.inputs] == ["image"]
    assert_as_eager(opened, network, networks.noise(3, size=SIZE))


@pytest.mark.parametrize("version", [11, 17])
def test_weights_in_a_file_beside(version: int, tmp_path: Path) -> None:
    network = zoo.build("residual")
    made = onnx.load(exported(network, tmp_path / "net.onnx", opset_version=version))
    (tmp_path / "net.onnx").unlink()
    onnx.save(made, tmp_path / "net.onnx", save_as_external_data=True, size_threshold=16, location="weights.bin")
    opened = open_model(tmp_path / "net.onnx")

    assert [path.name for path in opened.files] == ["net.onnx", "weights.bin"]
    assert list(assert_as_eager(opened, network, networks.noise(3, size=SIZE)).heads) == ["output"]


def test_an_onnx_input_with_a_default_is_left_to_it(tmp_path: Path) -> None:
    made = onnx.load(exported(zoo.build("plain"), tmp_path / "net.onnx"))
    made.graph.node.append(helper.make_node("Mul", ["output", "gain"], ["scaled"]))
    made.graph.input.append(helper.make_tensor_value_info("gain", TensorProto.FLOAT, [1]))
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["batch", 3]))
    onnx.save(made, tmp_path / "without.onnx")
    made.graph.initializer.append(numpy_helper.from_array(np.float32([2]), "gain"))
    onnx.save(made, tmp_path / "with.onnx")
    images = networks.noise(3, size=SIZE)
    _, got = captured(open_model(tmp_path / "with.onnx"), images.numpy())

    np.testing.assert_allclose(got.outputs, 2 * watch(zoo.build("plain"), images)[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match="needs an input besides the picture, got 'gain'"):
        open_model(tmp_path / "without.onnx")


class Optional(nn.Module):
    """Further arguments that are usually left out."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = zoo.build("plain")

    def forward(self, x: Tensor, gain: float = 2.0, logits: bool = True) -> Tensor:
        x = self.inner(x) * gain
        return x if logits else x.softmax(1)


@pytest.mark.parametrize("form", ["traced", "scripted", "frozen", "exported"])
def test_arguments_with_defaults_are_left_to_them(form: str, tmp_path: Path) -> None:
    network = Optional().eval()
    description = assert_as_eager(open_model(written(network, tmp_path, form)), network, networks.noise(3, size=SIZE))

    assert all(layer.reason is None for layer in description.layers)
    assert "branch" not in description.heads_missing["output"]


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = zoo.build("plain")

    def forward(self, x: Tensor, gain: float = 1.0, mask: Tensor | None = None) -> Tensor:
        x = self.inner(x) * gain
        return x if mask is None else x * mask


@pytest.mark.parametrize(
    ("given", "named"), [((0.5,), {}), ((), {"gain": 3.0}), ((), {"mask": None}), ((0.5, None), {})]
)
def test_what_a_pt2_file_was_exported_with_is_given_again(
    given: tuple[Any, ...], named: dict[str, Any], tmp_path: Path
) -> None:
    network = Masked().eval()
    example = torch.zeros(2, 3, SIZE, SIZE)
    shapes = {"x": BATCH} | {name: None for name, _ in zip(("gain", "mask"), given, strict=False)}
    shapes |= dict.fromkeys(named)
    program = torch.export.export(network, (example, *given), named, dynamic_shapes=shapes)
    torch.export.save(program, str(tmp_path / "net.pt2"))
    images = networks.noise(3, size=SIZE)
    description, got = captured(open_model(tmp_path / "net.pt2"), images.numpy())

    np.testing.assert_allclose(got.outputs, network(images, *given, **named).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert [layer.name for layer in description.layers] == ["inner.act1", "inner.act2"]


def test_a_tensor_that_a_pt2_file_needs_is_named(tmp_path: Path) -> None:
    example = torch.zeros(2, 3, SIZE, SIZE)
    program = torch.export.export(Masked().eval(), (example,), {"mask": torch.ones(3)})
    torch.export.save(program, str(tmp_path / "net.pt2"))

    with pytest.raises(ModelError, match=r"inputs that can't be given, got 'x: \(2, 3, 32, 32\), mask: \(3,\)'"):
        open_model(tmp_path / "net.pt2")


class Branching(nn.Module):
    """A branch on the data between two parts that are always gone through."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.inner = zoo.build("plain")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        if bool(x.sum() > 1e6):  # noqa: SIM108 TorchScript's own kind of branch
            x = torch.sigmoid(self.conv(x))
        else:
            x = torch.tanh(self.conv(x) * 1.5)
        return self.inner(x)


class Looping(nn.Module):
    """A loop in their place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.inner = zoo.build("plain")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        for _ in range(x.size(1)):
            x = torch.tanh(self.conv(x))
        return self.inner(x)


class Conditional(Branching):
    """The branch as torch.export wants it."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.inner(
            torch.cond(
                x.sum() > 1e6, lambda y: torch.sigmoid(self.conv(y)), lambda y: torch.tanh(self.conv(y) * 1.5), (x,)
            )
        )


@pytest.mark.parametrize(
    ("build", "form", "inside"),
    [
        (Branching, "scripted", {"sigmoid", "tanh"}),
        (Branching, "onnx", {"sigmoid", "tanh"}),
        (Looping, "scripted", {"tanh"}),
        (Looping, "onnx", {"tanh"}),
        (Conditional, "exported", {"sigmoid", "tanh"}),
    ],
)
def test_layers_round_a_branch_are_read_and_those_inside_are_named(
    build: Callable[[], nn.Module], form: str, inside: set[str], tmp_path: Path
) -> None:
    network = networks.build(build())
    if form == "onnx":
        # Loaded again: the exporter writes its own steps into code that all scripted modules of a class share.
        copy = torch.jit.load(str(networks.save(network, tmp_path / "copy.pt", "scripted")))
        path = exported(copy, tmp_path / "net.onnx")
    else:
        path = written(network, tmp_path, form)
    model = open_model(path)
    eager = networks.build(Branching()) if build is Conditional else network  # torch.cond can't be watched
    description = assert_as_eager(model, eager, networks.noise(3, size=SIZE))
    hidden = [layer for layer in description.layers if layer.reason is not None]

    assert len(description.layers) - len(hidden) == 3
    assert {layer.kind for layer in hidden} == inside
    assert all("inside a branch or a loop" in str(layer.reason) for layer in hidden)
    assert [layer.reason is None for layer in description.layers] == [True, *[False] * len(hidden), True, True]
    with pytest.raises(ModelError, match="inside a branch or a loop"):
        model.prepare(Request(output="output", reductions={hidden[0].name: ("mean",)}))
