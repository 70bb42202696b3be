"""A network in int8, read as if it computed in floating point.

Quantizing a network puts pairs of QuantizeLinear and DequantizeLinear between its operators, or replaces them by ones
that take and give integers, and drops a ReLU where the integers end at 0 anyway. The readers of layers and heads see
none of that: here the pairs are left out, the operators have their plain names and the ReLUs are back.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audit.runtimes._onnx_names import tell_behind

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

# Plain name of an operator on integers; where among its inputs values stand, and scale and zero point of what it gives.
PLAIN: dict[str, tuple[str, Sequence[int], tuple[int, int]]] = {
    "QLinearConv": ("Conv", (0, 3, 8), (6, 7)),
    "QLinearAdd": ("Add", (0, 3), (6, 7)),
    "QLinearMul": ("Mul", (0, 3), (6, 7)),
    "QLinearSigmoid": ("Sigmoid", (0,), (3, 4)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,), (3, 4)),
    "QLinearSoftmax": ("Softmax", (0,), (3, 4)),
    "QLinearAveragePool": ("AveragePool", (0,), (3, 4)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,), (3, 4)),
    "QLinearReduceMean": ("ReduceMean", (0,), (3, 4)),
    "QLinearConcat": ("Concat", range(2, 999, 3), (0, 1)),
    # Their weights are integers, too, so they are no linear layers to read a head from.
    "QLinearMatMul": ("QLinearMatMul", (0, 3), (6, 7)),
    "QGemm": ("QGemm", (0, 3, 6), (7, 8)),
}
WHOLE = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}  # give int32, which a Cast brings back to floats
PASSING = {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Identity"}
RECTIFIED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "QGemm", "QLinearMatMul", "Add", "Sum", "BatchNormalization"}


@dataclasses.dataclass(kw_only=True, slots=True)
class Floated:
    """The nodes as they are read. `held`: where a value really is kept: the integers, their scale and zero point.
    `integers`: whether there are any."""

    integers: bool = False
    nodes: list[NodeProto] = dataclasses.field(default_factory=list)
    held: dict[str, tuple[str, tuple[str, ...]]] = dataclasses.field(default_factory=dict)


def floated(graph: GraphProto) -> Floated:
    """Read a graph without its integers; one that has none is given as it is."""
    operators = {node.op_type for node in graph.node}
    if not operators & {"QuantizeLinear", "DynamicQuantizeLinear", *PLAIN, *WHOLE}:
        return Floated(nodes=list(graph.node))
    reader = _Reader(graph)
    for node in graph.node:
        reader.take(node)
    return reader.made


class _Reader:
    """Goes through the nodes in order of execution."""

    def __init__(self, graph: GraphProto) -> None:
        self.made = Floated(integers=True)
        self._outputs = {value.name for value in graph.output}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._constants = set(self._tensors)
        self._users: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._users[name].append(node)
        self._scales: dict[str, tuple[str, ...]] = {}  # by integer value
        self._read: dict[str, str] = {}  # the name that a value is read by
        self._maker: dict[str, NodeProto] = {}  # as it is read, by value as it is read
        self._left_out: set[str] = set()

    def take(self, node: NodeProto) -> None:
        operator = node.op_type
        variable = [name for name in node.input if name and name not in self._constants]
        if not variable and operator not in {"If", "Loop", "Scan"} and not operator.startswith("Random"):
            self._constants.update(node.output)
            self._constant(node)
            self._add(node)
        elif operator == "QuantizeLinear":
            self._quantize(node)
        elif operator == "DequantizeLinear" and node.input[0] in self._scales:
            self._dequantize(node)
        elif operator in PLAIN:
            name, values, ends = PLAIN[operator]
            self._scales[node.output[0]] = tuple(node.input[at] for at in ends)
            self._add(node, operator=name, inputs=[one for at, one in enumerate(node.input) if at in values])
        elif operator in WHOLE:
            users = self._users[node.output[0]]
            cast = users[0] if len(users) == 1 and users[0].op_type == "Cast" else node
            self._left_out.update(cast.output if cast is not node else ())
            self._add(node, operator=WHOLE[operator], inputs=node.input[:2], output=cast.output[0])
        elif node.output[0] not in self._left_out:
            if operator in PASSING and node.input[0] in self._scales:
                self._scales[node.output[0]] = self._scales[node.input[0]]
            self._add(node)
            if operator == "DynamicQuantizeLinear":
                self._read[node.output[0]] = self._name(node.input[0])

    def _constant(self, node: NodeProto) -> None:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                self._tensors[node.output[0]] = attribute.t

    def _quantize(self, node: NodeProto) -> None:
        value, whole = self._name(node.input[0]), node.output[0]
        scales = self._scales[whole] = tuple(node.input[1:3])
        maker = self._maker.get(value)
        if maker is not None and self._drops_relu(maker, node):
            stem = value.rpartition("_output_")[0]  # the quantizer keeps the name of the ReLU's value
            self._rectify(maker, value, whole, stem if stem.startswith("/") else "")
            return
        self._read[whole] = value
        if len(self._users[node.input[0]]) == 1 and node.input[0] not in self._outputs:
            self.made.held.setdefault(value, (whole, scales))

    def _dequantize(self, node: NodeProto) -> None:
        value, given = self._name(node.input[0]), node.output[0]
        if given == value:
            return
        if given in self._outputs:
            self._add(node, operator="Identity", inputs=node.input[:1])
        else:
            self._read[given] = value

    def _add(
        self, node: NodeProto, *, operator: str = "", inputs: Sequence[str] | None = None, output: str | None = None
    ) -> None:
        """A node as it is read."""
        from onnx import NodeProto

        made = NodeProto()
        made.CopyFrom(node)
        whole = node.output[0] if node.output else ""
        names = [self._name(name) for name in (node.input if inputs is None else inputs)]
        del made.input[:]
        made.input.extend(names)
        if operator:
            made.op_type, made.domain, made.name = operator, "", node.name.removesuffix("_quant")
        if whole in self._scales:
            output = self._floating(whole)
            self._read[whole] = output
            self.made.held[output] = (whole, self._scales[whole])
        if output is not None:
            del made.output[:]
            made.output.append(output)
        if whole in self._scales and self._drops_relu(made, node):
            made.output[0] = f"{output}.unclipped"
            self._append(made)
            self._rectify(made, made.output[0], whole, made.name)
        else:
            self._append(made)

    def _rectify(self, maker: NodeProto, value: str, whole: str, name: str) -> None:
        """The ReLU that the range of the integers stands for."""
        from onnx import helper

        output = self._floating(whole)
        node = helper.make_node("Relu", [value], [output], name=name or maker.name)
        tell_behind(node, maker, "relu")
        self._append(node)
        self._read[whole] = output
        self.made.held[output] = (whole, self._scales[whole])

    def _append(self, node: NodeProto) -> None:
        self.made.nodes.append(node)
        self._maker.update(dict.fromkeys(node.output, node))

    def _name(self, value: str) -> str:
        return self._read.get(value, value)

    def _floating(self, whole: str) -> str:
        """The name of the floats that integers stand for, if they are there."""
        floats = [user.output[0] for user in self._users[whole] if user.op_type == "DequantizeLinear"]
        return next((name for name in floats if name in self._outputs), floats[0] if floats else whole)

    def _drops_relu(self, maker: NodeProto, node: NodeProto) -> bool:
        """Whether values below 0 are lost between an operator and the integers that `node` gives. Of an answer that
        happened to be above 0 in the pictures that the range was chosen with that says nothing."""
        import numpy as np
        from onnx import numpy_helper

        scales = self._scales[node.output[0]]
        if maker.op_type not in RECTIFIED or self._floating(node.output[0]) in self._outputs:
            return False
        if len(scales) < 2 or not scales[1]:  # without a zero point they are uint8, if nothing else is said
            return not any(attribute.name == "output_dtype" for attribute in node.attribute)
        zero: Any = self._tensors.get(scales[1])
        if zero is None or zero.external_data:
            return False
        numbers = numpy_helper.to_array(zero)
        return numbers.dtype.kind in "iu" and bool((numbers == np.iinfo(numbers.dtype).min).all())
