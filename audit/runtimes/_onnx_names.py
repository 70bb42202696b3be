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


# A name with nothing of the author's in it, once the operator's own word has been made an n of: `n`, `n_48`, `n@3`.
_NUMBERED = re.compile(r"(node_?)?n?[_@]*\d*")
# What writers put behind the name of a module to name its weights: torch, Caffe2, Paddle and TensorFlow.
_OF_WEIGHTS = re.compile(r"(/BiasAdd)?[./_](weights?|kernel|[wW]|scale|gamma|s)([_:]0|_fused_bn|_quantized)*$")


class Names:
    """Gives each node one name, never twice the same. `makers` are the nodes that make layers.

    torch's exporter writes `/layer1/layer1.0/relu/Relu` for what the author calls `layer1.0.relu`; its newer one
    keeps the author's path beside the node. Where a module holds several operators the operator's own name is
    added. A node without a name, or with one that its writer has numbered (`Relu_48`, `n17`), is called after the
    weights around it where those have better ones, else after its value.
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
            near: made from the weights around it, for a node whose own name says nothing.
            word: the function that it ends, where that is put together from several operators: said for its own.
        """
        scope = _scope(node)
        if node.name.startswith("/") or scope:
            operator = self._numbered(scope, word) if word else node.name.rsplit("/", 1)[-1].lower()
            plain = ".".join(scope if scope and scope not in self._shared else (*scope, operator))
        else:
            told = "" if _NUMBERED.fullmatch(node.name.replace(node.op_type, "n", 1)) else node.name
            plain = told or near or node.name or node.output[0]
        return self._unique(plain)

    def _numbered(self, scope: tuple[str, ...], word: str) -> str:
        """`silu`, `silu_1`: as the exporter numbers operators of one kind in a module."""
        before = self._words[scope, word]
        self._words[scope, word] += 1
        return f"{word}_{before}" if before else word


def module_of(weight: str) -> str | None:
    """The module that a weight belongs to, `features.0` of `features.0.weight`; None: its name does not say."""
    found = _OF_WEIGHTS.search(weight)
    module = weight[: found.start()] if found else ""
    return module if any(map(str.isalpha, module)) and "__" not in module else None


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
