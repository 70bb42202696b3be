"""Reading an ONNX graph: who makes and who uses a value, and which values are layers."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

from audit.runtimes._layers import Layout
from audit.runtimes._onnx_names import Names, module_of
from audit.runtimes._onnx_operators import (
    ACTIVATIONS,
    CONVOLUTIONS,
    ELEMENTWISE,
    GATED,
    LINEAR,
    NON_NEGATIVE,
    NORMS,
    NOT_CONSTANT,
    SETTLING,
    TO_FIRST,
    TO_LAST,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A value in the graph that is a layer, if its shape is that of a map or a vector."""

    tensor: str
    name: str
    kind: str
    convolution: bool
    non_negative: bool
    layout: Layout  # whether channels are last; tokens are laid out once their shape is known
    quantized: tuple[str, ...] = ()  # scale and zero point of an integer value
    inside: bool = False  # a branch or a loop: only known by name


class Graph:
    """The top level of a model's graph, with its constants worked out. `nodes`: as they are read, if otherwise than
    they stand there."""

    def __init__(self, model: ModelProto, nodes: list[NodeProto] | None = None) -> None:
        graph = model.graph
        self.nodes = list(graph.node) if nodes is None else nodes
        self.outputs = [value.name for value in graph.output]
        self.producer = {name: node for node in self.nodes for name in node.output if name}
        self.position = {name: at for at, node in enumerate(self.nodes) for name in node.output}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)  # that compute with a value
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.constants = {*self._tensors, *(sparse.values.name for sparse in graph.sparse_initializer)}
        for node in self.nodes:
            for name in set(node.input) if node.op_type != "Shape" else ():
                self.consumers[name].append(node)
            if node.op_type not in NOT_CONSTANT and not self.variables(node):
                self.constants.update(node.output)
        self._last = self._channels_last()

    def variables(self, node: NodeProto) -> list[str]:
        """The inputs of a node that depend on the picture."""
        return [name for name in node.input if name and name not in self.constants]

    def attribute(self, node: NodeProto, name: str) -> object:
        from onnx import helper

        found = next((a for a in node.attribute if a.name == name), None)
        return None if found is None else helper.get_attribute_value(found)

    def scalar(self, name: str) -> float | None:
        """The value of a constant of one element that stands in the file as such, or in integers."""
        from onnx import TensorProto, numpy_helper

        tensor: object = self._tensors.get(name)
        maker = self.producer.get(name)
        if maker is not None and maker.op_type == "Constant":
            tensor = self.attribute(maker, "value")
        elif maker is not None and maker.op_type == "QuantizeLinear":
            return self.scalar(maker.input[0])
        elif maker is not None and maker.op_type == "DequantizeLinear":
            if maker.input[0] in self.producer:
                return self.scalar(maker.input[0])
            number, scale, zero = (self.scalar(one) if one else 0.0 for one in [*maker.input, ""][:3])
            return None if None in (number, scale, zero) else (number - zero) * scale  # type: ignore[operator]
        if not isinstance(tensor, TensorProto) or tensor.external_data:
            return None
        array = numpy_helper.to_array(tensor)
        return float(array.reshape(-1)[0]) if array.size == 1 else None

    def places(self) -> list[Place]:
        """Values after a non-linearity, and those of convolutions that none follows, in order of execution."""
        gates, inside = self._gated()
        ends = {tensor: tensor if kind == "silu" else self._scaled(tensor) for tensor, kind in gates.items()}
        made: dict[str, str] = {}
        for node in self.nodes:
            function = self._function(node)
            if function in CONVOLUTIONS:
                settled = self._settle(node.output[0])
                if not self._meets_activation(settled) and not self._is_half(node, settled):
                    made[settled] = "conv"
            elif function in ACTIVATIONS and not {node.output[0]} & (inside | self.constants):
                if not self._scales_another(node):
                    made[node.output[0]] = self._kind(node)
            elif node.output and node.output[0] in gates:
                made[ends[node.output[0]]] = gates[node.output[0]]
        names = Names(self.nodes, [self._named(tensor) for tensor in made])
        spelled = set(ends.values())
        return [
            self.place(tensor, kind, names, spelled=tensor in spelled)
            for tensor, kind in sorted(made.items(), key=self._order)
        ]

    def place(self, tensor: str, kind: str, names: Names, *, spelled: bool = False) -> Place:
        """A value as a layer; `spelled`: its function is put together from several operators."""
        node = self.producer[tensor]
        behind = self._behind(tensor, CONVOLUTIONS, first=True)
        word = kind.replace("_", "") if spelled else None
        return Place(
            tensor=tensor,
            name=names.name(self._named(tensor), near=self._near(tensor, behind, kind), word=word),
            kind=kind,
            convolution=behind is not None,
            non_negative=self._non_negative(node, kind),
            layout=Layout(last=tensor in self._last),
        )

    def _named(self, tensor: str) -> NodeProto:
        """The node that a layer is named after: of a convolution and its batch normalization, which most files have as
        one, the convolution."""
        node = self.producer[tensor]
        before = self.producer.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        return before if before is not None and before.op_type in CONVOLUTIONS else node

    def _order(self, made: tuple[str, str]) -> int:
        return self.position[made[0]]

    def _function(self, node: NodeProto) -> str:
        """The operator that gives a value: of a fused convolution or linear layer the non-linearity at its end."""
        fused = self.attribute(node, "activation") if node.op_type in {"FusedConv", "FusedGemm"} else None
        return fused.decode() if isinstance(fused, bytes) else str(node.op_type)

    def _kind(self, node: NodeProto) -> str:
        if self._bounds(node) == [0, 6]:
            return "relu6"
        if node.op_type == "QuickGelu" and self.attribute(node, "alpha") == 1:
            return "silu"
        return ACTIVATIONS[self._function(node)]

    def _bounds(self, node: NodeProto) -> list[float | None]:
        """What a value is cut to: its least, then its largest; none where it is not."""
        if self._function(node) != "Clip":
            return []
        fused = self.attribute(node, "activation_params")
        return list(fused) if isinstance(fused, list) else [self.scalar(name) for name in node.input[1:]]

    def _non_negative(self, node: NodeProto, kind: str) -> bool:
        lowest = next(iter(self._bounds(node)), None)
        return kind in NON_NEGATIVE or (lowest is not None and lowest >= 0)

    def _near(self, tensor: str, behind: NodeProto | None, kind: str) -> str | None:
        """A name from the weights behind a value: of its convolution, else of a linear layer or normalization."""
        maker = (
            behind or self._behind(tensor, {"Gemm", "MatMul"}, first=True) or self._behind(tensor, NORMS, first=True)
        )
        users = self.consumers[maker.output[0]] if maker is not None else []  # a bias may be added behind a product
        named = [name for node in (maker, *users) if node for name in node.input[1:] if name in self.constants]
        module = next(filter(None, map(module_of, named)), None)
        return module if module is None or kind == "conv" else f"{module}.{kind}"

    def _gated(self) -> tuple[dict[str, str], set[str]]:
        """Products x * gate(x), such as SiLU and GELU where they are spelled out: kind by value, and what is inside."""
        gates: dict[str, str] = {}
        inside: set[str] = set()
        for node in self.nodes:
            factors = self.variables(node) if node.op_type == "Mul" else []
            if len(set(factors)) != 2:
                continue
            left, right = (self._elementwise_above(name) for name in factors)
            if not left & right:
                continue
            root = max(left & right, key=lambda name: self.position.get(name, -1))
            between = (left | right) - self._elementwise_above(root)
            operators = {self.producer[name].op_type for name in between}
            kind = next((kind for operator, kind in GATED.items() if operator in operators), None)
            if kind:
                gates[node.output[0]] = kind
                inside |= between
        return gates, inside

    def _elementwise_above(self, name: str, depth: int = 10) -> set[str]:
        """`name` and the values that it is computed from element by element."""
        found, edge = {name}, [name]
        for _ in range(depth):
            makers = [self.producer[n] for n in edge if n in self.producer]
            edge = [n for node in makers if node.op_type in ELEMENTWISE for n in self.variables(node) if n not in found]
            found.update(edge)
        return found

    def _scaled(self, tensor: str) -> str:
        """Behind multiplications with a single number, which belong to the function before them."""
        while len(following := self.consumers[tensor]) == 1 and tensor not in self.outputs:
            other = [name for name in following[0].input if name != tensor]
            if following[0].op_type not in {"Mul", "Div"} or not other or self.scalar(other[0]) is None:
                break
            tensor = following[0].output[0]
        return tensor

    def _scales_another(self, node: NodeProto) -> bool:
        """Whether the value is a gate: all it does is to scale another value, as in squeeze and excitation."""
        if node.op_type == "Clip":  # a hard sigmoid spelled out begins with x + 3
            shift = self.producer.get(node.input[0])
            may_scale = shift is not None and shift.op_type == "Add" and len(self.variables(shift)) == 1
        else:
            may_scale = self._function(node) in {"Sigmoid", "HardSigmoid"}
        names = [node.output[0]] if may_scale else []
        while names:
            name = names.pop()
            if name in self.outputs or not self.consumers[name]:
                return False
            for user in self.consumers[name]:
                if user.op_type == "Mul" and len(self.variables(user)) == 2:
                    continue
                if user.op_type not in {"Mul", "Div", "Reshape", "Unsqueeze", "Expand", "Resize", "Transpose", "Cast"}:
                    return False
                names.append(user.output[0])
        return may_scale

    def _settle(self, tensor: str) -> str:
        """Behind the normalization and additions that follow a convolution, as long as nothing else uses its value."""
        while len(following := self.consumers[tensor]) == 1 and tensor not in self.outputs:
            if following[0].op_type not in SETTLING:
                break
            tensor = following[0].output[0]
        return tensor

    def _is_half(self, node: NodeProto, settled: str) -> bool:
        """The depthwise half of a separable convolution: the other half follows at once."""
        users = [user for user in self.consumers[settled] if user.op_type != "DynamicQuantizeLinear"]  # for its range
        grouped = (self.attribute(node, "group") or 1) != 1
        return grouped and bool(users) and all(user.op_type in CONVOLUTIONS for user in users)

    def _meets_activation(self, tensor: str) -> bool:
        seen, names = {tensor}, [tensor]
        while names:
            for user in self.consumers[names.pop()]:
                if user.op_type in ACTIVATIONS or user.op_type == "Erf":
                    return True
                if user.op_type in LINEAR and user.output[0] not in seen:
                    seen.add(user.output[0])
                    names.append(user.output[0])
        return False

    def _behind(self, tensor: str, makers: set[str], *, first: bool = False) -> NodeProto | None:
        """The convolution (or what else) that makes a value, with only normalization, additions and one non-linearity
        in between."""
        seen, names = {tensor}, [(tensor, first)]
        while names:
            name, may_pass = names.pop()
            node = self.producer.get(name)
            if node is None or name in self.constants:
                continue
            if node.op_type in makers:
                return node
            passes = node.op_type in LINEAR or (may_pass and node.op_type in ELEMENTWISE | set(ACTIVATIONS))
            # The first, by habit not a shortcut, first; what others read, too, is one.
            sources = sorted(self.variables(node), key=lambda one: len(self.consumers[one]) > 1)
            for source in reversed(sources) if passes else ():
                if source not in seen:
                    seen.add(source)
                    # Inside a spelled-out function such as GELU further elementwise steps belong to it.
                    names.append((source, may_pass and node.op_type in {"Mul", "Div"}))
        return None

    def _channels_last(self) -> set[str]:
        """Values laid out [N, h, w, C]: between two transpositions, or where linear layers work on the last axis."""
        last: set[str] = set()
        for node in self.nodes:
            sources = self.variables(node)
            permutation = self.attribute(node, "perm") if node.op_type == "Transpose" else None
            on_last_axis = node.op_type in {"MatMul", "QLinearMatMul"} and len(sources) == 1
            on_last_axis |= node.op_type == "LayerNormalization" and self.attribute(node, "axis") in {None, -1, 3}
            keeps = node.op_type not in CONVOLUTIONS | NORMS | {"Shape"} and permutation != TO_FIRST
            inherits = keeps and any(source in last for source in sources[:2])
            if permutation == TO_LAST or on_last_axis or inherits:
                last.update(node.output)
        return last
