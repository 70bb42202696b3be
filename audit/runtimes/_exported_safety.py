"""What a torch.export file may contain. Checked on the bytes before torch opens it.

Opening one is not harmless. Weights and example inputs may be pickles, and where torch's own safe reading fails it
reads them the unsafe way; packages of compiled code are native libraries; symbolic sizes are texts that sympy evaluates
as Python; operators are looked up by name. So the members, the pickles and the texts of the graph are looked at first,
and only what a plain network needs is let through.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._exported_samples import check_samples
from audit.runtimes._exported_sizes import is_size
from audit.runtimes._torch_archive import check_agreement, check_archive

EXPORT = "Export the network with torch.export.save(torch.export.export(model.eval(), (example,)), path)"
KIND = "torch.export"

_PARTS = ("archive_format", "archive_version", "byteorder", ".data/", ".format_version", "models/", "extra/")
_PAYLOADS = ("data/weights/", "data/constants/", "data/sample_inputs/")
_NAMESPACES = ("aten", "prims", "prim", "higher_order", "quantized_decomposed", "quantized", "torchvision")
_TARGET = re.compile(
    rf"torch\.ops\.(?:{'|'.join(_NAMESPACES)})\.\w+(?:\.\w+)?|_operator\.\w+|math\.\w+|torch\.(?:_sym|sym)_\w+"
)
_OUTSIDE = re.compile(r"torch\.ops\.\w+\.(?:from_file|save|load|_?print)\b|_operator\.(?:attrgetter|methodcaller|call)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TYPES = ("builtins.list", "builtins.tuple", "builtins.dict", "collections.namedtuple", "collections.OrderedDict", None)
_DEEPEST = 200  # values within values
_MOST_AXES = 64
_MOST_EMPTY = 2**24  # numbers that a weight without bytes may have


def check_file(path: Path) -> dict[str, str]:
    """Refuse a file that is no torch.export archive, or that could do harm; gives its extra files as text.

    Raises:
        UnsafeModel: pickles that hold more than tensors, compiled code, expressions that are no sizes, operators that
            reach outside or of an unknown library, a zip bomb.
        ModelError: no torch.export file at all, or a broken one.
    """
    import torch

    members = check_archive(path, kind=KIND, export=EXPORT)
    names = list(members)
    _check_members(names, path)
    try:
        reader = torch._C.PyTorchFileReader(str(path))  # noqa: SLF001  the reader that torch.export.load uses
        check_agreement(reader, members, path)
        content = {name: bytes(reader.get_record(name)) for name in names if not name.startswith(_PAYLOADS[:2])}
        configs = {name: bytes(reader.get_record(name)) for name in names if name.endswith("_config.json")}
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError(f"the {KIND} file can't be read; it may be cut short", where=path, hint=EXPORT) from error
    for name, text in content.items():
        if name.startswith("data/sample_inputs/"):
            check_samples(text, name, path, hint=EXPORT)
        elif name.startswith("models/"):
            _check_model(_json(text, path), path)
    for name, text in configs.items():
        _check_payload(_json(text, path), name.rpartition("/")[0], members, path)
    return {
        name.removeprefix("extra/"): text.decode("utf-8", "replace")
        for name, text in content.items()
        if name.startswith("extra/")
    }


@contextmanager
def weights_only() -> Iterator[None]:
    """Torch reads pickles as tensors or not at all, whatever its own code asks for."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_members(names: list[str], path: Path) -> None:
    if "archive_format" not in names:
        if any(name.startswith("code/") for name in names):
            raise ModelError("this is a TorchScript file", where=path, hint="Give it the suffix .pt or .ts")
        raise ModelError(
            "this is not a torch.export file of this generation", where=path, hint=f"{EXPORT}, with torch 2.8 or newer"
        )
    for name in names:
        if name.startswith("data/aotinductor/"):
            raise UnsafeModel("the file holds compiled code, which would run as it is", value=name, where=path)
        if not name.startswith((*_PARTS, *_PAYLOADS)):
            raise UnsafeModel(
                "the file has a part that a network does not need",
                value=name,
                where=path,
                allowed=(*_PARTS, *_PAYLOADS),
            )
        if name.startswith(_PAYLOADS[:2]) and name.endswith(".pt"):
            raise UnsafeModel(
                "the file holds its weights as a pickle, as early versions did", value=name, where=path, hint=EXPORT
            )
    models = [name for name in names if name.startswith("models/") and name.endswith(".json")]
    if len(models) != 1:
        raise ModelError("the file must hold one network", value=len(models), where=path, hint=EXPORT)


def _json(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the {KIND} file is broken", where=path) from error


def _check_payload(config: Any, folder: str, sizes: Mapping[str, int], path: Path) -> None:
    """Weights and constants are plain bytes, no larger than the file says."""
    try:
        for entry in config["config"].values():
            name = str(entry["path_name"])
            if entry.get("use_pickle") or name.startswith(("custom_obj", "opaque_obj")):
                raise UnsafeModel(
                    "the file holds a weight that is a pickle or an object", value=name, where=path, hint=EXPORT
                )
            shape = [size["as_int"] for size in entry["tensor_meta"]["sizes"]]
            if len(shape) > _MOST_AXES or not all(isinstance(n, int) and 0 <= n < 2**63 for n in shape):
                raise UnsafeModel("a weight has an impossible shape", value=name, where=path)
            numbers = math.prod(shape)
            if numbers > max(sizes.get(f"{folder}/{name}", 0), _MOST_EMPTY):
                raise UnsafeModel("a weight claims more numbers than the file holds", value=numbers, where=path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"the {KIND} file is broken: its list of weights can't be read", where=path) from error


def _check_model(model: Any, path: Path) -> None:
    """Every operator known, every name a name, every size an expression of sizes."""
    for key, value in _walk(model, path):
        if key == "target" and isinstance(value, str):
            if _OUTSIDE.match(value) or "__" in value:
                raise UnsafeModel("the model calls an operator that reaches outside it", value=value, where=path)
            if not _TARGET.fullmatch(value):
                raise UnsafeModel(
                    "the model calls an operator of a library that nobody vouches for",
                    value=value,
                    allowed=_NAMESPACES,
                    where=path,
                )
        elif key == "expr_str" and not (isinstance(value, str) and is_size(value)):
            raise UnsafeModel("a size in the file is no expression of sizes", value=value, where=path, hint=EXPORT)
        elif key == "name" and isinstance(value, str) and value and not _NAME.fullmatch(value):
            raise UnsafeModel("a name in the graph is no name", value=value, where=path, hint=EXPORT)
        elif key in {"in_spec", "out_spec"} and isinstance(value, str):
            _check_structure(value, path)


def _check_structure(text: str, path: Path) -> None:
    """How inputs and outputs are put together: lists, tuples, dictionaries and named tuples."""
    for key, value in _walk(_json(text.encode(), path) if text else None, path):
        if key == "type" and value not in _TYPES:
            raise UnsafeModel(
                "the model's inputs or outputs are put together by a class that nobody vouches for",
                value=value,
                where=path,
            )


def _walk(value: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Every value with the key that it stands under."""
    left = [("", value, 0)]
    while left:
        key, one, depth = left.pop()
        if depth > _DEEPEST:
            raise ModelError(f"the {KIND} file is nested too deeply", where=path)
        yield key, one
        if isinstance(one, dict):
            left += [(name, inner, depth + 1) for name, inner in one.items()]
        elif isinstance(one, list):
            left += [("" if isinstance(inner, dict | list) else key, inner, depth + 1) for inner in one]
