"""A copy of a model that gives more: reductions of inner values, computed inside the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.runtimes._layers import PLAIN
from audit.runtimes._onnx_graph import Place
from audit.runtimes._onnx_input import computes_in_half
from audit.runtimes._onnx_lift import OLDEST, operator_set
from audit.runtimes._onnx_operators import TO_FIRST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

PREFIX = "bias_audit"
# Kinds of layer that leave a convolution's value in blocks, tried on onnxruntime 1.31.
IN_BLOCKS = {"conv", "relu", "relu6", "clip", "leaky_relu", "hard_swish", "silu", "gelu", "tanh", "sigmoid"}
_END = 2**31 - 1  # further than any axis is long


class Taps:
    """Nodes added to a copy of the model; its own nodes and values stay as they are.

    Every value is first brought to [N, C, h, w] in float32. `GlobalMaxPool` reduces over space, since it is a
    little faster than `ReduceMax` on the CPU and is written the same in every version of the operator set.
    """

    def __init__(self, model: ModelProto) -> None:
        from onnx import ModelProto

        self._model = ModelProto()
        self._model.CopyFrom(model)
        self._opset = operator_set(model) or OLDEST
        self._half = computes_in_half(model)
        self._known = {value.name: value for value in model.graph.output}
        self._made: dict[tuple[str, ...], str] = {}
        self._outputs: dict[str, None] = {}
        self._produced = {name for node in model.graph.node for name in node.output}

    def keep(self, value: str) -> str:
        """Make a value an output of the copy."""
        self._outputs[value] = None
        return value

    def take(self, value: str) -> str:
        """Any value as an output: inputs and initializers are not given by themselves."""
        return self.keep(value) if value in self._produced else self.copy(value)

    def shape(self, value: str) -> str:
        return self.keep(self._add("Shape", value))

    def copy(self, value: str) -> str:
        """A constant as an output: onnxruntime does not give initializers by themselves."""
        return self.keep(self._add("Identity", value))

    def activation(self, place: Place) -> str:
        """The value as [N, C, h, w] in float32."""
        return self.keep(self._add("Identity", self._map(place, vector=False)))

    def spare(self, place: Place) -> str:
        """The tokens that are no cells of the map, as the network has them; of another value nothing but its type."""
        bounds = (self._constant([0]), self._constant([place.layout.spare]), self._constant([1]))
        return self.keep(self._add("Slice", place.tensor, *bounds))

    def mean(self, place: Place) -> str:
        """The mean over space, [N, C, 1, 1]."""
        return self.keep(self._add("GlobalAveragePool", self._map(place, vector=False)))

    def reduction(self, place: Place, name: str, *, channels: int, vector: bool) -> str:
        """One number an image, [N, 1, 1, 1]; negative values count as 0."""
        value = self._map(place, vector=vector)
        if not place.non_negative:
            value = self._add("Relu", value)
        if name == "mean_of_channel_max":
            return self.keep(self._over_channels(self._add("GlobalMaxPool", value)))
        pool = {"max_of_channel_mean": "GlobalMaxPool", "mean": "GlobalAveragePool"}[name]
        in_blocks = self._in_blocks(place, channels) and not vector
        mean = self._convolved_mean(value, channels) if in_blocks else self._over_channels(value)
        return self.keep(self._add(pool, mean))

    def finished(self) -> ModelProto:
        """The copy, with only the outputs that were asked for."""
        from onnx import helper

        graph = self._model.graph
        del graph.output[:]
        graph.output.extend(
            self._known[name] if name in self._known else helper.make_empty_tensor_value_info(name)
            for name in self._outputs
        )
        return self._model

    def _map(self, place: Place, *, vector: bool) -> str:
        from onnx import TensorProto

        value = place.tensor
        if place.quantized:
            value = self._add("DequantizeLinear", value, *place.quantized)
        value = self._add("Cast", value, to=TensorProto.FLOAT)
        if vector:
            return self._add("Reshape", value, self._constant([0, -1, 1, 1]))
        if place.layout.grid is not None:
            return self._tokens(value, place.layout.spare, place.layout.grid)
        return self._add("Transpose", value, perm=TO_FIRST) if place.layout.last else value

    def _tokens(self, value: str, spare: int, grid: tuple[int, int]) -> str:
        """Tokens [N, T, C] as the map of those that are cells."""
        if spare:
            value = self._add("Slice", value, self._constant([spare]), self._constant([_END]), self._constant([1]))
        return self._add("Reshape", self._add("Transpose", value, perm=[0, 2, 1]), self._constant([0, 0, *grid]))

    def _in_blocks(self, place: Place, channels: int) -> bool:
        """Whether onnxruntime holds the value, on x86 processors, in blocks of 8 or 16 channels (its NCHWc)."""
        plain = place.layout == PLAIN and not place.quantized and not self._half
        return plain and place.convolution and place.kind in IN_BLOCKS and channels % 4 == 0

    def _convolved_mean(self, value: str, channels: int) -> str:
        """The mean over channels as a convolution, which reads the blocks as they are: for anything else the whole
        map would be copied into another order first, which costs more than all that is computed from it."""
        import numpy as np

        kernel = self._constant(np.full((1, channels, 1, 1), 1 / channels, np.float32))
        return self._add("Conv", value, kernel, kernel_shape=[1, 1])

    def _over_channels(self, value: str) -> str:
        if self._opset < 18:
            return self._add("ReduceMean", value, axes=[1], keepdims=1)
        return self._add("ReduceMean", value, self._constant([1]), keepdims=1)

    def _constant(self, numbers: list[int] | NDArray[np.float32]) -> str:
        import numpy as np
        from onnx import numpy_helper

        array = np.asarray(numbers)
        key = ("Constant", str(array.shape), *map(str, array.reshape(-1)))
        if key not in self._made:
            # Not an initializer: before version 4 of the format those have to be listed as inputs, too.
            return self._append(key, [], value=numpy_helper.from_array(array))
        return self._made[key]

    def _add(self, operator: str, *inputs: str, **attributes: object) -> str:
        key = (operator, *inputs, *(f"{name}={value}" for name, value in sorted(attributes.items())))
        return self._made[key] if key in self._made else self._append(key, list(inputs), **attributes)

    def _append(self, key: tuple[str, ...], inputs: list[str], **attributes: object) -> str:
        from onnx import helper

        name = f"{PREFIX}.{len(self._made)}"
        node: NodeProto = helper.make_node(key[0], inputs, [name], name=name, **attributes)
        self._model.graph.node.append(node)
        self._made[key] = name
        return name
