"""Old files in the operators of today, in memory, so that the reader of the graph has one dialect to know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from audit.runtimes._onnx_limits import SMALL
from audit.runtimes._onnx_session import one_line
from audit.runtimes._onnx_weights import is_aside

if TYPE_CHECKING:
    from onnx import ModelProto

OLDEST = 13  # before it, bounds and axes of common operators stand elsewhere and softmax means something else


def operator_set(model: ModelProto) -> int | None:
    """The version of the standard operators that the file asks for."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)


def lift(model: ModelProto, path: Path) -> tuple[ModelProto, str | None]:
    """The model with its own functions written out, and at least version 13 of the operator set.

    Returns:
        The model, and why it could not be lifted (then it is the one given), or None.
    """
    import onnx
    from onnx import version_converter

    opset = operator_set(model)
    if opset is None:
        return model, "the file does not say which version of the operators it uses"
    try:
        if model.functions:
            model = _written_out(model)
        if opset < OLDEST:
            whole = onnx.ModelProto()
            whole.CopyFrom(model)
            _read_small(whole, path.parent.resolve())
            references = {tensor.name: tensor for tensor in whole.graph.initializer if tensor.external_data}
            model = version_converter.convert_version(whole, OLDEST)
            for tensor in model.graph.initializer:  # of which older releases of onnx leave nothing
                if tensor.name in references:
                    tensor.CopyFrom(references[tensor.name])
    except Exception as error:  # noqa: BLE001 - onnx raises whatever its C++ side throws
        return model, f"the file uses version {opset} of the operators and could not be lifted ({one_line(error)})"
    return model, None


def _read_small(model: ModelProto, folder: Path) -> None:
    """The small constants that lie outside of the file: among them are those that the converter has to know, such as
    shapes. Of large ones it only hands the reference on."""
    from onnx.external_data_helper import load_external_data_for_tensor

    for tensor in model.graph.initializer:
        if tensor.external_data and not is_aside(tensor) and math.prod(tensor.dims) <= SMALL:
            load_external_data_for_tensor(tensor, str(folder))
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


def _written_out(model: ModelProto) -> ModelProto:
    """The model without functions of its own. What torch tells beside the call of one, its path in the network, goes on
    to the node that gives its value."""
    from onnx import inliner

    told = {name: node.metadata_props for node in model.graph.node for name in node.output}
    made: ModelProto = inliner.inline_local_functions(model)
    for node in made.graph.node:
        if not node.metadata_props:
            node.metadata_props.extend(entry for name in node.output for entry in told.get(name, ()))
    return made
