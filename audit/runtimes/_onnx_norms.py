"""Normalizations that a file spells out in several operators, read as one.

Exporters write a group normalization as an instance normalization between two changes of shape, and the division of a
vector by its length as a norm that is cut off below, expanded, and divided by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto


def joined(nodes: Iterable[NodeProto]) -> list[NodeProto]:
    """The nodes with each such normalization as one: `GroupNormalization`, `LpNormalization`. Their results keep their
    names; what only led to them is left out."""
    from onnx import helper

    nodes = list(nodes)
    if not {"InstanceNormalization", "Clip"} & {node.op_type for node in nodes}:
        return nodes
    reader = _Reader(nodes)
    instead: dict[str, NodeProto | None] = {}  # by result
    for node in nodes:
        for operator, steps in (("GroupNormalization", reader.group(node)), ("LpNormalization", reader.length(node))):
            if steps:
                instead.update((step.output[0], None) for step in steps)
                end = steps[-1]
                source = end.input[0] if operator == "LpNormalization" else steps[0].input[0]
                whole = helper.make_node(operator, [source], [end.output[0]], name=end.name)
                whole.metadata_props.extend(end.metadata_props)
                instead[end.output[0]] = whole
    kept = (instead.get(node.output[0], node) if node.output else node for node in nodes)
    return [node for node in kept if node is not None]


class _Reader:
    """Finds the operators that spell one out, in order, the last of them with its result; [] where there are none."""

    def __init__(self, nodes: list[NodeProto]) -> None:
        self._producer = {name: node for node in nodes for name in node.output}
        self._users: dict[str, list[NodeProto]] = defaultdict(list)
        for node in nodes:
            for name in node.input:
                self._users[name].append(node)

    def group(self, node: NodeProto) -> list[NodeProto]:
        """Of the instance normalization in it."""
        before = self._before(node, "Reshape") if node.op_type == "InstanceNormalization" else None
        after = self._users[node.output[0]] if before is not None else []
        if before is None or len(self._users[before.output[0]]) != 1 or [one.op_type for one in after] != ["Reshape"]:
            return []
        return [before, node, after[0]]

    def length(self, node: NodeProto) -> list[NodeProto]:
        """Of the cut-off in it."""
        if node.op_type != "Clip" or self._before(node, "ReduceL2", "Sqrt") is None:
            return []
        steps = [node]
        while len(after := self._users[steps[-1].output[0]]) == 1 and after[0].op_type == "Expand":
            steps.append(after[0])
        divided = [one.op_type for one in after] == ["Div"] and after[0].input[1] == steps[-1].output[0]
        return [*steps, after[0]] if divided else []

    def _before(self, node: NodeProto, *operators: str) -> NodeProto | None:
        before = self._producer.get(node.input[0])
        return before if before is not None and before.op_type in operators else None
