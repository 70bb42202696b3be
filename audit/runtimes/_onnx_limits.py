"""How large the values inside an ONNX model will be, before it runs: one line of a file can ask for terabytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

MOST = 2**28  # numbers of one value for one picture: 1 GB in float32
SMALL = 1024  # numbers of a constant that may say how large something is


def check_values(model: ModelProto, picture: str, shape: Sequence[int | None], path: Path) -> None:
    """Raises ModelError where a value would have more numbers than a network needs for one picture.

    Sizes come from onnx's shape inference, on a copy without weights; what it can't tell is let through.

    Args:
        model: as it will run.
        picture: name of the input.
        shape: of it, [B, …], None where it is not known yet.
        path: the file, for the message.
    """
    from onnx import ModelProto, shape_inference

    try:
        inferred = shape_inference.infer_shapes(_bones(model, picture, shape), data_prop=True)
    except Exception:  # noqa: BLE001 - onnx raises whatever its C++ side throws; the session will have its say
        return
    assert isinstance(inferred, ModelProto)  # noqa: S101 for the type checker
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        sizes = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if math.prod(max(size, 1) for size in sizes) > MOST * (shape[0] or 1):
            raise ModelError(
                f"a value inside the model, {value.name!r}, is far too large for one picture",
                value=" x ".join(str(size or "any") for size in sizes),
                where=path,
            )


def _bones(model: ModelProto, picture: str, shape: Sequence[int | None]) -> ModelProto:
    """The model without the numbers of its weights, with an input of this shape."""
    from onnx import ModelProto

    bones = ModelProto(ir_version=model.ir_version)
    bones.opset_import.extend(model.opset_import)
    bones.functions.extend(model.functions)
    bones.graph.name = model.graph.name
    bones.graph.node.extend(model.graph.node)
    bones.graph.input.extend(model.graph.input)
    bones.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= SMALL and not tensor.external_data:
            bones.graph.initializer.append(tensor)
        else:
            bones.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    for value in bones.graph.input:
        if value.name == picture:
            del value.type.tensor_type.shape.dim[:]
            for size in shape:
                value.type.tensor_type.shape.dim.add(dim_value=size)  # None: a free one
    return bones
