"""A network of torch as one flat graph, whatever file it came in, and what can be asked of it.

Nodes and values follow the names that torch's own graphs have: a node has `kind()`, `inputs()`, `inputsAt(i)`,
`outputsAt(0)` and `blocks()`, a value `node()`, `unique()` and `type()`. A value is addressed by its *place*, the
number of the node that makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What a tapped pass gave: what the module returns, the values asked for, strengths [3, B] by layer, the leaf."""

    returned: Any
    values: list[Any]
    strengths: list[Any]
    leaf: Any


class Tapped(Protocol):
    """A forward pass that also gives back values from inside."""

    def __call__(self, images: Any, /) -> Taken: ...


class Resumed(Protocol):
    """A forward pass that goes on from a layer: pictures and the layer's value in, logits out."""

    def __call__(self, images: Any, value: Any, /) -> Any: ...


class Program(Protocol):
    """The forward of a network that takes one tensor (and others with defaults).

    `outputs` maps names to the graph's values; a name is there even where the value is only put together at run
    time, then with None. `chatty`: it may print or warn when it runs.
    """

    nodes: list[Any]
    image: Any
    argument: str  # the image's name
    outputs: dict[str, Any]
    chatty: bool

    def maker(self, value: Any) -> int | None:
        """The place of a value; None for an input of the graph."""

    def users(self, value: Any) -> Sequence[int]:
        """The nodes that compute with a value, or hold a branch that does, in order."""

    def leaves(self, value: Any) -> bool:
        """Whether a value is an output of the model."""

    def attribute(self, value: Any) -> Any:
        """The parameter or constant that a value stands for, None where it is computed."""

    def scope(self, node: Any) -> tuple[str, ...]:
        """The path of modules around a node, `("layers", "0", "relu")`; empty where the file has lost it."""

    def around(self, node: Any) -> str:
        """The class of the innermost module around a node, `ReLU`; empty where the file has lost it."""

    def weights(self) -> Sequence[Any]:
        """Parameters and buffers."""

    def arrange(self, order: Any) -> None:
        """Bring the weights into this order of axes in memory."""

    def __call__(self, images: Any, /) -> Any:
        """What the network returns, as it stands in the file; nothing is recorded for gradients. The pictures stay as
        they are, here and in every other pass, though many networks write over them (`x.sub_(mean)`)."""

    def tapped(
        self,
        values: Sequence[Any] = (),
        strengths: Sequence[tuple[int, bool, bool, int]] = (),
        leaf: int | None = None,
    ) -> Tapped:
        """A pass with values from inside.

        Args:
            values: values of the graph to give back as they are.
            strengths: layers to reduce: place, whether to clip at 0 first, whether channels are last, how many of its
                tokens to leave out at the front.
            leaf: place of the layer whose gradient is wanted: it is cut off from what is before it, so that gradients
                are recorded for the tail of the network only.
        """

    def resumed(self, logits: Any, place: int) -> Resumed:
        """The pass from a layer on, to a value of the graph. What else that reads of the pictures is computed again.

        Args:
            logits: the value wanted.
            place: of the layer whose value is given.
        """


_ALIKE = {"convolution_mode": "conv2d"}  # what traced files have for padding="same": it takes the same arguments


def operator(node: Any) -> str:
    """`relu` for aten::relu and aten::relu_, the whole kind for what is not aten."""
    kind: str = node.kind()
    plain = kind.removeprefix("aten::").rstrip("_").lstrip("_") if kind.startswith("aten::") else kind
    return _ALIKE.get(plain, plain)


def depending(program: Program) -> set[int]:
    """The places of what depends on the picture."""
    found: set[int] = set()
    values = [program.image]
    while values:
        new = [place for place in program.users(values.pop()) if place not in found]
        found.update(new)
        values += [value for place in new for value in program.nodes[place].outputs()]
    return found


def in_place(node: Any) -> bool:
    kind: str = node.kind()
    return kind.endswith("_") and not kind.endswith("__")


def walk(block: Any) -> Iterator[Any]:
    """Every node of a graph or block, those in nested blocks and subgraphs included."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from walk(inner)
        for name in node.attributeNames():
            if node.kindOf(name) == "g":
                yield from walk(node.g(name))


def tensors(value: Any) -> dict[str, Any]:
    """What a model returned, by output name: a tensor is `output`, a dictionary has its keys, a named tuple its
    fields, another sequence `output0`, `output1`; what is no tensor is left out."""
    import torch

    return named_outputs(value, torch.Tensor)


def named_outputs(value: Any, kind: type) -> dict[str, Any]:
    """The same for what stands for tensors: members of a class."""
    if isinstance(value, kind):
        return {"output": value}
    if isinstance(value, dict):
        named = {str(key): one for key, one in value.items()}
    elif isinstance(value, tuple | list):
        fields = getattr(value, "_fields", [f"output{i}" for i in range(len(value))])
        named = dict(zip(fields, value, strict=True))
    else:
        named = {}
    return {name: one for name, one in named.items() if isinstance(one, kind)}
