"""Large weights of an ONNX model, kept in memory once: the model and its copies hold a reference to each.

A copy with taps is handed to onnxruntime in bytes. With 240 MB of weights in each, several copies of them were in
memory at a time, and beyond 2 GB, where protobuf ends, there was no copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto
    from onnxruntime import OrtValue, SessionOptions

LARGE = 2**16  # bytes
ASIDE = "../bias_audit.memory"  # the file that a reference names: outside the model's folder, so that no model may


class Weights:
    """The numbers of a model's constants, wherever they are kept.

    Args:
        folder: where data outside of the file lies.
        aside: those that the model holds a reference to, by name.
    """

    def __init__(self, folder: Path, aside: Mapping[str, NDArray[Any]] | None = None) -> None:
        self._folder = str(folder)
        self._aside = dict(aside or {})
        self._values: dict[str, OrtValue] = {}

    def array(self, tensor: TensorProto) -> NDArray[Any]:
        """The numbers of a tensor of the model, to be read only. Raises whatever onnx does where there are none."""
        from onnx import numpy_helper

        if is_aside(tensor):
            return self._aside[tensor.name]
        array: NDArray[Any] = numpy_helper.to_array(tensor, self._folder)
        return array

    def changed(self, others: Mapping[str, NDArray[Any]]) -> Weights:
        """With others in the place of some."""
        return Weights(Path(self._folder), {**self._aside, **others})

    def give(self, model: ModelProto, options: SessionOptions) -> list[OrtValue]:
        """Tell onnxruntime those that a copy refers to. It reads them where they are: what is returned has to live as
        long as the session."""
        names = [tensor.name for tensor in model.graph.initializer if is_aside(tensor)]
        values = [self._value(name) for name in names]
        if names:
            options.add_external_initializers(names, values)
        return values

    def _value(self, name: str) -> OrtValue:
        from onnxruntime import OrtValue

        if name not in self._values:
            self._values[name] = OrtValue.ortvalue_from_numpy(self._aside[name])
        return self._values[name]


def put_aside(model: ModelProto, folder: Path) -> tuple[ModelProto, Weights]:
    """The model with references in the place of large weights, and the weights. The one given is not to be used any
    more."""
    aside: dict[str, NDArray[Any]] = {}
    for tensor in model.graph.initializer:
        if tensor.HasField("raw_data") and may_stand_aside(tensor, tensor.ByteSize()):
            try:
                aside[tensor.name] = Weights(folder).array(tensor)
            except ValueError:
                continue  # more or fewer numbers than its shape says: onnxruntime will say so
            refer(tensor)
    if aside:  # parsed anew, for protobuf keeps the memory of fields that were cleared
        model = type(model).FromString(model.SerializeToString())
    return model, Weights(folder, aside)


def refer(tensor: TensorProto) -> None:
    """Leave nothing of a tensor but a reference."""
    from onnx import TensorProto

    reference = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    reference.data_location = TensorProto.EXTERNAL
    reference.external_data.add(key="location", value=ASIDE)
    tensor.CopyFrom(reference)


def is_aside(tensor: TensorProto) -> bool:
    return any(entry.value == ASIDE for entry in tensor.external_data)


def may_stand_aside(tensor: TensorProto, size: int) -> bool:
    """Whether a tensor of this many bytes is large, and of a type that numpy and onnxruntime share."""
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    whole = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64)
    return size >= LARGE and tensor.data_type in (*floats, *whole)
