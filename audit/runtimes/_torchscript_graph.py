"""A loaded module's forward as one flat graph: who makes and who uses a value, and what comes out.

A loaded module refuses hooks, but its graph can be copied and added to. The copy is straightened first: plain
attributes of modules in eval mode (`training`) become constants, so that branches on them disappear and values
inside them can be reached.
"""

# ruff: noqa: SLF001  torch has no public way to read or extend a graph

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from audit.runtimes._torch_program import Resumed, Tapped, walk
from audit.runtimes._torchscript_names import chain_of, paths_of

_PLAIN = {"int", "bool", "float", "str", "List[int]", "NoneType"}


class ScriptProgram:
    """The forward of a TorchScript module. See `audit.runtimes._torch_program.Program`."""

    def __init__(self, module: Any) -> None:
        method = module._c._get_method("forward")
        self.module = module
        self.argument = str(method.schema.arguments[1].name)
        self.defaults = tuple(argument.default_value for argument in method.schema.arguments[2:])
        self.graph = _straighten(module, method.inlined_graph.copy(), self.defaults)
        self.nodes = list(self.graph.nodes())
        self._paths = paths_of(module, self.graph)
        self.image = list(self.graph.inputs())[1]
        self.outputs = _returned(next(self.graph.outputs()))
        self._maker: dict[int, int] = {}
        self._users: dict[int, list[int]] = defaultdict(list)
        for place, node in enumerate(self.nodes):
            asks_only = all(str(value.type()) in _PLAIN for value in node.outputs())  # x.dim(), a check that may raise
            for value in () if asks_only else _all_inputs(node):
                self._users[value.unique()].append(place)
            for value in node.outputs():
                self._maker[value.unique()] = place
        self._leaving = {value.unique() for value in self.outputs.values() if value is not None}
        self.chatty = any(node.kind() in {"prim::Print", "aten::warn"} for node in walk(self.graph))

    def __call__(self, images: Any, /) -> Any:
        with executing(grad=False):
            return self.module(images.clone())

    def tapped(
        self,
        values: Sequence[Any] = (),
        strengths: Sequence[tuple[int, bool, bool, int]] = (),
        leaf: int | None = None,
    ) -> Tapped:
        from audit.runtimes._torchscript_taps import ScriptTapped

        return ScriptTapped(self, values, strengths, leaf)

    def resumed(self, logits: Any, place: int) -> Resumed:
        from audit.runtimes._torchscript_taps import ScriptResumed

        return ScriptResumed(self, logits, place)

    def scope(self, node: Any) -> tuple[str, ...]:
        return self._paths.get(next((value.unique() for value in node.outputs()), -1), ())

    def around(self, node: Any) -> str:
        chain = chain_of(node)
        return chain[-1][1] if chain else ""

    def weights(self) -> list[Any]:
        return [*self.module.parameters(), *self.module.buffers()]

    def arrange(self, order: Any) -> None:
        self.module.to(memory_format=order)

    def maker(self, value: Any) -> int | None:
        return self._maker.get(value.unique())

    def users(self, value: Any) -> list[int]:
        return self._users.get(value.unique(), [])

    def leaves(self, value: Any) -> bool:
        return value.unique() in self._leaving

    def attribute(self, value: Any) -> Any:
        node = value.node()
        if node.kind() == "prim::Constant":
            return value.toIValue()
        if node.kind() == "prim::ListConstruct":
            items = [self.attribute(one) for one in node.inputs()]
            return None if None in items else items
        names = _attribute_path(value)
        found = self.module if names else None
        for name in names:
            found = getattr(found, name)
        return found


@contextmanager
def executing(*, grad: bool) -> Iterator[None]:
    """The executor that keeps gradients (the profiling one loses them from the second call on), recording them only
    when they are wanted. An error that the model itself raises becomes a RuntimeError, as all others are."""
    import torch

    try:
        with torch.jit.optimized_execution(should_optimize=False), torch.set_grad_enabled(grad):
            yield
    except torch.jit.Error as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raised = re.sub(r"^(torch\.jit\.Error|RuntimeError): ", "", lines[-1]).strip(": ") if lines else ""
        raise RuntimeError(f"the model itself raises {raised or 'an error'}") from error


def _returned(value: Any) -> dict[str, Any]:
    """The same for a graph's output value, as far as the graph says; None for a value put together at run time."""
    import torch

    node, kind = value.node(), value.node().kind()
    if isinstance(value.type(), torch._C.TensorType):
        return {"output": value}
    inputs = list(node.inputs())
    if kind == "prim::DictConstruct":
        named = {key.toIValue(): one for key, one in zip(inputs[::2], inputs[1::2], strict=True)}
        named = {str(key): one for key, one in named.items() if key is not None}
    elif kind == "prim::TupleConstruct":
        names = _field_names(value.type()) or [f"output{i}" for i in range(len(inputs))]
        named = dict(zip(names, inputs, strict=True))
    elif kind == "prim::ListConstruct":
        named = {f"output{i}": one for i, one in enumerate(inputs)}
    elif isinstance(value.type(), torch._C.TupleType):
        types = value.type().elements()
        names = _field_names(value.type()) or [f"output{i}" for i in range(len(types))]
        return {n: None for n, t in zip(names, types, strict=True) if isinstance(t, torch._C.TensorType)}
    else:
        return {}
    return {name: one for name, one in named.items() if isinstance(one.type(), torch._C.TensorType)}


def _field_names(kind: Any) -> list[str]:
    """The fields of `NamedTuple(age : Tensor, gender : Tensor)`, [] of a plain tuple."""
    written = kind.str()
    return re.findall(r"(\w+) : ", written) if written.startswith("NamedTuple(") else []


def _straighten(module: Any, graph: Any, defaults: Sequence[Any]) -> Any:
    """A graph without branches on module attributes and on arguments that are left to their defaults, and without
    tuples that are taken apart again."""
    import torch

    first = next(iter(graph.nodes()), None)
    for argument, default in zip(list(graph.inputs())[2:], defaults, strict=True):
        if first is not None and isinstance(default, bool | int | float | str | None):
            with graph.insert_point_guard(first):
                constant = graph.insertConstant(default)
            argument.replaceAllUsesWith(constant)
    if first is not None and not graph.findAllNodes("prim::SetAttr"):
        for node in graph.findAllNodes("prim::GetAttr"):
            if str(node.output().type()) not in {"bool", "int", "float", "str"}:
                continue
            value = module
            for name in _attribute_path(node.output()):
                value = getattr(value, name)
            with graph.insert_point_guard(first):  # a point inside a branch would dangle when the branch vanishes
                constant = graph.insertConstant(value)
            node.output().replaceAllUsesWith(constant)
    for node in graph.findAllNodes("prim::TupleUnpack"):  # of what a module returns
        made = node.input().node()
        if made.kind() == "prim::TupleConstruct":
            for given, taken in zip(made.inputs(), node.outputs(), strict=True):
                taken.replaceAllUsesWith(given)
    torch._C._jit_pass_constant_propagation(graph)
    torch._C._jit_pass_dce(graph)
    return graph


def _attribute_path(value: Any) -> list[str]:
    """The names from the module down to an attribute."""
    names: list[str] = []
    node = value.node()
    while node.kind() == "prim::GetAttr":
        names.insert(0, node.s("name"))
        node = node.input().node()
    return names


def _all_inputs(node: Any) -> list[Any]:
    """The inputs of a node and of everything in its branches, and what the branches give back."""
    found = list(node.inputs())
    for block in node.blocks():
        for inner in block.nodes():
            found += _all_inputs(inner)
        found += list(block.outputs())
    return found
