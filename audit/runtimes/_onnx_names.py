"""Names for layers that the author of the network would recognize."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from audit.runtimes._layers import UniqueNames

if TYPE_CHECKING:
    from onnx import NodeProto


class Names:
    """Gives each node one name, never twice the same. `makers` are the nodes that make layers.

    torch's exporter writes `/layer1/layer1.0/relu/Relu` for what the author calls `layer1.0.relu`; its newer one
    keeps the author's path beside the node. Where a module holds several operators the operator's own name is
    added. A node without a name is called after the weights it uses or after its value.
    """

    def __init__(self, nodes: Iterable[NodeProto], makers: Iterable[NodeProto]) -> None:
        inner = {scope[:length] for scope in map(_scope, nodes) for length in range(len(scope))}
        counts = Counter(map(_scope, makers))
        self._shared = inner | {scope for scope, count in counts.items() if count > 1}
        self._unique = UniqueNames()
        self._words: Counter[tuple[tuple[str, ...], str]] = Counter()

    def name(self, node: NodeProto, *, near: str | None = None, word: str | None = None) -> str:
        """A name for this node.

        Args:
            node: what makes the layer.
            near: made from the weights around it, for a node without a name.
            word: the function that it ends, where that is put together from several operators: said for its own.
        """
        scope = _scope(node)
        if node.name.startswith("/") or scope:
            operator = self._numbered(scope, word) if word else node.name.rsplit("/", 1)[-1].lower()
            plain = ".".join(scope if scope and scope not in self._shared else (*scope, operator))
        else:
            plain = node.name or near or node.output[0]
        return self._unique(plain)

    def _numbered(self, scope: tuple[str, ...], word: str) -> str:
        """`silu`, `silu_1`: as the exporter numbers operators of one kind in a module."""
        before = self._words[scope, word]
        self._words[scope, word] += 1
        return f"{word}_{before}" if before else word


def _scope(node: NodeProto) -> tuple[str, ...]:
    """The path of modules around a node, `("layer1", "0", "relu")`."""
    if told := _torch_scopes(node):
        return tuple(told.split("."))
    if not node.name.startswith("/"):
        return ()
    path: list[str] = []
    for part in node.name.split("/")[1:-1]:
        # A container's child repeats the container's path: `/features/features.3/conv/conv.1/Conv`.
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return tuple(step for part in path for step in part.split("."))


def _torch_scopes(node: NodeProto) -> str:
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes" and re.fullmatch(r"\[('[^'\\]*'(, )?)*\]", entry.value):
            scopes: list[str] = ast.literal_eval(entry.value)
            return scopes[-2] if len(scopes) > 1 else ""
    return ""
