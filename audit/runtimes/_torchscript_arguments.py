"""What a TorchScript file's forward may ask for."""

# ruff: noqa: SLF001  torch has no public way to read a graph

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.runtimes._torchscript_safety import EXPORT


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
