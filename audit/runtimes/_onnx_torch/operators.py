"""The table of operators, and what a function of it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """An operator is used in a way that has no function here; says which."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One node: its operator, its attributes, the version of the operator set, how many values it makes."""

    operator: str
    attributes: Mapping[str, Any]
    opset: int
    outputs: int = 1

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def refuse(self, why: str) -> Unsupported:
        return Unsupported(f"{self.operator} {why}")


# From the node and its inputs (None where one is left out) to its value, or its values where it makes several.
Function = Callable[..., Any]
# By domain and name: "Attention" of com.microsoft is another operator than ONNX's own, whose domain is "".
OPERATORS: dict[tuple[str, str], Function] = {}
MICROSOFT = "com.microsoft"


def operator(*names: str, domain: str = "") -> Callable[[Function], Function]:
    """Enter a function under the names of the operators that it computes."""

    def enter(function: Function) -> Function:
        OPERATORS.update({(domain, name): function for name in names})
        return function

    return enter


def whole(values: Any) -> list[int]:
    """A tensor of whole numbers as a list."""
    return [int(value) for value in values.reshape(-1).tolist()]


def axes_of(call: Call, given: Any, dims: int) -> list[int]:
    """Axes from an input, or from the attribute that older versions have, counted from the front."""
    axes = call.get("axes", []) if given is None else whole(given)
    return [axis % dims for axis in axes] if dims else []


def along(values: Any, axis: int, dims: int) -> Any:
    """A vector so that it broadcasts over one axis of a tensor; a single number as it is."""
    if values is None or values.numel() == 1:
        return None if values is None else values.reshape(())
    return values.reshape([-1 if at == axis % dims else 1 for at in range(dims)])


def pairs(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """Paddings in torch's order: the last axis first, begin and end of each."""
    return [size for pair in zip(reversed(begin), reversed(end), strict=True) for size in pair]
