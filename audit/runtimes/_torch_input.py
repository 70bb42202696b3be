"""What a network of torch wants to be fed: its type, and what is known of the picture's shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.runtimes import TensorSpec
from audit.runtimes._torch_layers import CONVOLUTIONS
from audit.runtimes._torch_process import check_memory
from audit.runtimes._torch_program import Program, operator
from audit.runtimes._torch_trials import reason_of, untouched

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


def trial_batches(
    program: Program, shape: Sequence[int], example: Sequence[int | None], like: Callable[[Any], Any], path: Path
) -> dict[int, Any]:
    """Noise in the batches that the model takes, by their size: of one and of two pictures where it takes any number.

    Args:
        program: the model.
        shape: of the pictures [B, C, H, W], B of no account.
        example: of the picture that the file was exported with, as far as it is known.
        like: brings noise into the type and to the device that the model wants.
        path: of the file.

    Raises:
        ModelError: it takes no picture of this shape.
    """
    taken, refusals = {}, {}
    for batch in (2, 1, *fixed_batches(program), *(n for n in example[:1] if n)):
        images = like(torch_noise((batch, *shape[1:])))
        try:
            returned = untouched(program, images)
        except RuntimeError as error:
            check_memory(error, trial=path)
            refusals[batch] = reason_of(error)
            continue
        if not returned:
            raise ModelError("the model has no output that is a tensor", where=path)
        if batch == 1 or all(value.shape[:1] == (batch,) for value in returned.values()):
            taken[batch] = images
        if {1, 2} <= taken.keys():
            break
    if not taken:
        size = "x".join(str(n) for n in shape[1:])
        raise ModelError(f"the model does not take pictures of this shape: {refusals[1]}", value=size, where=path)
    return taken


def torch_noise(shape: Sequence[int]) -> Any:
    """The same pictures of noise in every call."""
    import torch

    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))
