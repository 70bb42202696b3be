"""Parsing an ONNX file and refusing what could do harm, before anything of it is run or anything beside it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._onnx_limits import MOST
from audit.runtimes._onnx_weights import ASIDE

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

# Operators of com.microsoft that hold, or name a file with, code compiled for some device.
COMPILED = frozenset({"EPContext", "Snpe"})
BLOCKED = "com.microsoft.nchwc"  # operators on channels in blocks, as wide as the processor's registers
DEEPEST = 100  # functions within functions
MOST_NODES = 200_000  # with all functions written out
MOST_AXES = 64
LONGEST = 4096  # characters of a file's name with its folders
KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def read_safely(path: Path) -> ModelProto:
    """The parsed file; tensors stored outside it are checked but not loaded.

    Raises:
        ModelError: not an ONNX file, broken, or a file beside it is missing.
        UnsafeModel: it wants files outside its folder, or operators that come with foreign code.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:
        raise ModelError("not an ONNX model, or cut short", where=path, hint="Export or copy it again") from error
    if not model.ir_version or not model.graph.output or not model.graph.node:
        raise ModelError("not an ONNX model: it holds no network", where=path)
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise ModelError("the ONNX file is damaged: it holds names that are no text", where=path)
    sizes: dict[str, int] = {}
    for tensor in _tensors(model):
        _check_external(tensor, path, sizes)
        _check_length(tensor, path, sizes)
    _check_sizes(model, path)
    _check_domains(model, path)
    _check_functions(model, path)
    return model


def external_files(model: ModelProto, path: Path) -> tuple[Path, ...]:
    """The files beside the model that hold its larger tensors, in alphabetical order."""
    entries = (entry for tensor in _tensors(model) for entry in tensor.external_data)
    names = {entry.value for entry in entries if entry.key == "location"} - {ASIDE}
    return tuple(path.parent / name for name in sorted(names))


def _check_sizes(model: ModelProto, path: Path) -> None:
    """What a sparse tensor leaves out comes back when it is unpacked."""
    shapes = [tensor.dims for tensor in _tensors(model)]
    sparse = [tensor.dims for tensor in _sparse_tensors(model)]
    if any(len(shape) > MOST_AXES for shape in (*shapes, *sparse)):
        raise UnsafeModel("a weight has an impossible shape", where=path)
    for shape in sparse:
        if math.prod(shape) > MOST:
            raise UnsafeModel(
                "a sparse weight unpacks to far more numbers than a network has", value=[*shape], where=path
            )


def _check_external(tensor: TensorProto, path: Path, sizes: dict[str, int]) -> None:
    """Where a tensor is stored; `sizes` are the bytes of the files that were found good."""
    folder = path.parent.resolve()
    locations = [entry.value for entry in tensor.external_data if entry.key == "location"]
    if tensor.external_data and not locations:
        raise ModelError(f"the tensor {tensor.name!r} is stored in a file that is not named", where=path)
    for location in locations:
        if location in sizes:
            continue
        if len(location) > LONGEST:
            raise UnsafeModel(f"the tensor {tensor.name!r} is stored in a file whose name is far too long", where=path)
        parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
        absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
        memory = "_ORT_MEM_ADDR_" in location  # onnxruntime's own word for an address in memory
        if (
            memory
            or "\0" in location
            or absolute
            or ".." in parts
            or not (folder / location).resolve().is_relative_to(folder)
        ):
            raise UnsafeModel(
                f"the tensor {tensor.name!r} is stored in a file outside the model's folder",
                value=location,
                allowed="a file in the folder of the model, links followed",
                where=path,
                hint="Put the model and its data files into one folder",
            )
        if not (folder / location).is_file():
            raise ModelError(
                "a data file of the model is missing beside it",
                value=location,
                where=path,
                hint="Copy it into the model's folder, under this name: it holds the weights",
            )
        sizes[location] = (folder / location).stat().st_size


def _check_length(tensor: TensorProto, path: Path, sizes: Mapping[str, int]) -> None:
    """A copy that broke off has lost the end of the weights."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    if not told.get("length", "").isdecimal() or len(told["length"]) > LONGEST:  # it need not say
        return
    offset = told.get("offset", "0")
    end = int(told["length"]) + (int(offset) if offset.isdecimal() and len(offset) <= LONGEST else 0)
    size = sizes[told["location"]]
    if end > size:
        raise ModelError(
            "a data file of the model is cut short",
            value=f"{told['location']} of {size:,} bytes",
            allowed=f"at least {end:,} bytes, for the tensor {tensor.name!r}",
            where=path,
            hint="Copy it again: it holds the weights",
        )


def _check_domains(model: ModelProto, path: Path) -> None:
    local = {(function.domain, function.name) for function in model.functions}
    if any(node.domain == BLOCKED for node in _nodes(model)):
        raise UnsafeModel(
            "the file is laid out for one kind of processor, as onnxruntime saves what it has optimized to the end",
            value=BLOCKED,
            where=path,
            hint="Take the file that it was made from, or save it with the optimization level extended or basic",
        )
    for node in _nodes(model):
        if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in local:
            raise UnsafeModel(
                f"the operator {node.op_type!r} of the domain {node.domain!r} needs code that is not part of the file",
                allowed=[domain for domain in KNOWN_DOMAINS if domain],
                where=path,
                hint="Export the model with standard operators",
            )
        if node.domain == "com.microsoft" and node.op_type in COMPILED:
            raise UnsafeModel(
                f"the operator {node.op_type!r} runs code compiled for one kind of device",
                where=path,
                hint="Export the model with standard operators",
            )


def _check_functions(model: ModelProto, path: Path) -> None:
    """The file's own functions end, and do not multiply beyond measure when they are written out."""
    known = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: list[NodeProto], inside: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nested_nodes(nodes):
            called = (node.domain, node.op_type)
            if called in inside or len(inside) > DEEPEST:
                raise UnsafeModel("a function of the file calls itself", value=node.op_type, where=path)
            if called in known and called not in sizes:
                sizes[called] = size(list(known[called].node), (*inside, called))
            total += sizes.get(called, 1)
        return total

    total = size(list(model.graph.node), ())
    if total > MOST_NODES:
        raise UnsafeModel("the functions of the file make far too many operators", value=f"{total:,}", where=path)


def _texts(message: Any) -> Iterator[str | bytes]:
    """Every text of the file but the comments; bytes where it is no UTF-8, which the parser lets through."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING and field.name != "doc_string":
            yield from (value,) if isinstance(value, str | bytes) else value
        elif field.type == field.TYPE_MESSAGE:
            for part in (value,) if hasattr(value, "ListFields") else value:
                yield from _texts(part)


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    for graph in (
        model.graph,
        *(step for info in model.training_info for step in (info.initialization, info.algorithm)),
    ):
        yield from nested_nodes(graph.node)
    for function in model.functions:
        yield from nested_nodes(function.node)


def nested_nodes(nodes: list[NodeProto]) -> Iterator[NodeProto]:
    """These nodes and those in the bodies of their branches and loops."""
    for node in nodes:
        yield node
        for graph in bodies(node):
            yield from nested_nodes(graph.node)


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node carries as attributes: branches and loops."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    yield model.graph
    for info in model.training_info:
        yield from (info.initialization, info.algorithm)
    for node in _nodes(model):
        yield from bodies(node)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    for node in _nodes(model):
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
    for graph in _graphs(model):
        yield from graph.initializer
    for sparse in _sparse_tensors(model):
        yield from (sparse.values, sparse.indices)


def _sparse_tensors(model: ModelProto) -> Iterator[SparseTensorProto]:
    for node in _nodes(model):
        for attribute in node.attribute:
            yield attribute.sparse_tensor
            yield from attribute.sparse_tensors
    for graph in _graphs(model):
        yield from graph.sparse_initializer
