"""The network behind a layer as a model of its own: what the layer gives goes in, the logits come out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.runtimes._onnx_graph import Graph, Place
from audit.runtimes._onnx_operators import TO_LAST
from audit.runtimes._onnx_safety import bodies
from audit.runtimes._onnx_taps import PREFIX, Taps

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

CHANGED = f"{PREFIX}.changed"  # the input of the tail: the layer's activation, float32 [N, C, h, w]


class NoTail(Exception):
    """The network can't be run on from a layer; says why not."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """What lies between a layer and logits, and what else it reads.

    `sides` are values from before the layer that depend on the picture: skip connections, sizes. `spare`: the layer's
    tokens that are no cells of its map are one of them.
    """

    place: Place
    logits: tuple[str, ...]
    nodes: tuple[NodeProto, ...]
    sides: tuple[str, ...]

    def tap(self, taps: Taps) -> dict[str, str]:
        """What the tail has to be fed beside the activation: by input of the tail, the outputs of a tapped copy."""
        return {side: taps.take(side) for side in self.sides} | {_spare(self.place): taps.spare(self.place)}

    def model(self, model: ModelProto, fed: Mapping[str, NDArray[Any]]) -> ModelProto:
        """The tail by itself.

        Args:
            model: the graph that it is a part of.
            fed: what was tapped for it, for the types.

        Raises:
            NoTail: one of its inputs is not numbers.
        """
        from onnx import ModelProto, TensorProto, helper

        made = ModelProto()
        made.ir_version = max(model.ir_version, 8)
        made.opset_import.extend(model.opset_import)
        made.graph.name = "tail"
        kinds = {name: _kind(name, array) for name, array in fed.items()}
        made.graph.node.extend([*self._restored(kinds[_spare(self.place)]), *self.nodes])
        made.graph.input.append(helper.make_tensor_value_info(CHANGED, TensorProto.FLOAT, None))
        read = {*self.logits, *(name for node in made.graph.node for name in reads(node))}
        made.graph.input.extend(
            helper.make_tensor_value_info(name, kinds[name], None) for name in kinds if name in read
        )
        made.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in self.logits)
        made.graph.initializer.extend(one for one in model.graph.initializer if one.name in read)
        made.graph.sparse_initializer.extend(one for one in model.graph.sparse_initializer if one.values.name in read)
        return made

    def _restored(self, kind: int) -> Iterator[NodeProto]:
        """From the map to the layer's value as the network has it: `Taps.activation` the other way round."""
        from onnx import TensorProto, helper

        place, layout = self.place, self.place.layout
        steps: list[tuple[str, list[str], dict[str, Any]]] = []
        if layout.grid is not None:
            steps += [("Flatten3", [], {}), ("Transpose", [], {"perm": [0, 2, 1]})]
        elif layout.last:
            steps.append(("Transpose", [], {"perm": TO_LAST}))
        if place.quantized:
            steps.append(("QuantizeLinear", list(place.quantized), {}))
        elif kind != TensorProto.FLOAT:
            steps.append(("Cast", [], {"to": kind}))
        if layout.spare:
            steps.append(("Concat", [_spare(place)], {"axis": 1}))
        value = CHANGED
        for at, (operator, more, attributes) in enumerate([*steps, ("Identity", [], {})]):
            name = place.tensor if at == len(steps) else f"{CHANGED}.{at}"
            if operator == "Flatten3":
                shape = helper.make_tensor(f"{name}.shape", TensorProto.INT64, [3], [0, 0, -1])
                yield helper.make_node("Constant", [], [f"{name}.shape"], value=shape)
                operator, more = "Reshape", [f"{name}.shape"]  # noqa: PLW2901
            inputs = [*more, value] if operator == "Concat" else [value, *more]
            yield helper.make_node(operator, inputs, [name], name=name, **attributes)
            value = name


def tail_of(graph: Graph, place: Place, logits: Sequence[str]) -> Tail:
    """Cut a graph behind a layer. Logits that do not depend on it go through as they are."""
    behind = behind_of(graph, place)
    kept = tuple(dict.fromkeys(logits))
    wanted, sides = behind.intersection(kept), set(kept) - behind - {place.tensor}
    nodes: list[NodeProto] = []
    for node in reversed(graph.nodes):
        if not wanted.intersection(node.output):
            continue
        nodes.append(node)
        for name in reads(node):
            if name in behind or name in graph.constants:
                wanted.add(name)
            elif name != place.tensor:
                sides.add(name)
    return Tail(place=place, logits=kept, nodes=tuple(reversed(nodes)), sides=tuple(sorted(sides)))


def reads(node: NodeProto) -> set[str]:
    """The values that a node computes with; those that its branches and loops take from outside included."""
    names = {name for name in node.input if name}
    for body in bodies(node):
        inner = {name for one in body.node for name in reads(one)} | {value.name for value in body.output}
        made = {name for one in body.node for name in one.output} | {value.name for value in body.input}
        names |= inner - made - {one.name for one in body.initializer}
    return names


def behind_of(graph: Graph, place: Place) -> set[str]:
    """The values that depend on a layer. Nodes of a graph stand in order of execution."""
    behind: set[str] = {place.tensor}
    for node in graph.nodes:
        if not behind.isdisjoint(reads(node)):
            behind.update(name for name in node.output if name)
    return behind - {place.tensor}


def _spare(place: Place) -> str:
    return f"{PREFIX}.spare.{place.tensor}"


def _kind(name: str, array: NDArray[Any]) -> int:
    from onnx import helper

    if array.dtype.kind not in "biuf":
        raise NoTail(f"what is behind it reads {name!r}, which is not numbers")
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))
