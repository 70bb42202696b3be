"""What a TorchScript file may contain. Checked on the bytes before it is loaded, and on its graphs before it runs.

Loading is not harmless: `__setstate__` methods of the file run during it, and TorchScript can write files
(`torch.from_file(..., shared=True)`, `torch.save`). So the file's source text is searched first, by the very reader
that loads it. Graphs are searched after loading, where an operator can't hide behind another name.
"""

# ruff: noqa: SLF001  torch has no public way to read or extend a graph

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._torch_archive import check_agreement, check_archive, checkpoint
from audit.runtimes._torch_program import walk
from audit.runtimes._torchscript_nesting import check_nesting
from audit.runtimes._torchscript_pickles import check_names, check_places, check_tensors, first_shapes, read

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
_EXAMPLES = "traced_inputs.pkl"

_NEVER = re.compile(r"\b(from_file|rpc_async|rpc_sync|rpc_remote)\b")
# A comment in the gap could hide what comes: no code that torch writes has one there.
_SAVING = re.compile(r"\b(?:torch|aten)[\s\\]*+(?:#|\.[\s\\]*+(?:(save)\b|#))|\b(save)[\s\\]*+[(#]")
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
        check_agreement(reader, members, path)
        records = list(members)
        code = [name for name in records if name.startswith("code/") and name.endswith(".py")]
        texts = [_text(reader, name) for name in code]
        pickles = {n: bytes(reader.get_record(n)) for n in records if n.endswith(".pkl") and "/" not in n}
        places = [bytes(reader.get_record(name)) for name in records if name.endswith(".debug_pkl")]
        extra = {n.removeprefix("extra/"): _text(reader, n) for n in records if n.startswith("extra/")}
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError("the TorchScript file can't be read; it may be cut short", where=path) from error
    if not code:
        raise checkpoint(path, kind=KIND, export=EXPORT)
    _check_source("\n".join(texts), path)
    for text in texts:
        check_nesting(text, path)
    traced: tuple[tuple[int, ...], ...] = ()
    for name, content in pickles.items():
        found = read(content, path)
        _check_classes("\n".join(found.names), path)
        check_names(found, path)
        if name == _EXAMPLES:  # kept without their bytes, and never loaded
            traced = first_shapes(found)
        else:
            folder = f"{name.removesuffix('.pkl')}/"
            check_tensors(found, {n.removeprefix(folder): members[n] for n in records if n.startswith(folder)}, path)
    for content in places:
        check_places(read(content, path), path)
    return Contents(metadata=extra, traced=traced)


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
        word = next((group for group in found.groups() if group), " ".join(found.group().split()))
        raise UnsafeModel(
            f"the model's code names {word}, with which it could read or write files", where=path, hint=EXPORT
        )
    _check_classes(source, path)


def _check_classes(text: str, path: Path) -> None:
    for name in _CLASS.findall(text):
        if name not in CLASSES:
            raise UnsafeModel(
                "the model holds an object of a library that nobody vouches for",
                value=f"torch.classes.{name}",
                allowed=sorted(CLASSES),
                where=path,
            )
