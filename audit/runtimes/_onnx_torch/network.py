"""A small interpreter: an ONNX graph run in torch, so that gradients can be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from audit.runtimes._onnx_torch import elementwise, layers, pooling, quantizing, resizing, shapes
from audit.runtimes._onnx_torch.operators import OPERATORS, Call, Function, Unsupported
from audit.runtimes._onnx_weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

ROOMS = (elementwise, layers, pooling, quantizing, resizing, shapes)  # each enters its operators into the table
_WIDENED = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


class Network:
    """An ONNX graph as a function of its inputs.

    What depends on no input is computed once.

    Args:
        model: the graph.
        weights: its constants.

    Raises:
        Unsupported: it has operators that are not in the table; names them.
    """

    def __init__(self, model: ModelProto, weights: Weights) -> None:
        nodes = list(model.graph.node)
        unknown = {key for node in nodes if (key := _key(node)) not in OPERATORS}
        if unknown:
            names = sorted(f"{name} ({domain})" if domain else name for domain, name in unknown)
            raise Unsupported(f"operators that have no gradient here: {', '.join(names)}")
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 13)
        self._weights = weights
        self.inputs = [value.name for value in model.graph.input]
        self.outputs = [value.name for value in model.graph.output]
        self._known: dict[str, Any] = {one.name: self._constant(one) for one in model.graph.initializer}
        self._steps: list[tuple[Function, Call, list[str], list[str]]] = []
        with torch.no_grad():
            for node in nodes:
                step = (OPERATORS[_key(node)], self._call(node, opset), list(node.input), list(node.output))
                if all(name in self._known for name in step[2] if name):
                    _run(step, self._known)
                else:
                    self._steps.append(step)

    def __call__(self, feed: Mapping[str, Any]) -> list[Any]:
        """The outputs, in the graph's order. Raises Unsupported."""
        values = {**self._known, **feed}
        for step in self._steps:
            _run(step, values)
        return [values[name] for name in self.outputs]

    @staticmethod
    def tensor(array: NDArray[Any]) -> Any:
        """Numbers as they are computed with here: float16 and narrower ones as float32."""
        if array.dtype.kind not in "biuf" or array.dtype == np.float16:
            array = array.astype(np.float32)
        return torch.from_numpy(np.array(array, order="C"))

    def _constant(self, tensor: TensorProto) -> Any:
        return self.tensor(self._weights.array(tensor))

    def _call(self, node: NodeProto, opset: int) -> Call:
        attributes = {one.name: self._attribute(one) for one in node.attribute}
        if node.op_type == "Cast":
            attributes["to"] = _kind(attributes["to"])
        count = max((at + 1 for at, name in enumerate(node.output) if name), default=1)
        return Call(operator=node.op_type, attributes=attributes, opset=opset, outputs=count)

    def _attribute(self, attribute: AttributeProto) -> Any:
        from onnx import TensorProto, helper

        value = helper.get_attribute_value(attribute)
        if isinstance(value, TensorProto):
            return self._constant(value)
        return value.decode() if isinstance(value, bytes) else value


def _key(node: NodeProto) -> tuple[str, str]:
    return "" if node.domain == "ai.onnx" else node.domain, node.op_type


def _run(step: tuple[Function, Call, list[str], list[str]], values: dict[str, Any]) -> None:
    function, call, inputs, outputs = step
    made = function(call, *(values[name] if name else None for name in inputs))
    parts: Sequence[Any] = made if isinstance(made, tuple | list) else (made,)
    values.update({name: part for name, part in zip(outputs, parts, strict=False) if name})
    missing = [name for name in outputs[len(parts) :] if name]
    if missing:
        raise call.refuse("with further outputs")


def _kind(number: int) -> Any:
    """Torch's type for ONNX's number of one; those narrower than float32 are computed in it."""
    from onnx import helper

    array = np.zeros(1, helper.tensor_dtype_to_np_dtype(number))
    return (
        torch.float32 if array.dtype.kind not in "biuf" else _WIDENED.get(kind := torch.from_numpy(array).dtype, kind)
    )
