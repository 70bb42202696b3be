"""What a TorchScript file may contain. Checked on the bytes before it is loaded, and on its graphs before it runs.

Loading is not harmless: `__setstate__` methods of the file run during it, and TorchScript can write files
(`torch.from_file(..., shared=True)`, `torch.save`). So the file's source text is searched first, by the very reader
that loads it. Graphs are searched after loading, where an operator can't hide behind another name.
"""

# ruff: noqa: SLF001  torch has no public way to read or extend a graph

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._torch_archive import check_archive, checkpoint
from audit.runtimes._torch_program import walk

NAMESPACES = frozenset(
    {"aten", "prim", "prims", "quantized", "_quantized", "sparse", "mkldnn", "mkldnn_prepacked", "onednn", "profiler"}
    | {"torchvision"}
)
CLASSES = frozenset({"quantized", "sparse", "xnnpack", "mkldnn", "rnn"})  # of torch.classes
OPERATORS = frozenset(
    {"aten::from_file", "aten::save", "aten::load", "prim::rpc_async", "prim::rpc_sync", "prim::rpc_remote"}
    | {"prim::PythonOp", "prim::IgnoredPythonOp"}
)
KIND = "TorchScript"
EXPORT = "Export the network with torch.jit.trace(model.eval(), example).save(path)"

_GAP = r"(?:\s|\\|#[^\n]*\n)*"  # what TorchScript's lexer skips between two words
_NEVER = re.compile(r"\b(from_file|rpc_async|rpc_sync|rpc_remote)\b")
_SAVING = re.compile(rf"\b(?:torch|aten){_GAP}\.{_GAP}(save)\b|\b(save){_GAP}\(")
_PLAIN_GETATTR = re.compile(r"""\bgetattr\([\w.]+, ?["']\w+["']\)""")
_FREE_OPS = re.compile(rf"\bops\b(?!\.(?:{'|'.join(sorted(NAMESPACES))})\.\w+\()")
_CLASS = re.compile(r"torch\.classes\.(\w+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a file says about itself: extra files as text, and the shapes of the inputs it was traced with."""

    metadata: dict[str, str] = field(default_factory=dict)
    traced: tuple[tuple[int, ...], ...] = ()


def check_file(path: Path) -> Contents:
    """Refuse a file that is no TorchScript archive, or whose source could do harm on loading.

    Raises:
        UnsafeModel: a pickle or a checkpoint, a zip bomb, members that leave the archive, code that reads or writes
            files.
        ModelError: no TorchScript file at all, or a broken one.
    """
    import torch

    members = check_archive(path, kind=KIND, export=EXPORT)
    if "archive_format" in members:
        raise ModelError("this is a torch.export file", where=path, hint="Give it the suffix .pt2")
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        records = list(reader.get_all_records())
        code = [name for name in records if name.startswith("code/") and name.endswith(".py")]
        source = "\n".join(_text(reader, name) for name in code)
        pickles = [reader.get_record(name) for name in records if name.endswith(".pkl") and "/" not in name]
        extra = {n.removeprefix("extra/"): _text(reader, n) for n in records if n.startswith("extra/")}
        traced = reader.get_record("traced_inputs.pkl") if "traced_inputs.pkl" in records else b""
    except RuntimeError as error:
        raise ModelError("the TorchScript file can't be read; it may be cut short", where=path) from error
    if not code:
        raise checkpoint(path, kind=KIND, export=EXPORT)
    _check_source(source, path)
    for content in pickles:
        _check_pickle(content, path)
    return Contents(metadata=extra, traced=_traced_shapes(traced))


def check_graphs(module: Any, path: Path) -> None:
    """Refuse a loaded module whose graphs hold an operator that reaches outside, or one from an unknown library."""
    left = False
    for node in _method_nodes(module):
        _check_operator(node.kind(), path)
        left = left or node.kind() in ("prim::CallMethod", "prim::CallFunction")
    if left:  # calls through an interface: whichever submodule answers them
        for child in module.modules():
            for node in _method_nodes(child):
                _check_operator(node.kind(), path)


def _method_nodes(module: Any) -> Iterator[Any]:
    for name in module._c._method_names():
        yield from walk(module._c._get_method(name).inlined_graph)


def _check_operator(kind: str, path: Path) -> None:
    if kind in OPERATORS:
        raise UnsafeModel(f"the model calls {kind}, which reaches outside the model", where=path, hint=EXPORT)
    if kind.split("::", 1)[0] not in NAMESPACES:
        raise UnsafeModel(
            "the model calls an operator of a library that nobody vouches for",
            value=kind,
            allowed=sorted(NAMESPACES),
            where=path,
        )


def _text(reader: Any, name: str) -> str:
    return bytes(reader.get_record(name)).decode("utf-8", "replace")


def _check_source(source: str, path: Path) -> None:
    found = _NEVER.search(source) or _SAVING.search(source)
    if found is None and "__setstate__" in source:
        # Runs while loading, before any graph can be looked at: here not even the names may stand, nor ways to
        # spell them in parts.
        strange = _PLAIN_GETATTR.sub("", source)
        found = re.search(r"\b(save)\b", source) or re.search(r"\b(getattr)\b", strange) or _FREE_OPS.search(source)
    if found is not None:
        word = next((group for group in found.groups() if group), found.group())
        raise UnsafeModel(
            f"the model's code names {word}, with which it could read or write files", where=path, hint=EXPORT
        )
    _check_classes(source, path)


def _check_pickle(content: bytes, path: Path) -> None:
    """The reader resolves names to the file's code or to torch.classes; look at the names without running."""
    try:
        names = [str(arg).replace(" ", ".") for op, arg, _ in pickletools.genops(content) if op.name == "GLOBAL"]
    except Exception as error:  # pickletools raises several kinds on garbage
        raise ModelError("the TorchScript file is broken", where=path) from error
    _check_classes("\n".join(names), path)


def _check_classes(text: str, path: Path) -> None:
    for name in _CLASS.findall(text):
        if name not in CLASSES:
            raise UnsafeModel(
                "the model holds an object of a library that nobody vouches for",
                value=f"torch.classes.{name}",
                allowed=sorted(CLASSES),
                where=path,
            )


def _traced_shapes(content: bytes) -> tuple[tuple[int, ...], ...]:
    """Shapes of the example inputs that torch.jit.trace stored; () where there are none or they can't be read."""
    if not content:
        return ()
    try:
        inputs = _ShapesOnly(io.BytesIO(content)).load()["forward"]
    except Exception:  # noqa: BLE001 a hint only: a file without a readable one is no worse
        return ()
    return tuple(value for value in inputs if isinstance(value, tuple) and all(isinstance(n, int) for n in value))


class _ShapesOnly(pickle.Unpickler):
    """Reads tensors as their shapes; knows five names and refuses every other."""

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002 the storage is not wanted
        return None

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, *rest: tuple(size)  # noqa: ARG005 pickle calls by position
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return lambda value, tag: value  # noqa: ARG005 pickle calls by position
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name.endswith("Storage"):
            return str
        raise pickle.UnpicklingError(f"{module}.{name}")
