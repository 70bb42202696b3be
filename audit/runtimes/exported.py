"""torch.export files (.pt2): rates, activations, CAM, and Grad-CAM by torch's own autograd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.runtimes import RUNTIMES, Model
from audit.runtimes._exported_devices import on_cpu
from audit.runtimes._exported_graph import ExportedGraph
from audit.runtimes._exported_safety import EXPORT, check_file, weights_only
from audit.runtimes._torch_model import TorchModel
from audit.runtimes._torch_opening import loading, place_for
from audit.runtimes._torch_process import silence

_WRAP = "Wrap the network in a module whose forward takes the image alone, and export that"


class ExportedRuntime:
    """The torch.export format."""

    suffixes: tuple[str, ...] = (".pt2",)

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        place = place_for("A torch.export file", device, threads)
        metadata = check_file(path)
        with loading(path, EXPORT), weights_only():
            graph = _graph(path, place)
            seen = graph.fx_image.meta["val"]
            return TorchModel(
                path,
                graph,
                format="torch.export",
                device=place,
                metadata=metadata,
                example=tuple(n if isinstance(n, int) else None for n in seen.shape),
                wanted=seen.dtype,
                again=lambda: _again(path, place),
            )


def _graph(path: Path, device: str) -> ExportedGraph:
    import torch

    source = on_cpu(path) if device == "cpu" else path
    program = _placed(torch.export.load(source), device)
    module = program.module(check_guards=False)
    image, given = _image(program, module, path)
    for weight in module.parameters():
        weight.requires_grad_(requires_grad=False)
    return ExportedGraph(module, image, given)


def _again(path: Path, device: str) -> ExportedGraph:
    check_file(path)  # it may have been changed since
    with silence(), weights_only():
        return _graph(path, device)


RUNTIMES.add("exported", ExportedRuntime())


def _placed(program: Any, device: str) -> Any:
    """The program on the device it is to run on: an exported one has its own written into it."""
    from torch.export.passes import move_to_device_pass

    held = {tensor.device.type for tensor in program.state_dict.values()}
    return program if held <= {device} else move_to_device_pass(program, device)


def _image(program: Any, module: Any, path: Path) -> tuple[Any, Any]:
    """The one tensor that the network wants, and the arguments of a call. Other inputs that were exported with a plain
    value, such as None, have it written into the graph: they are given the same again."""
    import torch
    from torch.utils import _pytree

    asked = [node for node in module.graph.nodes if node.op == "placeholder"]
    tensors = [node for node in asked if isinstance(node.meta.get("val"), torch.Tensor)]
    plain = [node for node in asked if not node.users and not isinstance(node.meta.get("val"), torch.Tensor)]
    if len(asked) != len(plain) + 1 or len(tensors) != 1 or tensors[0].meta["val"].dim() != 4:
        shapes = ", ".join(f"{node.target}: {tuple(getattr(node.meta.get('val'), 'shape', ()))}" for node in asked)
        raise ModelError(
            "the model needs inputs that can't be given",
            value=shapes or "no input",
            allowed="one image, a tensor [batch, channels, height, width]",
            where=path,
            hint=_WRAP,
        )
    values, at, spec = [node.meta.get("val") for node in asked], asked.index(tensors[0]), program.call_spec.in_spec
    return tensors[0], lambda images: _pytree.tree_unflatten([*values[:at], images, *values[at + 1 :]], spec)
