"""A forward pass of an exported program that also gives back values from inside: its graph with a few calls added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.runtimes._exported_graph import ExportedGraph
from audit.runtimes._torch_program import Taken, in_place


def strengths_of(x: Any, clip: bool, last: bool, spare: int) -> Any:  # noqa: FBT001  torch.fx calls by position
    """A map [B, C, h, w] (or [B, h, w, C], tokens [B, T, C], a vector [B, C]) to [3, B], in the order of
    audit.runtimes.REDUCTIONS."""
    import torch

    x = x.float()
    if x.dim() == 3:
        x, last = x[:, spare:].transpose(1, 2)[..., None], False
    if last and x.dim() == 4:
        x = x.permute(0, 3, 1, 2)
    if clip:
        x = torch.relu(x)
    if x.dim() == 2:
        x = x[:, :, None, None]
    means = x.mean(1)
    return torch.stack([means.amax((1, 2)), x.amax((2, 3)).mean(1), means.mean((1, 2))])


def leaf_of(x: Any) -> Any:
    """The same value, cut off from what made it."""
    return x.detach().requires_grad_()


def copy_of(x: Any) -> Any:
    """The same value in memory of its own."""
    return x.clone()


class ExportedTapped:
    """A program's forward with values from inside. See `audit.runtimes._torch_program.Program.tapped`."""

    def __init__(
        self,
        program: ExportedGraph,
        values: Sequence[Any] = (),
        strengths: Sequence[tuple[int, bool, bool, int]] = (),
        leaf: int | None = None,
    ) -> None:
        import torch

        self._spec = program.module.graph._codegen.pytree_info.out_spec  # noqa: SLF001  torch has no public way
        self._counts, self._grad = (len(values), len(values) + len(strengths)), leaf is not None
        graph = torch.fx.Graph()
        mirrored: dict[Any, Any] = {}
        returned = graph.graph_copy(program.module.graph, mirrored)
        _erase_unfed(graph, mirrored[program.fx_image])
        self._returned = len(returned) if isinstance(returned, list | tuple) else 1
        self._place = {call: at for at, call in enumerate(graph.nodes)}
        self._last_writer = max((self._place[mirrored[n.call]] for n in program.nodes if in_place(n)), default=-1)
        self._graph = graph
        kept = [mirrored[program.call_of(value)] for value in values]
        wanted = [self._behind(call, copy_of) if self._overwritten(call) else call for call in kept]
        for place, *how in strengths:
            wanted.append(self._behind(mirrored[program.nodes[place].call], strengths_of, *how))
        if leaf is not None:
            node = program.nodes[leaf]
            wanted.append(self._cut(mirrored[node.call], written=in_place(node)))
        graph.output((*(returned if isinstance(returned, list | tuple) else (returned,)), *wanted))
        self._module = torch.fx.GraphModule(program.module, graph)

    def __call__(self, images: Any, /) -> Taken:
        """One forward pass."""
        import torch
        from torch.utils import _pytree

        with torch.set_grad_enabled(self._grad):
            given = self._module(images.clone())
        inner = list(given[self._returned :])
        values, strengths = self._counts
        return Taken(
            returned=_pytree.tree_unflatten(list(given[: self._returned]), self._spec),
            values=inner[:values],
            strengths=inner[values:strengths],
            leaf=inner[-1] if self._grad else None,
        )

    def _overwritten(self, call: Any) -> bool:
        """Whether something behind this value writes into memory, which may then be its own."""
        return self._last_writer > self._place[call]

    def _behind(self, call: Any, piece: Any, *constants: Any) -> Any:
        """Put a piece directly behind a call, before anything can write over its value."""
        with self._graph.inserting_after(call):
            return self._graph.call_function(piece, (call, *constants))

    def _cut(self, call: Any, *, written: bool) -> Any:
        """Let everything behind a layer read a leaf made from it. A leaf can't be written over: then they read a
        copy."""
        place = self._place[call]
        leaf = self._behind(call, leaf_of)
        read = leaf
        if self._overwritten(call):
            with self._graph.inserting_after(leaf):
                read = self._graph.call_function(copy_of, (leaf,))
        for old in [call, call.args[0]] if written else [call]:  # an in-place operator has changed its input too
            for user in list(old.users):
                if self._place.get(user, -1) > place:
                    user.replace_input_with(old, read)
        return leaf


class ExportedResumed:
    """A program's forward from a layer on. See `audit.runtimes._torch_program.Program.resumed`."""

    def __init__(self, program: ExportedGraph, logits: Any, place: int) -> None:
        import torch

        graph = torch.fx.Graph()
        mirrored: dict[Any, Any] = {}
        graph.graph_copy(program.module.graph, mirrored)
        _erase_unfed(graph, mirrored[program.fx_image])
        at = {call: number for number, call in enumerate(graph.nodes)}
        node = program.nodes[place]
        layer, wanted = mirrored[node.call], mirrored[program.call_of(logits)]
        if max((at[mirrored[one.call]] for one in program.nodes if in_place(one)), default=-1) > at[wanted]:
            with graph.inserting_after(wanted):
                wanted = graph.call_function(copy_of, (wanted,))
        with graph.inserting_after(mirrored[program.fx_image]):
            given = graph.placeholder("given")
        for old in [layer, layer.args[0]] if in_place(node) else [layer]:
            for user in list(old.users):
                if at.get(user, -1) > at[layer]:
                    user.replace_input_with(old, given)
        graph.output(wanted)
        _erase_unused(graph)
        self._module = torch.fx.GraphModule(program.module, graph)

    def __call__(self, images: Any, value: Any, /) -> Any:
        """The logits."""
        import torch

        with torch.no_grad():
            return self._module(images.clone(), value)


def _erase_unfed(graph: Any, image: Any) -> None:
    """Leave out inputs whose values are written into the graph, so that the picture is the only one."""
    for node in list(graph.nodes):
        if node.op == "placeholder" and node is not image and not node.users:
            graph.erase_node(node)


def _erase_unused(graph: Any) -> None:
    """Take out what nothing reads. A call that writes into memory stays, unless it is memory of a value that nothing
    else reads and that is no view of another's."""
    for call in reversed(list(graph.nodes)):
        if call.op != "call_function" or call.users:
            continue
        schema = getattr(call.target, "_schema", None)
        if schema is not None and schema.is_mutable:
            written = call.args[0]
            made = getattr(getattr(written, "target", None), "_schema", None)
            fresh = made is not None and all(one.alias_info is None for one in made.returns)
            if not fresh or len(written.users) > 1:
                continue
        graph.erase_node(call)
