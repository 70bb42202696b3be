"""Where in its author's tree of modules a node of TorchScript's flat graph stands.

torch tells for each node which modules were called around it, by name and class, and leaves out lists and dictionaries
of modules, which are never called: `encoder.0` may be `encoder.block.0.0` or `encoder.block.1.0`. The calls themselves,
as they stand one in another before they are made one flat graph, say which, in the same order.
"""

# ruff: noqa: SLF001  torch has no public way to read a graph

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from audit.runtimes._torch_program import walk

Chain = tuple[tuple[str, str], ...]  # name and class of each module called, the outermost first
Path = tuple[str, ...]
_STEP = re.compile(r"([^.()]+)\(([^()]*)\)")  # of "layers(Sequential).0(BasicBlock).conv1(Conv2d)"
_NO_STEP = {"SELF", "UNKNOWN_INSTANCE"}


def chain_of(node: Any) -> Chain:
    """The modules called around a node of a flat graph, as torch tells them; empty in a frozen file."""
    return tuple((name, kind) for name, kind in _STEP.findall(node.getModuleHierarchy()) if name not in _NO_STEP)


def paths_of(module: Any, graph: Any) -> dict[int, Path]:
    """The path of modules around each node, `("layers", "0", "relu")`, by the number of its first result."""
    calls = list(_calls(module, "forward", (), ((),)))
    where: dict[Chain, list[int]] = defaultdict(list)
    for at, call in enumerate(calls):
        where[call.chain].append(at)
    found: dict[int, Path] = {}
    now = 0
    for node in walk(graph):
        if node.kind().startswith("prim::"):  # constants do not stand where they are used
            continue
        chain = chain_of(node)
        if calls[now].chain[: len(chain)] != chain:  # neither in this call nor in one around it: on to the next
            later = where[chain][bisect_left(where[chain], now) :]
            now = later[0] if later else now
        inside = calls[now].chain[: len(chain)] == chain
        path = calls[now].paths[len(chain)] if inside else tuple(name for name, _ in chain)
        found.update((value.unique(), path) for value in node.outputs())
    return found


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a module: `paths[i]` is the path to the module that the first `i` steps of the chain lead to."""

    chain: Chain
    paths: tuple[Path, ...]


def _calls(module: Any, method: str, chain: Chain, paths: tuple[Path, ...]) -> Iterator[_Call]:
    """This call and those in it, in order."""
    yield _Call(chain, paths)
    graph = module._c._get_method(method).graph
    own = next(graph.inputs()).unique()
    for node in walk(graph):
        if node.kind() != "prim::CallMethod":
            continue
        root, names = _receiver(node.inputsAt(0))
        child = module
        for name in names:
            child = getattr(child, name, None)
        if root != own or not hasattr(child, "original_name"):
            continue
        if names:
            step, path = (names[-1], child.original_name), (*paths[-1], *names)
            yield from _calls(child, node.s("name"), (*chain, step), (*paths, path))
        else:
            yield from _calls(child, node.s("name"), chain, paths)


def _receiver(value: Any) -> tuple[int, list[str]]:
    """The value that attributes are taken from, and their names from there."""
    names: list[str] = []
    while value.node().kind() == "prim::GetAttr":
        names.insert(0, value.node().s("name"))
        value = value.node().input()
    return value.unique(), names
