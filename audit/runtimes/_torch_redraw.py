"""The weights of the last layers of a network of torch drawn anew, in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.errors import ModelError
from audit.runtimes._redraw import NO_WEIGHTS, is_weight, last_places, new_order
from audit.runtimes._torch_program import Program, operator, walk

# A matrix may be turned on its way into the product.
MULTIPLYING = {"linear", "matmul", "mm", "addmm", "bmm", "conv2d", "conv_transpose2d", "convolution"}
MULTIPLYING |= {"t", "transpose", "permute", "numpy_T"}


def redraw(program: Program, share: float, seed: int) -> tuple[int, int]:
    """Change a program that nobody else uses; how many layers differ now, and how many have weights.

    Raises:
        ModelError: there is nothing to change.
    """
    import torch

    places: dict[int, tuple[int, Any]] = {}
    for place, node in enumerate(program.nodes):
        for kind, tensor in _read(program, node):
            if _changeable(tensor) and is_weight(tensor.shape, multiplied=kind in MULTIPLYING):
                places[tensor.data_ptr()] = (place, tensor)
    if not places:
        raise ModelError(NO_WEIGHTS)
    chosen = last_places((place for place, _ in places.values()), share)
    with torch.no_grad():
        for number, (place, tensor) in enumerate(places.values()):
            if place in chosen:
                order = torch.from_numpy(new_order(tensor.numel(), seed, number)).to(tensor.device)
                tensor.copy_(tensor.reshape(-1)[order].reshape(tensor.shape))
    return len(chosen), len({place for place, _ in places.values()})


def _read(program: Program, node: Any) -> Iterator[tuple[str, Any]]:
    """The tensors of the file that a node and its branches compute with, each with the operator."""
    import torch

    for inner in [node, *(one for block in node.blocks() for one in walk(block))]:
        for value in inner.inputs():
            held = program.attribute(value)
            for one in held if isinstance(held, list) else [held]:
                if isinstance(one, torch.Tensor):
                    yield operator(inner), one


def _changeable(tensor: Any) -> bool:
    import torch

    plain = not tensor.is_quantized and tensor.layout == torch.strided
    return plain and (tensor.is_floating_point() or tensor.dtype in (torch.int8, torch.uint8))
