"""The share of the arithmetic that a layer costs, against multiplications counted one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from audit.runtimes import _cost, open_model
from tests.support import onnx_networks as networks
from tests.support import slow_cost


def costs(path: Path, size: int) -> dict[str, float | None]:
    return {layer.name: layer.cost for layer in open_model(path).describe((1, 3, size, size)).layers}


def test_each_formula_counts_what_the_loops_do() -> None:
    assert _cost.convolution((2, 6, 5, 4), (6, 3, 3, 2)) == slow_cost.convolution((2, 6, 5, 4), 6, 2, (3, 2))
    assert _cost.transposed((2, 4, 5, 3), (4, 6, 2, 2)) == slow_cost.transposed((2, 4, 5, 3), 6, (2, 2))
    assert _cost.product(7, (3, 4, 5)) == slow_cost.matrices(4, 7, 5, batch=3)
    assert _cost.einsum("bij,bjk->bik", [(3, 4, 7), (3, 7, 5)]) == slow_cost.matrices(4, 7, 5, batch=3)
    heads = slow_cost.matrices(5, 4, 6, batch=3) + slow_cost.matrices(5, 6, 2, batch=3)
    assert _cost.attention((3, 5, 4), (3, 6, 4), (3, 6, 2)) == heads
    assert _cost.attention((1, 5, 12), (1, 6, 12), (1, 6, 6)) == heads  # the same heads, side by side


def test_what_stands_between_two_layers_is_told_of_the_second() -> None:
    assert _cost.shares([3, 5], {1: 10, 3: 20, 4: 30, 6: 40}) == (0.3, 0.3)
    assert _cost.shares([3, 5], {}) == (None, None)


def test_a_small_onnx_network_by_hand(tmp_path: Path) -> None:
    """Convolutions 3 to 8 and 8 to 12 (every second place), then 12 to 3 classes."""
    first = slow_cost.convolution((1, 8, 16, 16), 3, 1, (3, 3))
    second = slow_cost.convolution((1, 12, 8, 8), 8, 1, (3, 3))
    whole = first + second + slow_cost.matrices(1, 12, 3)
    found = costs(networks.save(networks.small_cnn(), tmp_path / "net.onnx"), 16)

    assert found == {"features.1": first / whole, "features.3": second / whole}


def test_a_depthwise_onnx_network_by_hand(tmp_path: Path) -> None:
    stem = slow_cost.convolution((1, 8, 16, 16), 3, 1, (3, 3))
    depth = slow_cost.convolution((1, 8, 16, 16), 8, 8, (3, 3))
    point = slow_cost.convolution((1, 8, 16, 16), 8, 1, (1, 1))
    last = slow_cost.convolution((1, 6, 16, 16), 8, 1, (1, 1))
    whole = stem + depth + point + last
    found = list(costs(networks.save(networks.separable(), tmp_path / "net.onnx"), 16).values())

    assert found == [stem / whole, (depth + point) / whole, last / whole]


def test_convolutions_of_integers_count_the_same(tmp_path: Path) -> None:
    first = slow_cost.convolution((1, 8, 16, 16), 3, 1, (3, 3))
    second = slow_cost.convolution((1, 8, 16, 16), 8, 1, (3, 3))
    whole = first + second + slow_cost.matrices(1, 8, 3)
    found = costs(networks.save(networks.integer_convolutions(), tmp_path / "net.onnx"), 16)

    assert list(found.values())[:2] == [first / whole, second / whole]


def test_an_upsampling_convolution_and_a_flipped_product_by_hand(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.conv("image", (3, 4), 3, name="/down/Conv")
    weight = net.weight(np.ones((4, 5, 2, 2), np.float32))
    x = net.add("ConvTranspose", x, weight, kernel_shape=[2, 2], strides=[2, 2], name="/up/ConvTranspose")
    x = net.add("Relu", x, name="/act/Relu")
    x = net.add("Flatten", net.add("GlobalAveragePool", x, name="/pool"), name="/Flatten")
    x = net.add("Transpose", x, perm=[1, 0], name="/Transpose")
    x = net.add("Gemm", x, net.weight(np.ones((5, 2), np.float32)), transA=1, name="/fc/Gemm", out="logits")
    path = networks.save(net.model(("batch", 3, 8, 8), {x: ("batch", 2)}), tmp_path / "net.onnx")
    down = slow_cost.convolution((1, 4, 8, 8), 3, 1, (3, 3))
    up = slow_cost.transposed((1, 4, 8, 8), 5, (2, 2))
    whole = down + up + slow_cost.matrices(1, 5, 2)
    found = costs(path, 8)

    assert list(found.values()) == [down / whole, up / whole]


def test_work_inside_a_branch_is_not_guessed(tmp_path: Path) -> None:
    made = networks.small_cnn()
    kernel = onnx.helper.make_tensor("kernel", onnx.TensorProto.FLOAT, [3, 3, 1, 1], [0.0] * 9)
    value = onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)
    nodes = [onnx.helper.make_node("Conv", ["image", "kernel"], ["inner"])]
    body = onnx.helper.make_graph(nodes, "body", [], [value], [kernel])
    made.graph.initializer.append(onnx.helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True]))
    made.graph.node.append(onnx.helper.make_node("If", ["yes"], ["y"], then_branch=body, else_branch=body))

    assert set(costs(networks.save(made, tmp_path / "net.onnx"), 16).values()) == {None}


@pytest.mark.torch
def test_every_network_costs_the_same_in_every_format(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.support import torch_zoo as zoo

    for name in ("residual", "mobile", "unet", "vit", "swin"):
        network = zoo.build(name)
        found = []
        for form in ("onnx", "traced", "exported"):
            (tmp_path / name).mkdir(exist_ok=True)
            found.append(list(costs(zoo.write(network, tmp_path / name, form), zoo.SIZE).values()))

        assert None not in found[0], name
        assert found[1] == pytest.approx(found[0]), name
        assert found[2] == pytest.approx(found[0]), name
        assert 0.5 < sum(found[0]) <= 1, name


@pytest.mark.torch
def test_a_small_torch_network_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.support import torch_networks, torch_zoo

    path = torch_networks.save(torch_zoo.build("perceptron"), tmp_path / "net.pt", "traced", size=32)
    first, second = slow_cost.matrices(1, 3 * 32 * 32, 12), slow_cost.matrices(1, 12, 8)
    whole = first + second + slow_cost.matrices(1, 8, 3)

    assert costs(path, 32) == {"layers.2": first / whole, "layers.4": second / whole}
