"""A forward pass that also gives back values from inside: a copy of the graph with a few nodes added.

It is private API of torch (tried on 2.13), so the runtime compares with the untouched module before it relies on it.
Under the profiling executor gradients are right on the first call and lost from the second on, therefore everything
here runs with `optimized_execution(False)`.
"""

# ruff: noqa: SLF001  torch has no public way to read or extend a graph

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from audit.runtimes._torch_program import Taken, in_place, walk
from audit.runtimes._torchscript_graph import ScriptProgram, executing

# What is put behind a layer, in TorchScript. `strengths` gives [3, B] in the order of audit.runtimes.REDUCTIONS.
_PIECES = """
def strengths(x: Tensor, clip: bool, last: bool, spare: int) -> Tensor:
    if x.is_quantized:
        x = x.dequantize()
    x = x.float()
    if x.dim() == 3:
        x = x.narrow(1, spare, x.size(1) - spare).transpose(1, 2).unsqueeze(3)
        last = False
    if last and x.dim() == 4:
        x = x.permute([0, 3, 1, 2])
    if clip:
        x = torch.relu(x)
    if x.dim() == 2:
        x = x.unsqueeze(2).unsqueeze(3)
    means = x.mean(1)
    return torch.stack([means.amax([1, 2]), x.amax([2, 3]).mean(1), means.mean([1, 2])])

def leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(True)

def copy(x: Tensor) -> Tensor:
    return x.clone()
"""


class ScriptTapped:
    """A module's forward with values from inside. See `audit.runtimes._torch_program.Program.tapped`."""

    def __init__(
        self,
        program: ScriptProgram,
        values: Sequence[Any] = (),
        strengths: Sequence[tuple[int, bool, bool, int]] = (),
        leaf: int | None = None,
    ) -> None:
        import torch

        self._module, self._defaults = program.module, program.defaults
        self._counts, self._grad = (len(values), len(values) + len(strengths)), leaf is not None
        graph, mirrored = _copy(program.graph)
        nodes = _Nodes(graph)
        overwritten = _overwritten(graph, nodes)
        kept = [mirrored[value.unique()] for value in values]
        safe = {v.unique(): _insert(graph, nodes, v, "copy") for v in kept if overwritten(v)}
        wanted = [safe.get(value.unique(), value) for value in kept]
        for place, *how in strengths:
            wanted.append(_insert(graph, nodes, nodes[place].outputsAt(0), "strengths", *how))
        if leaf is not None:
            wanted.append(_cut(graph, nodes, leaf, write=overwritten(nodes[leaf].outputsAt(0))))
        _return(graph, wanted)
        self._function = torch._C._create_function_from_graph("tapped", graph)

    def __call__(self, images: Any) -> Taken:
        """One forward pass."""
        with executing(grad=self._grad):
            returned, *inner = self._function(self._module, images.clone(), *self._defaults)
        values, strengths = self._counts
        return Taken(
            returned=returned,
            values=inner[:values],
            strengths=inner[values:strengths],
            leaf=inner[-1] if self._grad else None,
        )


class ScriptResumed:
    """A module's forward from a layer on. See `audit.runtimes._torch_program.Program.resumed`."""

    def __init__(self, program: ScriptProgram, logits: Any, place: int) -> None:
        import torch

        self._module, self._defaults = program.module, program.defaults
        graph, mirrored = _copy(program.graph)
        nodes = _Nodes(graph)
        wanted = mirrored[logits.unique()]
        if _overwritten(graph, nodes)(wanted):
            wanted = _insert(graph, nodes, wanted, "copy")
        given = graph.addInput("given")
        given.setType(torch._C.TensorType.get())
        for old in _written(nodes[place]):
            old.replaceAllUsesAfterNodeWith(nodes[place], given)
        graph.eraseOutput(0)
        graph.registerOutput(wanted)
        torch._C._jit_pass_dce(graph)
        self._function = torch._C._create_function_from_graph("resumed", graph)

    def __call__(self, images: Any, value: Any, /) -> Any:
        """The logits."""
        with executing(grad=False):
            return self._function(self._module, images.clone(), *self._defaults, value)


@functools.cache
def _pieces() -> Any:
    import torch

    return torch.jit.CompilationUnit(_PIECES)


class _Nodes(list[Any]):
    """The nodes of a graph as they stand before anything is put between them, and which of them makes a value."""

    def __init__(self, graph: Any) -> None:
        super().__init__(graph.nodes())
        self._made = {value.unique(): at for at, node in enumerate(self) for value in node.outputs()}

    def maker(self, value: Any) -> int:
        """-1 for an input of the graph."""
        return self._made.get(value.unique(), -1)


def _copy(graph: Any) -> tuple[Any, dict[int, Any]]:
    """A copy, and its values by those of the original: nodes keep their order."""
    copied = graph.copy()
    pairs = list(zip(graph.inputs(), copied.inputs(), strict=True))
    for old, new in zip(graph.nodes(), copied.nodes(), strict=True):
        pairs += zip(old.outputs(), new.outputs(), strict=True)
    return copied, {old.unique(): new for old, new in pairs}


def _overwritten(graph: Any, nodes: _Nodes) -> Any:
    """A test whether a value may be written over, in place, by a node behind the one that makes it."""
    aliases = graph.alias_db()
    writers = [(at, inner) for at, node in enumerate(nodes) for inner in _writers(node)]

    def test(value: Any) -> bool:
        made = nodes.maker(value)
        return any(at > made and aliases.may_contain_alias(next(iter(w.inputs())), value) for at, w in writers)

    return test


def _writers(node: Any) -> Iterator[Any]:
    if in_place(node):
        yield node
    for block in node.blocks():
        yield from (inner for inner in walk(block) if in_place(inner))


def _insert(graph: Any, nodes: _Nodes, value: Any, piece: str, *constants: Any) -> Any:
    """Put a piece directly behind the node that makes `value`, before anything can write over it."""
    behind = nodes.maker(value) + 1
    graph.setInsertPoint(nodes[behind] if behind < len(nodes) else graph.return_node())
    extra = [graph.insertConstant(constant) for constant in constants]
    made = graph.insertGraph(getattr(_pieces(), piece).graph, [value, *extra])[0]
    graph.setInsertPoint(graph.return_node())
    return made


def _cut(graph: Any, nodes: _Nodes, place: int, *, write: bool) -> Any:
    """Let everything behind a layer read a leaf made from it. A leaf can't be written over: then they read a copy."""
    node = nodes[place]
    value = node.outputsAt(0)
    leaf = _insert(graph, nodes, value, "leaf")
    read = leaf
    if write:
        graph.setInsertPoint(nodes[place + 1] if place + 1 < len(nodes) else graph.return_node())
        read = graph.insertGraph(_pieces().copy.graph, [leaf])[0]
        graph.setInsertPoint(graph.return_node())
    for old in _written(node):
        old.replaceAllUsesAfterNodeWith(read.node(), read)
    return leaf


def _written(node: Any) -> list[Any]:
    """The value of a node; an in-place operator has changed its input too."""
    return [node.outputsAt(0), *([next(iter(node.inputs()))] if in_place(node) else [])]


def _return(graph: Any, values: list[Any]) -> None:
    """Give back a tuple of the old output and the values."""
    import torch

    together = [next(graph.outputs()), *values]
    pack = graph.create("prim::TupleConstruct", together)
    graph.setInsertPoint(graph.return_node())
    graph.insertNode(pack)
    pack.output().setType(torch._C.TupleType([value.type() for value in together]))
    graph.eraseOutput(0)
    graph.registerOutput(pack.output())
