"""Small real networks as ONNX files, written node by node with seeded weights. No torch needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ELEMENT = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


class Net:
    """A graph being written: each call adds a node and gives the name of its value."""

    def __init__(self, *, seed: int = 0, opset: int = 17, dtype: str = "float32") -> None:
        self.random = np.random.default_rng(seed)
        self.opset = opset
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, array: NDArray[Any], name: str | None = None) -> str:
        """A constant, in the network's dtype when it is floating."""
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(self.dtype if self.dtype != "uint8" else "float32")
        name = name or f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def add(self, op: str, *inputs: str, name: str | None = None, out: str | None = None, **attributes: Any) -> str:
        name = f"/{op}_{len(self.nodes)}" if name is None else name
        out = out or f"{name or len(self.nodes)}_output_0"
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=name, **attributes))
        return out

    def conv(
        self, x: str, channels: tuple[int, int], size: int, *, stride: int = 1, group: int = 1, **more: Any
    ) -> str:
        """A padded convolution from channels[0] to channels[1], scaled so that values keep their size."""
        into, out = channels
        fan = size * size * into // group
        kernel = self.random.normal(0, np.sqrt(2 / fan), (out, into // group, size, size)).astype(np.float32)
        bias = self.random.normal(0, 0.1, out).astype(np.float32)
        return self.add(
            "Conv",
            x,
            self.weight(kernel),
            self.weight(bias),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
            group=group,
            **more,
        )

    def linear(self, x: str, channels: tuple[int, int], **more: Any) -> str:
        into, out = channels
        kernel = self.random.normal(0, np.sqrt(1 / into), (out, into)).astype(np.float32)
        bias = self.random.normal(0, 0.1, out).astype(np.float32)
        return self.add("Gemm", x, self.weight(kernel), self.weight(bias), transB=1, **more)

    def model(
        self,
        shape: Sequence[int | str],
        outputs: dict[str, Sequence[int | str]],
        *,
        image: str = "image",
        metadata: dict[str, str] | None = None,
        weights_as_inputs: bool = False,
        out_dtype: str | None = None,
    ) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info(image, ELEMENT[self.dtype], list(shape))]
        if weights_as_inputs:
            inputs += [helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in self.weights]
        kind = ELEMENT[out_dtype or ("float32" if self.dtype == "uint8" else self.dtype)]
        values = [helper.make_tensor_value_info(name, kind, list(dims)) for name, dims in outputs.items()]
        graph = helper.make_graph(self.nodes, "net", inputs, values, self.weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        helper.set_model_props(made, metadata or {})
        return made


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def small_cnn(
    *,
    batch: int | str = "batch",
    size: int = 16,
    classes: int = 3,
    final: str | None = None,
    opset: int = 17,
    dtype: str = "float32",
    weights_as_inputs: bool = False,
    metadata: dict[str, str] | None = None,
    seed: int = 0,
) -> onnx.ModelProto:
    """Conv, relu, conv, relu, pool, linear: the smallest network with an exact CAM. Named as torch names things."""
    net = Net(seed=seed, opset=opset, dtype=dtype)
    x = "image"
    if dtype == "uint8":
        x = net.add("Cast", x, to=TensorProto.FLOAT, name="/Cast")
        x = net.add("Mul", x, net.weight(np.array(1 / 255, np.float32)), name="/Mul")
    x = net.conv(x, (3, 8), 3, name="/features/features.0/Conv")
    x = net.add("Relu", x, name="/features/features.1/Relu")
    x = net.conv(x, (8, 12), 3, stride=2, name="/features/features.2/Conv")
    x = net.add("Relu", x, name="/features/features.3/Relu")
    x = net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
    x = net.add("Flatten", x, name="/Flatten", axis=1)
    x = net.linear(x, (12, classes), name="/fc/Gemm", out="logits" if final is None else "raw")
    if final is not None:
        x = net.add(final, x, name=f"/{final}", out="scores", **({} if final == "Sigmoid" else {"axis": 1}))
    return net.model(
        (batch, 3, size, size), {x: (batch, classes)}, metadata=metadata, weights_as_inputs=weights_as_inputs
    )


def resnet18(*, seed: int = 0, classes: int = 2) -> onnx.ModelProto:
    """The shape of a ResNet-18 at 224 x 224, batch norms folded into the convolutions as exporters do."""
    net = Net(seed=seed)
    x = net.conv("image", (3, 64), 7, stride=2, name="/conv1/Conv")
    x = net.add("Relu", x, name="/relu/Relu")
    x = net.add("MaxPool", x, name="/maxpool/MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for stage, out in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            at = f"/layer{stage}/layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = net.conv(x, (width, out), 3, stride=stride, name=f"{at}/conv1/Conv")
            y = net.add("Relu", y, name=f"{at}/relu/Relu")
            y = net.conv(y, (out, out), 3, name=f"{at}/conv2/Conv")
            if stride == 2:
                x = net.conv(x, (width, out), 1, stride=2, name=f"{at}/downsample/downsample.0/Conv")
            x = net.add("Relu", net.add("Add", y, x, name=f"{at}/Add"), name=f"{at}/relu_1/Relu")
            width = out
    x = net.add("GlobalAveragePool", x, name="/avgpool/GlobalAveragePool")
    x = net.add("Flatten", x, name="/Flatten", axis=1)
    x = net.linear(x, (512, classes), name="/fc/Gemm", out="logits")
    return net.model(("batch", 3, 224, 224), {x: ("batch", classes)})


def separable(*, seed: int = 0) -> onnx.ModelProto:
    """A linear bottleneck with a residual sum, and a depthwise convolution that a 1 x 1 one follows at once."""
    net = Net(seed=seed)
    x = net.add("Clip", net.conv("image", (3, 8), 3, name="/stem/Conv"), *_bounds(net, 0, 6), name="/act/Clip")
    y = net.conv(x, (8, 8), 3, group=8, name="/block/depth/Conv")
    y = net.conv(y, (8, 8), 1, name="/block/point/Conv")
    x = net.add("Add", x, y, name="/block/Add")
    x = net.conv(x, (8, 6), 1, name="/last/Conv")
    x = net.add("ReduceMean", x, name="/ReduceMean", out="logits", axes=[2, 3], keepdims=0)
    return net.model(("batch", 3, 16, 16), {x: ("batch", 6)})


def spelled_out(function: str, *, seed: int = 0) -> onnx.ModelProto:
    """A convolution and a non-linearity that exporters write as several operators."""
    net = Net(seed=seed)
    x = net.conv("image", (3, 8), 3, name="/conv/Conv")
    if function == "silu":
        x = net.add("Mul", x, net.add("Sigmoid", x, name="/act/Sigmoid"), name="/act/Mul")
    elif function == "mish":
        gate = net.add("Tanh", net.add("Softplus", x, name="/act/Softplus"), name="/act/Tanh")
        x = net.add("Mul", x, gate, name="/act/Mul")
    elif function == "hard_swish":
        shifted = net.add("Add", x, net.weight(np.float32([3])), name="/act/Add")
        gate = net.add("Clip", shifted, *_bounds(net, 0, 6), name="/act/Clip")
        x = net.add("Mul", x, gate, name="/act/Mul")
        x = net.add("Div", x, net.weight(np.float32([6])), name="/act/Div")
    elif function == "gelu":
        gate = net.add("Div", x, net.weight(np.float32(2**0.5).reshape(1)), name="/act/Div")
        gate = net.add("Add", net.add("Erf", gate, name="/act/Erf"), net.weight(np.float32([1])), name="/act/Add")
        x = net.add("Mul", x, gate, name="/act/Mul")
        x = net.add("Mul", x, net.weight(np.float32([0.5])), name="/act/Mul_1")
    x = net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (8, 2), name="/fc/Gemm", out="logits")
    return net.model(("batch", 3, 16, 16), {x: ("batch", 2)})


def squeeze_and_excitation(*, seed: int = 0) -> onnx.ModelProto:
    """A map scaled by a gate that is computed from its own mean."""
    net = Net(seed=seed)
    x = net.add("Relu", net.conv("image", (3, 8), 3, name="/conv/Conv"), name="/relu/Relu")
    gate = net.add("GlobalAveragePool", x, name="/se/pool/GlobalAveragePool")
    gate = net.add("Relu", net.conv(gate, (8, 4), 1, name="/se/fc1/Conv"), name="/se/relu/Relu")
    gate = net.add("Sigmoid", net.conv(gate, (4, 8), 1, name="/se/fc2/Conv"), name="/se/gate/Sigmoid")
    x = net.add("Mul", x, gate, name="/se/Mul")
    x = net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (8, 2), name="/fc/Gemm", out="logits")
    return net.model(("batch", 3, 16, 16), {x: ("batch", 2)})


def channels_last(*, seed: int = 0) -> onnx.ModelProto:
    """Picture in as [N, h, w, C]; a block works on the last axis between two transpositions, as in ConvNeXt."""
    net = Net(seed=seed)
    x = net.add("Transpose", "image", perm=[0, 3, 1, 2], name="/Transpose")
    x = net.conv(x, (3, 8), 3, name="/stem/Conv")
    y = net.add("Transpose", x, perm=[0, 2, 3, 1], name="/block/Transpose")
    y = net.add("MatMul", y, net.weight(net.random.normal(0, 0.4, (8, 10)).astype(np.float32)), name="/block/up/MatMul")
    y = net.add("Relu", y, name="/block/relu/Relu")
    y = net.add(
        "MatMul", y, net.weight(net.random.normal(0, 0.4, (10, 8)).astype(np.float32)), name="/block/down/MatMul"
    )
    y = net.add("Transpose", y, perm=[0, 3, 1, 2], name="/block/Transpose_1")
    x = net.add("Relu", net.add("Add", x, y, name="/block/Add"), name="/relu/Relu")
    x = net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (8, 2), name="/fc/Gemm", out="logits")
    return net.model(("batch", 12, 16, 3), {x: ("batch", 2)})


def perceptron(*, seed: int = 0) -> onnx.ModelProto:
    """No convolution: the picture flattened, and two linear layers."""
    net = Net(seed=seed)
    x = net.linear(net.add("Flatten", "image", name="/Flatten"), (48, 10), name="/fc1/Gemm")
    x = net.linear(net.add("Tanh", x, name="/act/Tanh"), (10, 3), name="/fc2/Gemm", out="logits")
    return net.model(("batch", 3, 4, 4), {x: ("batch", 3)})


def quantized(*, seed: int = 0) -> onnx.ModelProto:
    """int8 by pairs of QuantizeLinear and DequantizeLinear, which onnxruntime fuses with what stands between them."""
    net = Net(seed=seed)

    def pair(x: str, scale: float, zero: int = 0) -> str:
        by = net.weight(np.float32(scale)), net.weight(np.uint8(zero))
        return net.add("DequantizeLinear", net.add("QuantizeLinear", x, *by), *by)

    x, channels = pair("image", 0.03, 128), 3
    for at in range(3):
        kernel = net.weight(net.random.integers(-127, 127, (16, channels, 3, 3)).astype(np.int8))
        kernel = net.add("DequantizeLinear", kernel, net.weight(np.float32(0.003)), net.weight(np.int8(0)))
        x = net.add("Conv", x, kernel, pads=[1] * 4, kernel_shape=[3, 3], name=f"/conv{at}/Conv")
        x = pair(net.add("Relu", x, name=f"/relu{at}/Relu"), 0.1)
        channels = 16
    x = net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (16, 3), name="/fc/Gemm", out="logits")
    return net.model(("batch", 3, 16, 16), {x: ("batch", 3)})


def integer_convolutions(*, seed: int = 0) -> onnx.ModelProto:
    """int8 with convolutions that take and give integers."""
    net = Net(seed=seed)
    into, out = (
        [net.weight(np.float32(scale)), net.weight(np.uint8(zero))] for scale, zero in ((0.03, 128), (0.05, 100))
    )
    by = [net.weight(np.float32(0.005)), net.weight(np.int8(0))]
    x = net.add("QuantizeLinear", "image", *into)
    for at, channels in enumerate((3, 8)):
        kernel = net.weight(net.random.integers(-127, 127, (8, channels, 3, 3)).astype(np.int8))
        given = into if at == 0 else out
        x = net.add("QLinearConv", x, *given, kernel, *by, *out, pads=[1] * 4, name=f"/conv{at}/Conv")
    x = net.add("GlobalAveragePool", net.add("DequantizeLinear", x, *out), name="/pool/GlobalAveragePool")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (8, 3), name="/fc/Gemm", out="logits")
    return net.model(("batch", 3, 16, 16), {x: ("batch", 3)})


def _bounds(net: Net, low: float, high: float) -> tuple[str, str]:
    return net.weight(np.float32(low).reshape(())), net.weight(np.float32(high).reshape(()))
