"""Names for layers that the author of the network would recognize."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from audit.runtimes._layers import UniqueNames

if TYPE_CHECKING:
    from onnx import NodeProto

_OPERATORS = {"Swish": "silu"}  # where ONNX and torch do not mean the same word
_TOLD = "pkg.torch.onnx."  # what torch's newer exporter says beside a node begins with this
_LIST, _QUOTED = re.compile(r"\[('[^'\\]*'(, )?)*\]"), re.compile(r"'([^']*)'")

# A name with nothing of the author's in it, once the operator's own word has been made an n of: `n`, `n_48`, `p2o.n.3`.
# That of torch's newer exporter, `node_relu_1`, is read once some tool has lost what was told beside the node.
_NUMBERED = re.compile(r"(p2o\.)?n?(_token)?[_@.]*\d*|node_?[a-zA-Z0-9_]*(/\w+/)?")
# What writers put behind the name of a module to name its weights: torch, Caffe2, Paddle and TensorFlow.
_OF_WEIGHTS = re.compile(
    r"(/BiasAdd)?[./_](weights?(_bias)?|bias|kernel|[wW]|scale|gamma|s)"
    r"([_:]0|_fused_bn|_quantized|_DequantizeLinear_Output)*$"
)


class Names:
    """Gives each node one name, never twice the same. `makers` are the nodes that make layers.

    torch's older exporter writes `/layer1/layer1.0/relu/Relu` for what the author calls `layer1.0.relu`, and
    `/layer1/layer1.0/relu_1/Relu` where that is called again. Its newer one keeps the author's path beside the node;
    the numbers of its own names run through the whole network, so operators are counted in each module anew here. A
    module of several operators has the operator's name added. A node without a name, or with one that its writer has
    numbered (`Relu_48`, `n17`), is called after the weights around it where those have better ones, else after its
    value.
    """

    def __init__(self, nodes: Iterable[NodeProto], makers: Iterable[NodeProto]) -> None:
        nodes = list(nodes)
        self._inner = {scope[:length] for scope in map(_scope, nodes) for length in range(len(scope))}
        counts = Counter(map(_scope, makers))
        self._shared = self._inner | {scope for scope, count in counts.items() if count > 1}
        self._unique = UniqueNames()
        self._words: Counter[tuple[tuple[str, ...], str]] = Counter()
        self._numbers = _numbers(nodes)

    def name(self, node: NodeProto, *, near: str | None = None, word: str | None = None) -> str:
        """A name for this node.

        Args:
            node: what makes the layer.
            near: made from the weights around it, for a node whose own name says nothing.
            word: the function that it ends, where that is put together from several operators: said for its own.
        """
        scope, told = _scope(node), _told(node, "name_scopes")
        if not (told or node.name.startswith("/")):
            own = "" if _NUMBERED.fullmatch(node.name.replace(node.op_type, "n", 1)) else node.name
            return self._unique(own or near or node.name or node.output[0])
        if scope and scope not in self._shared:
            return self._unique(".".join(scope))
        if told and self._called_again(node, scope):
            return self._unique(_numbered(".".join(scope), self._count(scope, "")))
        if word:
            operator = _numbered(word, self._count(scope, word))
        elif told:
            operator = _numbered(_operator(node), self._numbers.get(node.output[0], 0))
        else:
            operator = node.name.rsplit("/", 1)[-1].lower()
        return self._unique(".".join((*scope, operator)))

    def _called_again(self, node: NodeProto, scope: tuple[str, ...]) -> bool:
        """Whether a module of torch's own makes several layers: each of them makes one in a call."""
        modules = _told(node, "class_hierarchy")
        return scope not in self._inner and len(modules) > 1 and modules[-2].startswith("torch.nn.modules.")

    def _count(self, scope: tuple[str, ...], word: str) -> int:
        """How often this was asked before: `silu`, `silu_1`, as the older exporter numbers operators in a module."""
        self._words[scope, word] += 1
        return self._words[scope, word] - 1


def _numbers(nodes: Iterable[NodeProto]) -> dict[str, int]:
    """By first value of each node: how many operators of its kind come before it in its module."""
    counts: Counter[tuple[tuple[str, ...], str]] = Counter()
    numbers = {}
    for node in nodes:
        if node.output:
            key = _scope(node), node.op_type
            numbers[node.output[0]] = counts[key]
            counts[key] += 1
    return numbers


def _numbered(word: str, before: int) -> str:
    return f"{word}_{before}" if before else word


def _operator(node: NodeProto) -> str:
    return _OPERATORS.get(node.op_type) or str(node.op_type).lower()


def tell_behind(node: NodeProto, maker: NodeProto, word: str) -> None:
    """Tell of a node that stood behind another one, which its file has lost: `bn1.relu`."""
    if _told(maker, "name_scopes"):
        entry = node.metadata_props.add()
        entry.key, entry.value = f"{_TOLD}name_scopes", repr(["", ".".join((*_scope(maker), word)), word])


def module_of(weight: str) -> str | None:
    """The module that a weight belongs to, `features.0` of `features.0.weight`; None: its name does not say."""
    found = _OF_WEIGHTS.search(weight)
    module = weight[: found.start()] if found else ""
    return module if any(map(str.isalpha, module)) and "__" not in module else None


def _scope(node: NodeProto) -> tuple[str, ...]:
    """The path of modules around a node, `("layer1", "0", "relu")`."""
    if told := _told(node, "name_scopes"):
        path = told[-2] if len(told) > 1 else ""
        if "batch_norm" in told[-1] and node.op_type == "Conv":  # the exporter has made the two one: its weight tells
            path = module_of(node.input[1]) or path
        return tuple(path.split(".")) if path and not path.startswith("_empty_nn_module_stack") else ()
    if not node.name.startswith("/"):
        return ()
    steps: list[str] = []
    for part in node.name.split("/")[1:-1]:
        # A container's child repeats the container's path: `/features/features.3/conv/conv.1/Conv`.
        if steps and part.startswith(f"{steps[-1]}."):
            steps[-1] = part
        else:
            steps.append(part)
    return tuple(step for part in steps for step in part.split("."))


def _told(node: NodeProto, what: str) -> list[str]:
    """What torch's newer exporter says: `name_scopes`, the path of each module around the node, and `class_hierarchy`,
    the class of each, the outermost first; last of both stands the operator."""
    for entry in node.metadata_props:
        if entry.key == _TOLD + what and _LIST.fullmatch(entry.value):
            return [match[1] for match in _QUOTED.finditer(entry.value)]
    return []
