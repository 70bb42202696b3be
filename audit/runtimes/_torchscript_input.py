"""What a TorchScript file wants to be fed: which argument is the picture, its type, and what is known of its shape."""

# ruff: noqa: SLF001  torch has no public way to read or extend a graph

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.runtimes import TensorSpec
from audit.runtimes._torchscript_graph import Program, operator
from audit.runtimes._torchscript_layers import CONVOLUTIONS
from audit.runtimes._torchscript_safety import EXPORT, Contents

_ELEMENTWISE = {"add", "sub", "mul", "div", "pad", "constant_pad_nd", "to", "float", "contiguous", "clamp"}


def check_arguments(module: Any, path: Path) -> None:
    """Raises ModelError unless `forward` takes one tensor, and anything else has a default."""
    import torch

    if not module._c._has_method("forward"):
        raise ModelError("the TorchScript file has no forward method", where=path, hint=EXPORT)
    arguments = module._c._get_method("forward").schema.arguments[1:]
    required = [argument for argument in arguments if not argument.has_default_value()]
    odd = [a for a in (required or arguments)[:1] if not isinstance(a.type, torch._C.TensorType)]
    if len(required) > 1 or odd or not arguments:
        raise ModelError(
            "the model needs inputs that can't be given",
            value=", ".join(f"{a.name}: {a.type.annotation_str}" for a in required or arguments) or "no input",
            allowed="one image, a tensor [batch, channels, height, width]",
            where=path,
            hint="Wrap the network in a module whose forward takes the image alone, and export that",
        )


def computing_type(program: Program) -> Any:
    """The floating type of the first weight, torch.float32 where there is none."""
    import torch

    for value in (*program.module.parameters(), *program.module.buffers()):
        if value.is_floating_point():
            return value.dtype
    for node in program.nodes:  # a frozen file keeps its weights as constants
        constant = program.attribute(node.outputsAt(0)) if node.kind() == "prim::Constant" else None
        if isinstance(constant, torch.Tensor) and constant.is_floating_point() and constant.dim() > 1:
            return constant.dtype
    return torch.float32


def image_input(program: Program, kind: Any, contents: Contents) -> TensorSpec:
    """The image input. Its size stands in the file where torch.jit.trace has kept the example; the batch is free."""
    import torch

    shape: tuple[int | None, ...] = (None, _channels(program), None, None)
    traced = contents.traced[0] if contents.traced else ()
    if len(traced) == 4:
        shape = (None, *traced[1:])
    argument = program.module._c._get_method("forward").schema.arguments[1]
    return TensorSpec(name=argument.name, shape=shape, dtype="float16" if kind == torch.float16 else "float32")


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
                return None if weight is None else int(weight.shape[1]) * int(count or 1)
            if operator(node) in _ELEMENTWISE:
                values.append(node.outputsAt(0))
    return None
