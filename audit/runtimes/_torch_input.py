"""What a network of torch wants to be fed: its type, and what is known of the picture's shape."""

from __future__ import annotations

from typing import Any

from audit.runtimes import TensorSpec
from audit.runtimes._torch_layers import CONVOLUTIONS
from audit.runtimes._torch_program import Program, operator

_ELEMENTWISE = {"add", "sub", "mul", "div", "pad", "constant_pad_nd", "to", "float", "contiguous", "clamp"}


def computing_type(program: Program) -> Any:
    """The floating type of the first weight, torch.float32 where there is none."""
    import torch

    for value in program.weights():
        if value.is_floating_point():
            return value.dtype
    for node in program.nodes:  # a frozen file keeps its weights as constants
        constant = program.attribute(node.outputsAt(0)) if node.kind() == "prim::Constant" else None
        if isinstance(constant, torch.Tensor) and constant.is_floating_point() and constant.dim() > 1:
            return constant.dtype
    return torch.float32


def image_input(program: Program, kind: Any, example: tuple[int | None, ...] = ()) -> TensorSpec:
    """The image input. Its size is that of the `example` which the file has kept, if it has; the batch is free."""
    shape: tuple[int | None, ...] = (None, _channels(program), None, None)
    if len(example) == 4:
        shape = (None, *example[1:])
    return TensorSpec(name=program.argument, shape=shape, dtype=_fed(kind))


def _fed(kind: Any) -> str:
    """The type that pictures are made in for a network that computes in this one."""
    return {"torch.float16": "float16", "torch.uint8": "uint8"}.get(str(kind), "float32")


def fixed_batches(program: Program) -> list[int]:
    """Batch sizes that the graph may have been traced with: first sizes of the shapes written into it."""
    found = set()
    for node in program.nodes:
        if operator(node) in {"view", "reshape"}:
            size = node.inputsAt(1)
            if size.node().kind() == "prim::ListConstruct":  # the rest of the shape may be computed
                size = next(iter(size.node().inputs()), size)
            given = program.attribute(size)
            first = given[0] if isinstance(given, list) and given else given
            if isinstance(first, int) and 1 < first <= 1024:
                found.add(first)
    return sorted(found)


def _channels(program: Program) -> int | None:
    """The channels that the first convolution wants, where nothing before it changes their number."""
    import torch

    values = [program.image]
    for _ in range(20):
        if not values:
            break
        for user in program.users(values.pop()):
            node = program.nodes[user]
            if operator(node) in CONVOLUTIONS and "transpose" not in node.kind():
                weight = program.attribute(node.inputsAt(1))
                groups = next((v for v in reversed(list(node.inputs())) if str(v.type()) == "int"), None)
                count = program.attribute(groups) if groups is not None else 1
                return int(weight.shape[1]) * int(count or 1) if isinstance(weight, torch.Tensor) else None
            if operator(node) in _ELEMENTWISE:
                values.append(node.outputsAt(0))
    return None
