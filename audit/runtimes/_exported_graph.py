"""A torch.export program as one flat graph: who makes and who uses a value, and what comes out.

The exported graph is torch's own, one call of an operator a node. `Node` and `Value` say of it what torch's graphs of
TorchScript say of theirs, so that layers and heads are found in both by the same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from audit.runtimes._torch_program import Resumed, Tapped, named_outputs

_REUSED = re.compile(r"@\d+$")  # a module that is called again
_WORDS = {bool: "bool", int: "int", float: "float", str: "str", type(None): "NoneType"}


class Value:
    """An argument or a result: a tensor of the graph, a weight, or a constant. Made by `node()`, for a weight or a
    constant a node of its own kind without inputs."""

    def __init__(self, node: Node, word: str, constant: Any = None) -> None:
        self._node, self._word, self.constant = node, word, constant

    def node(self) -> Node:
        return self._node

    def type(self) -> str:
        return self._word

    def unique(self) -> int:
        return id(self)


class Node:
    """One call of an operator, its arguments in the order of the operator's schema, defaults filled in."""

    def __init__(self, kind: str, inputs: Sequence[Value] = (), blocks: Sequence[Block] = ()) -> None:
        self._kind, self._inputs, self._blocks = kind, list(inputs), list(blocks)
        self.call: Any = None  # torch.fx's own node, where there is one
        self.output = Value(self, "Tensor")

    def kind(self) -> str:
        return self._kind

    def inputs(self) -> Iterator[Value]:
        return iter(self._inputs)

    def inputsAt(self, index: int) -> Value:  # noqa: N802  torch's own name
        return self._inputs[index]

    def outputsAt(self, _: int) -> Value:  # noqa: N802  as above
        return self.output

    def outputs(self) -> Iterator[Value]:
        yield self.output

    def blocks(self) -> Iterator[Block]:
        return iter(self._blocks)

    def attributeNames(self) -> list[str]:  # noqa: N802  as above
        return []


class Block:
    """A branch or the body of a loop."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)

    def nodes(self) -> Iterator[Node]:
        return iter(self._nodes)


class ExportedGraph:
    """The forward of an exported program. See `audit.runtimes._torch_program.Program`.

    Args:
        module: what `ExportedProgram.module()` gives.
        image: name of the one input.
        given: for a picture the arguments of a call, by position and by name.
    """

    chatty = False

    def __init__(self, module: Any, image: Any, given: Callable[[Any], tuple[Sequence[Any], dict[str, Any]]]) -> None:
        self.module, self.argument, self._given = module, str(image.target), given
        self.fx_image = image
        self.image = Value(Node("prim::Param"), "Tensor")
        self._values: dict[Any, Value] = {image: self.image}
        self.nodes = [made for call in module.graph.nodes if (made := self._node(call)) is not None]
        self._places = {id(node.output): place for place, node in enumerate(self.nodes)}
        self.outputs = self._returned()
        self._leaving = {value.unique() for value in self.outputs.values()}

    def __call__(self, images: Any, /) -> Any:
        import torch

        with torch.no_grad():
            positional, named = self._given(images.clone())
            return self.module(*positional, **named)

    def tapped(
        self,
        values: Sequence[Any] = (),
        strengths: Sequence[tuple[int, bool, bool, int]] = (),
        leaf: int | None = None,
    ) -> Tapped:
        from audit.runtimes._exported_taps import ExportedTapped

        return ExportedTapped(self, values, strengths, leaf)

    def resumed(self, logits: Any, place: int) -> Resumed:
        from audit.runtimes._exported_taps import ExportedResumed

        return ExportedResumed(self, logits, place)

    def maker(self, value: Any) -> int | None:
        return self._places.get(id(value))

    def users(self, value: Any) -> list[int]:
        call = value.node().call if value is not self.image else self.fx_image
        found = (self._values.get(user) for user in (call.users if call is not None else ()))
        return sorted(place for user in found if user is not None and (place := self.maker(user)) is not None)

    def leaves(self, value: Any) -> bool:
        return value.unique() in self._leaving

    def attribute(self, value: Any) -> Any:
        return value.constant

    def scope(self, node: Any) -> tuple[str, ...]:
        return tuple(step for step in _REUSED.sub("", _module(node)[0]).split(".") if step)

    def around(self, node: Any) -> str:
        return _module(node)[1].rpartition(".")[2]

    def weights(self) -> list[Any]:
        return [*self.module.parameters(), *self.module.buffers()]

    def arrange(self, order: Any) -> None:
        for weight in self.weights():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=order)

    def call_of(self, value: Any) -> Any:
        """torch.fx's node for a value of this graph."""
        if value is self.image:
            return self.fx_image
        return value.node().call

    def _node(self, call: Any) -> Node | None:
        if call.op != "call_function":
            return None
        arguments = [self._value(one) for one in _arguments(call)]
        node = Node(_kind(call.target), arguments, list(self._branches(call)))
        node.call = call
        self._values[call] = node.output
        return node

    def _branches(self, call: Any) -> Iterator[Block]:
        """Graphs that are called by this node, as `torch.cond` does; their values can't be reached."""
        for one in call.all_input_nodes:
            inner = getattr(self.module, str(one.target), None) if one.op == "get_attr" else None
            graph = getattr(inner, "graph", None)
            if graph is not None:
                nodes = []
                for step in graph.nodes:
                    if step.op == "call_function":
                        nodes.append(Node(_kind(step.target)))
                        nodes[-1].call = step
                yield Block(nodes)

    def _value(self, argument: Any) -> Value:
        import torch

        if isinstance(argument, torch.fx.Node):
            if argument not in self._values:
                node = Node("prim::GetAttr")
                node.call = argument
                held = _held(self.module, str(argument.target)) if argument.op == "get_attr" else None
                self._values[argument] = Value(node, "Tensor", held if isinstance(held, torch.Tensor) else None)
            return self._values[argument]
        if isinstance(argument, list | tuple):
            items = [self._value(one) for one in argument]
            constant = [item.constant for item in items]
            word = f"List[{items[0].type()}]" if items else "List[int]"
            listed = Node("prim::ListConstruct", items)
            return Value(listed, word, None if None in constant else constant)
        return Value(Node("prim::Constant"), _WORDS.get(type(argument), type(argument).__name__), argument)

    def _returned(self) -> dict[str, Any]:
        """The outputs by name: see `audit.runtimes._torch_program.tensors`."""
        import torch
        from torch.utils import _pytree

        (last,) = (call for call in self.module.graph.nodes if call.op == "output")
        flat = list(last.args[0]) if isinstance(last.args[0], list | tuple) else [last.args[0]]
        spec = getattr(getattr(self.module.graph, "_codegen", None), "pytree_info", None)
        whole = _pytree.tree_unflatten(flat, spec.out_spec) if spec is not None else flat
        return {name: self._value(one) for name, one in named_outputs(whole, torch.fx.Node).items()}


def _module(node: Node) -> tuple[str, str]:
    """Path and class of the innermost module around a node."""
    stack = node.call.meta.get("nn_module_stack") if node.call is not None else None
    path, kind = list(stack.values())[-1] if stack else ("", "")
    return str(path), str(kind)


def _arguments(call: Any) -> list[Any]:
    """The arguments in the schema's order; those left out have their defaults."""
    schema = getattr(call.target, "_schema", None)
    if schema is None:
        return [*call.args, *call.kwargs.values()]
    found = []
    for at, argument in enumerate(schema.arguments):
        if at < len(call.args):
            found.append(call.args[at])
        else:
            found.append(call.kwargs.get(argument.name, argument.default_value))
    return found


def _kind(target: Any) -> str:
    """`aten::relu_`; what is no operator of torch is called after itself."""
    schema = getattr(target, "_schema", None)
    return str(schema.name) if schema is not None else f"prim::{getattr(target, '__name__', target)}"


def _held(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name, None)
    return module
