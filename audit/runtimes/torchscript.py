"""TorchScript files: rates, activations, CAM, and Grad-CAM by torch's own autograd."""

from __future__ import annotations

from pathlib import Path

from audit.runtimes import RUNTIMES, Model
from audit.runtimes._torch_model import TorchModel
from audit.runtimes._torch_opening import loading, place_for
from audit.runtimes._torch_process import silence
from audit.runtimes._torchscript_arguments import check_arguments
from audit.runtimes._torchscript_graph import ScriptProgram
from audit.runtimes._torchscript_safety import EXPORT, check_file, check_graphs


class TorchScriptRuntime:
    """The TorchScript format."""

    suffixes: tuple[str, ...] = (".pt", ".ts", ".torchscript")

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        place = place_for("A TorchScript file", device, threads)
        contents = check_file(path)
        with loading(path, EXPORT):
            return TorchModel(
                path,
                _program(path, place),
                format="torchscript",
                device=place,
                metadata=contents.metadata,
                example=contents.traced[0] if contents.traced else (),
                again=lambda: _again(path, place),
            )


def _program(path: Path, device: str) -> ScriptProgram:
    import torch

    module = torch.jit.load(str(path), map_location=device).eval()
    check_arguments(module, path)
    check_graphs(module, path)
    for parameter in module.parameters():
        parameter.requires_grad_(requires_grad=False)
    return ScriptProgram(module)


def _again(path: Path, device: str) -> ScriptProgram:
    check_file(path)  # it may have been changed since
    with silence():
        return _program(path, device)


RUNTIMES.add("torchscript", TorchScriptRuntime())
