"""What an ONNX file says of its inputs and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.runtimes import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto
    from onnxruntime import InferenceSession

    from audit.runtimes._onnx_session import Sessions

NO_BFLOAT = "Export the model in float32 or float16"
PICTURE_DTYPES = ("float32", "float16", "uint8")


def noise_for(picture: TensorSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    """Pictures of noise, always the same, in the type that the model is fed with."""
    import numpy as np

    noise = np.random.default_rng(0).normal(size=shape)
    if picture.dtype == "uint8":
        noise = np.clip(noise * 64 + 128, 0, 255)
    return noise.astype(picture.dtype)


def first_session(file: ModelProto, sessions: Sessions, path: Path) -> InferenceSession:
    """The session of the file as it is. Raises ModelError, in words where the reason is known."""
    from onnx import TensorProto

    try:
        return sessions.open()
    except ModelError as error:
        if not _computes_in(file, TensorProto.BFLOAT16):
            raise
        what = "the model computes in bfloat16, which onnxruntime can't do here"
        raise ModelError(what, where=path, hint=NO_BFLOAT) from error


def computes_in_half(model: ModelProto) -> bool:
    from onnx import TensorProto

    return _computes_in(model, TensorProto.FLOAT16)


def _computes_in(model: ModelProto, kind: int) -> bool:
    """Whether weights are of this type, wherever the file keeps them."""
    written = (one.t for node in model.graph.node if node.op_type == "Constant" for one in node.attribute)
    return any(tensor.data_type == kind for tensor in (*model.graph.initializer, *written))


def _spec(value: ValueInfoProto) -> TensorSpec:
    from onnx import TensorProto, helper

    tensor = value.type.tensor_type
    dims = [d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim]
    # A file may leave the shape open altogether; a picture has four axes.
    shape = tuple(dims) if tensor.HasField("shape") else (None,) * 4
    known = tensor.elem_type in TensorProto.DataType.values()
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if known else f"unknown type {tensor.elem_type}"
    return TensorSpec(name=value.name, shape=shape, dtype=dtype)


def picture_input(file: ModelProto, path: Path) -> TensorSpec:
    """The one input that is not a weight. Raises ModelError where there is no such, or more than the picture."""
    weights = {tensor.name for tensor in file.graph.initializer}
    weights |= {sparse.values.name for sparse in file.graph.sparse_initializer}
    needed = [value for value in file.graph.input if value.name not in weights]
    tensors = [_spec(value) for value in needed if value.type.tensor_type.elem_type]
    pictures = [spec for spec in tensors if len(spec.shape) == 4]
    if not pictures:
        found = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in tensors) or "none"
        raise ModelError("the model takes no pictures", value=found, allowed="an input with four axes", where=path)
    others = [value.name for value in needed if value.name != pictures[0].name]
    if others:
        raise ModelError(
            "the model needs an input besides the picture",
            value=", ".join(others),
            allowed="one input, or further ones with a default value in the file",
            where=path,
        )
    if pictures[0].dtype not in PICTURE_DTYPES:
        raise ModelError(
            f"the input {pictures[0].name!r} has a type that pictures are not fed in",
            value=pictures[0].dtype,
            allowed=PICTURE_DTYPES,
            where=path,
            hint=NO_BFLOAT if pictures[0].dtype == "bfloat16" else None,
        )
    return pictures[0]


def output_specs(file: ModelProto, path: Path) -> tuple[TensorSpec, ...]:
    specs = tuple(_spec(value) for value in file.graph.output if value.type.tensor_type.elem_type)
    if not specs:
        raise ModelError("the model has no output that is a tensor", where=path)
    return specs
