"""Which values of an ONNX graph are layers, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from audit.runtimes import Description, Request, default_layers, open_model
from tests.support import onnx_networks as networks


def describe(made: onnx.ModelProto, tmp_path: Path) -> Description:
    model = open_model(networks.save(made, tmp_path / "net.onnx"))
    shape = model.inputs[0].shape
    return model.describe((1, *shape[1:]))  # type: ignore[arg-type]


def test_a_resnet_has_the_names_its_author_gave(tmp_path: Path) -> None:
    description = describe(networks.resnet18(), tmp_path)
    names = [layer.name for layer in description.layers]

    assert names[:3] == ["relu", "layer1.0.relu", "layer1.0.relu_1"]
    assert names[-1] == "layer4.1.relu_1"
    assert len(names) == 17
    assert all(layer.convolution and layer.non_negative and layer.kind == "relu" for layer in description.layers)
    assert [layer.depth for layer in description.layers] == [(i + 1) / 17 for i in range(17)]
    assert description.layers[-1].shape == (512, 7, 7)
    assert description.heads["logits"].layer == "layer4.1.relu_1"
    assert default_layers(description.layers)[-1].name == "layer4.1.relu_1"


def test_linear_blocks_count_behind_their_sum_and_half_a_separable_convolution_does_not(tmp_path: Path) -> None:
    layers = describe(networks.separable(), tmp_path).layers

    assert [(layer.name, layer.kind, layer.non_negative) for layer in layers] == [
        ("act", "relu6", True),
        ("block.add", "conv", False),
        ("last", "conv", False),
    ]


@pytest.mark.parametrize("function", ["silu", "hard_swish", "gelu", "mish"])
def test_functions_spelled_out_are_one_layer(function: str, tmp_path: Path) -> None:
    (layer,) = describe(networks.spelled_out(function), tmp_path).layers

    assert (layer.name, layer.kind, layer.convolution, layer.non_negative) == ("act", function, True, False)


def test_what_onnxruntime_has_fused_are_the_same_layers(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 4), 3))
    x = net.add("Clip", net.conv(x, (4, 4), 3), net.weight(np.float32(0)), net.weight(np.float32(6)))
    x = net.add("LeakyRelu", net.conv(x, (4, 4), 3), alpha=0.2)
    gate = net.add("HardSigmoid", net.conv(net.add("GlobalAveragePool", x), (4, 4), 1))
    x = net.add("Mul", x, gate)
    x = net.conv(x, (4, 4), 3)
    x = net.conv(net.add("Mul", x, net.add("Sigmoid", x)), (4, 2), 3)
    net.add("Flatten", net.add("GlobalAveragePool", x), out="out")
    path = networks.save(net.model(("b", 3, 8, 8), {"out": ("b", 2)}), tmp_path / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 3  # it warns that the file is for this kind of machine
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    fused = onnx.load(tmp_path / "fused.onnx")
    told = []
    for model in (open_model(path), open_model(tmp_path / "fused.onnx")):
        layers = model.describe((1, 3, 8, 8)).layers
        model.prepare(Request(output="out", reductions={layer.name: ("mean",) for layer in layers}))
        strengths = model.run(np.random.default_rng(0).normal(size=(3, 3, 8, 8))).strengths
        told.append([(one.kind, one.shape, one.non_negative, one.convolution, one.cost) for one in layers])
        told.append([strengths[layer.name, "mean"] for layer in layers])

    assert {"FusedConv", "QuickGelu"} <= {node.op_type for node in fused.graph.node}
    assert told[0] == told[2]
    assert [entry[0] for entry in told[0]] == ["relu", "relu6", "leaky_relu", "silu", "conv"]
    np.testing.assert_allclose(told[1], told[3], rtol=1e-5)


def test_a_gate_is_no_layer(tmp_path: Path) -> None:
    layers = describe(networks.squeeze_and_excitation(), tmp_path).layers

    assert [(layer.name, layer.shape) for layer in layers] == [
        ("relu", (8, 16, 16)),
        ("se.relu", (4,)),
        ("se.mul", (8, 16, 16)),
    ]


def test_a_sigmoid_that_makes_a_picture_is_a_layer(tmp_path: Path) -> None:
    net = networks.Net()
    net.add("Sigmoid", net.conv("image", (3, 3), 3), out="picture", name="/end/Sigmoid")
    description = describe(net.model((1, 3, 8, 8), {"picture": (1, 3, 8, 8)}), tmp_path)

    assert [(layer.name, layer.kind, layer.non_negative) for layer in description.layers] == [("end", "sigmoid", True)]
    assert description.final == {"picture": "sigmoid"}


def test_maps_with_channels_last_are_turned(tmp_path: Path) -> None:
    layers = describe(networks.channels_last(), tmp_path).layers

    assert [(layer.name, layer.shape) for layer in layers] == [("block.relu", (10, 12, 16)), ("relu", (8, 12, 16))]


def test_values_that_are_neither_map_nor_vector_say_why(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("Reshape", net.conv("image", (3, 4), 3), net.weight(np.array([0, 8, 32])))
    x = net.add("Relu", net.add("Transpose", x, perm=[0, 2, 1]), name="/mlp/act/Relu")
    net.add("ReduceMean", x, out="out", axes=[1], keepdims=0)
    layers = describe(net.model(("b", 3, 8, 8), {"out": ("b", 8)}), tmp_path).layers

    assert [layer.name for layer in layers if layer.reason] == ["mlp.act"]
    assert "shape [1, 32, 8]" in str(layers[-1].reason)
    assert [layer.name for layer in default_layers(layers)] == ["conv_0"]


def test_what_is_inside_a_branch_is_counted_in_a_note(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.conv("image", (3, 4), 3, name="/conv/Conv", out="map")
    value = onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)
    branch = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["map"], ["inner"])], "branch", [], [value])
    mean = net.add("ReduceMean", x, keepdims=0)
    positive = net.add("Greater", mean, net.weight(np.float32(0).reshape(())))
    x = net.add("If", positive, then_branch=branch, else_branch=branch)
    net.add("ReduceMean", x, out="out", axes=[2, 3], keepdims=0)
    description = describe(net.model(("b", 3, 8, 8), {"out": ("b", 4)}), tmp_path)

    assert [layer.kind for layer in description.layers if layer.reason is None] == ["conv", "if"]
    assert [layer.kind for layer in description.layers if "inside a branch" in str(layer.reason)] == ["relu", "relu"]
    assert description.notes == ("2 operators inside branches and loops of the model can't be looked into.",)


def test_nameless_nodes_are_called_after_their_weights(tmp_path: Path) -> None:
    net = networks.Net()
    kernel = net.weight(net.random.normal(size=(4, 3, 3, 3)), "stem.conv.weight")
    x = net.add("Conv", "image", kernel, name="", out="12")
    x = net.add("Relu", x, name="", out="13")
    x = net.add("Conv", x, net.weight(net.random.normal(size=(2, 4, 3, 3)), "last.weight"), name="", out="14")
    net.add("GlobalAveragePool", x, name="", out="15")
    layers = describe(net.model(("b", 3, 8, 8), {"15": ("b", 2, 1, 1)}), tmp_path).layers

    assert [layer.name for layer in layers] == ["stem.conv.relu", "last"]


@pytest.mark.parametrize(
    ("numbered", "weights", "expected"),
    [
        ("{op}_{at}", "features.{at}.weight", ["features.0.relu", "features.2.relu", "features.6"]),
        ("n{at}", "gpu_0/conv{at}_w_0", ["gpu_0/conv0.relu", "gpu_0/conv2.relu", "gpu_0/conv6"]),
        ("{op}@{at}", "conv2d_{at}.w_0", ["conv2d_0.relu", "conv2d_2.relu", "conv2d_6"]),
        ("{at}", "b{at}/Conv2D/kernel:0", ["b0/Conv2D.relu", "b2/Conv2D.relu", "b6/Conv2D"]),
        ("{op}__{at}", "b{at}/BiasAdd_weights_fused_bn", ["b0.relu", "b2.relu", "b6"]),
        ("{op}_{at}", "onnx::Conv_{at}", ["Relu_1", "Relu_5", "Conv_6"]),  # folded, so that no name is left
        ("{op}__{at}", "Conv__{at}_weights_fused_bn", ["Relu__1", "Relu__5", "Conv__6"]),
        ("node_relu_{at}", "features.{at}.weight", ["features.0.relu", "features.2.relu", "features.6"]),
        ("act{at}", "conv{at}.weight", ["act1", "act5", "act6"]),  # the author's own
    ],
)
def test_numbered_nodes_are_called_after_the_weights_behind_them(
    numbered: str, weights: str, expected: list[str], tmp_path: Path
) -> None:
    net = networks.Net()

    def add(op: str, *inputs: str) -> str:
        return net.add(op, *inputs, name=numbered.format(op=op, at=len(net.nodes)), out=f"r{len(net.nodes)}")

    def conv(x: str, into: int, out: int) -> str:
        return add("Conv", x, net.weight(net.random.normal(size=(out, into, 1, 1)), weights.format(at=len(net.nodes))))

    stem = add("Relu", conv("image", 3, 4))
    way, shortcut = conv(stem, 4, 4), conv(stem, 4, 4)
    last = add("GlobalAveragePool", conv(add("Relu", add("Add", way, shortcut)), 4, 2))
    made = net.model(("b", 3, 8, 8), {last: ("b", 2, 1, 1)})

    assert [layer.name for layer in describe(made, tmp_path).layers] == expected


def test_a_name_comes_from_behind_the_shortcut_and_from_a_bias(tmp_path: Path) -> None:
    net = networks.Net()

    def conv(x: str, into: int, name: str) -> str:
        weight = net.weight(net.random.normal(size=(4, into, 1, 1)), f"{name}.weight")
        return net.add("Conv", x, weight, name=f"node_conv2d_{into}")

    stem = net.add("Relu", conv("image", 3, "stem"), name="node_relu")
    x = net.add("Add", stem, conv(stem, 4, "block.conv"), name="node_add_3")
    x = net.add("Flatten", net.add("GlobalMaxPool", x))
    x = net.add("MatMul", x, net.weight(net.random.normal(size=(4, 5)), "val_13"), name="node_MatMul_12")
    x = net.add("Add", x, net.weight(net.random.normal(size=5), "fc1.bias"), name="node_linear")
    net.add("Gemm", net.add("Elu", x, name="node_elu"), net.weight(net.random.normal(size=(5, 2))), out="out")
    layers = describe(net.model(("b", 3, 8, 8), {"out": ("b", 2)}), tmp_path).layers

    assert [layer.name for layer in layers] == ["stem.relu", "block.conv", "fc1.elu"]


def test_a_relu_with_no_convolution_before_it_is_called_after_what_is(tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("MaxPool", net.conv("image", (3, 4), 3, name="Conv_0"), kernel_shape=[2, 2], strides=[2, 2])
    norm = [net.weight(np.ones(4), f"block1.norm.{word}") for word in ("weight", "bias", "mean", "var")]
    x = net.add("Relu", net.add("BatchNormalization", x, *norm, name="BatchNormalization_2"), name="Relu_3")
    x = net.add("Flatten", net.add("GlobalMaxPool", x))
    x = net.add("Gemm", x, net.weight(net.random.normal(size=(4, 5)), "fc1_w_0"), name="n6")
    net.add("Gemm", net.add("Relu", x, name="n7"), net.weight(net.random.normal(size=(5, 2))), out="out")
    layers = describe(net.model(("b", 3, 8, 8), {"out": ("b", 2)}), tmp_path).layers

    assert [layer.name for layer in layers] == ["Conv_0", "block1.norm.relu", "fc1.relu"]


def told(made: onnx.ModelProto, scopes: list[str], kind: str = "author.Act") -> onnx.ModelProto:
    """With what torch's newer exporter says beside each node."""
    for at, (node, module) in enumerate(zip(made.graph.node, scopes, strict=False)):
        for key, value in (("name_scopes", ["", module, f"call_{at}"]), ("class_hierarchy", ["author.Net", kind, "a"])):
            entry = node.metadata_props.add()
            entry.key, entry.value = f"pkg.torch.onnx.{key}", repr(value)
        node.name = f"node_{node.op_type.lower()}_{at + 40}"
    return made


@pytest.mark.parametrize(
    ("scopes", "kind", "expected"),
    [
        (["stem", "stem.act", "body", "body.act"], "author.Act", ["stem.act", "body.act"]),
        (["stem", "act", "body", "act"], "torch.nn.modules.activation.ReLU", ["act", "act_1"]),
        (["stem", "act", "body", "act"], "author.Act", ["act.relu", "act.relu_1"]),
        (["", "", "", ""], "author.Act", ["relu", "relu_1"]),
        (["stem.0", "stem", "body.0", "body"], "author.Act", ["stem.relu", "body.relu"]),
    ],
    ids=["a module each", "one of torch's called twice", "one of the author's with two", "functions", "beside modules"],
)
def test_the_newer_exporter_of_torch_keeps_the_path_beside_the_node(
    scopes: list[str], kind: str, expected: list[str], tmp_path: Path
) -> None:
    made = told(networks.small_cnn(), scopes, kind)

    assert [layer.name for layer in describe(made, tmp_path).layers] == expected


@pytest.mark.parametrize(
    "value", ["", "[]", "['', 'a", "['', 1, 'b']", "['a\\x00', 'b']", "__import__('os')", "[" * 9999]
)
def test_what_is_told_beside_a_node_in_another_way_is_not_read(value: str, tmp_path: Path) -> None:
    made = networks.small_cnn()
    expected = [layer.name for layer in describe(made, tmp_path).layers]
    for node in made.graph.node:
        entry = node.metadata_props.add()
        entry.key, entry.value = "pkg.torch.onnx.name_scopes", value

    assert [layer.name for layer in describe(made, tmp_path).layers] == expected


def test_lines_in_a_path_are_part_of_it(tmp_path: Path) -> None:
    made = told(networks.small_cnn(), ["stem", "stem.act", "body", "body.act"])
    for node in made.graph.node:
        for entry in node.metadata_props:
            entry.value = entry.value.replace("act", "a\nct")

    assert [layer.name for layer in describe(made, tmp_path).layers] == ["stem.a\nct", "body.a\nct"]


def test_a_function_of_the_file_has_the_name_of_its_call(tmp_path: Path) -> None:
    made = told(networks.small_cnn(), ["stem", "stem.act", "body", "body.act"])
    inner = onnx.helper.make_node("Relu", ["x"], ["y"], name="inner")
    made.functions.append(onnx.helper.make_function("author", "Act", ["x"], ["y"], [inner], made.opset_import))
    made.opset_import.append(onnx.helper.make_opsetid("author", 1))
    for node in made.graph.node:
        if node.op_type == "Relu":
            node.op_type, node.domain = "Act", "author"

    assert [layer.name for layer in describe(made, tmp_path).layers] == ["stem.act", "body.act"]


def test_names_are_unique(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.graph.node[1].name, made.graph.node[3].name = "act", "/act/Relu"

    assert [layer.name for layer in describe(made, tmp_path).layers] == ["act", "act_2"]
