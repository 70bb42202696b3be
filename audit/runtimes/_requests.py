"""What can be asked of a model: its own outputs and layers, in ways that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.errors import ModelError, UsageError, nearest
from audit.runtimes import REDUCTIONS, Layer, Request, TensorSpec


def check_request(request: Request, outputs: Sequence[TensorSpec], path: Path) -> None:
    """Raises UsageError for an output, and ModelError for a reduction, that there is not."""
    names = [spec.name for spec in outputs]
    if request.output not in names:
        hint = nearest(request.output, names)
        raise UsageError("the model has no such output", value=request.output, allowed=names, hint=hint)
    for name, reductions in request.reductions.items():
        for unknown in set(reductions) - set(REDUCTIONS):
            raise ModelError(f"unknown reduction of the layer {name!r}", value=unknown, allowed=REDUCTIONS)
    if (request.tail or request.gradients) and request.cam_layer is None:
        raise ModelError("gradients and the network behind a layer need a layer", where=path)


def tappable(name: str, layers: Sequence[Layer], path: Path, *, spatial: bool = False) -> Layer:
    """The layer of this name. Raises ModelError where there is none, or it can't be tapped or is no map."""
    known = {layer.name: layer for layer in layers}
    if name not in known:
        hint = nearest(name, known)
        raise ModelError("the model has no such layer", value=name, allowed=known, where=path, hint=hint)
    layer = known[name]
    reason = layer.reason or ("it is a vector, not a map" if spatial and not layer.spatial else None)
    if reason is not None:
        raise ModelError(f"the layer {name!r} can't be looked at: {reason}", where=path)
    return layer
