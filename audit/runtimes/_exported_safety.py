"""What a torch.export file may contain. Checked on the bytes before torch opens it.

Opening one is not harmless. Weights and example inputs may be pickles, and where torch's own safe reading fails it
reads them the unsafe way; packages of compiled code are native libraries; symbolic sizes are texts that sympy evaluates
as Python; operators are looked up by name. So the members, the pickles and the texts of the graph are looked at first,
and only what a plain network needs is let through.
"""

from __future__ import annotations

import ast
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._torch_archive import check_archive

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
# What an expression of sizes may call: sympy's numbers and arithmetic, and torch's own whole-number functions.
_FUNCTIONS = frozenset(
    [
        "Symbol",
        "Integer",
        "Float",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "Abs",
        "Max",
        "Min",
        "Mod",
        "floor",
        "ceiling",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "And",
        "Or",
        "Not",
        "FloorDiv",
        "CeilDiv",
        "CleanDiv",
        "ModularIndexing",
        "Where",
        "PythonMod",
        "PowByNatural",
        "FloatPow",
        "FloatTrueDiv",
        "IntTrueDiv",
        "FloorToInt",
        "CeilToInt",
        "TruncToInt",
        "TruncToFloat",
        "RoundToInt",
        "RoundDecimal",
        "ToFloat",
        "Identity",
        "LShift",
        "RShift",
        "IsNonOverlappingAndDenseIndicator",
    ]
)
_POWERS = ("Pow", "PowByNatural", "FloatPow", "LShift")  # 9 to the 9 to the 9 never ends
_EXPRESSION = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.Compare, ast.cmpop),
    *(ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop),
)
_WORD = re.compile(r"\w{1,64}|\d+\.\d+(?:e[-+]?\d+)?")
_TYPES = ("builtins.list", "builtins.tuple", "builtins.dict", "collections.namedtuple", "collections.OrderedDict", None)
_LONGEST = 4096  # characters of an expression
_MOST_EMPTY = 2**24  # numbers that a weight without bytes may have


def check_file(path: Path) -> dict[str, str]:
    """Refuse a file that is no torch.export archive, or that could do harm; gives its extra files as text.

    Raises:
        UnsafeModel: pickles that hold more than tensors, compiled code, expressions that are no sizes, operators that
            reach outside or of an unknown library, a zip bomb.
        ModelError: no torch.export file at all, or a broken one.
    """
    import torch

    names = check_archive(path, kind=KIND, export=EXPORT)
    _check_members(names, path)
    try:
        reader = torch._C.PyTorchFileReader(str(path))  # noqa: SLF001  the reader that torch.export.load uses
        content = {name: bytes(reader.get_record(name)) for name in names if not name.startswith(_PAYLOADS[:2])}
        configs = {name: bytes(reader.get_record(name)) for name in names if name.endswith("_config.json")}
        sizes = {name: int(reader.get_record_size(name)) for name in names}
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError(f"the {KIND} file can't be read; it may be cut short", where=path, hint=EXPORT) from error
    for name, text in content.items():
        if name.startswith("data/sample_inputs/"):
            _check_pickle(text, name, path)
        elif name.startswith("models/"):
            _check_model(_json(text, path), path)
    for name, text in configs.items():
        _check_payload(_json(text, path), name.rpartition("/")[0], sizes, path)
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


def _check_pickle(content: bytes, name: str, path: Path) -> None:
    import torch

    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises several kinds
        raise UnsafeModel(
            "the file holds a pickle of more than tensors; opening it could run any code",
            value=name,
            where=path,
            hint=EXPORT,
        ) from error


def _check_payload(config: Any, folder: str, sizes: Mapping[str, int], path: Path) -> None:
    """Weights and constants are plain bytes, no larger than the file says."""
    try:
        for entry in config["config"].values():
            name = str(entry["path_name"])
            if entry.get("use_pickle") or name.startswith(("custom_obj", "opaque_obj")):
                raise UnsafeModel(
                    "the file holds a weight that is a pickle or an object", value=name, where=path, hint=EXPORT
                )
            numbers = math.prod(int(size["as_int"]) for size in entry["tensor_meta"]["sizes"])
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
        elif key == "expr_str" and not (isinstance(value, str) and _is_size(value)):
            raise UnsafeModel("a size in the file is no expression of sizes", value=value, where=path, hint=EXPORT)
        elif key == "name" and isinstance(value, str) and value and not _NAME.fullmatch(value):
            raise UnsafeModel("a name in the graph is no name", value=value, where=path, hint=EXPORT)
        elif key in {"in_spec", "out_spec"} and isinstance(value, str):
            _check_structure(value, path)


def _is_size(text: str) -> bool:
    """Whether a text, evaluated as Python, can do no more than arithmetic with named sizes."""
    try:
        tree = ast.parse(text, mode="eval") if len(text) < _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return tree is not None and all(_is_harmless(node) for node in ast.walk(tree))


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
        return known and (ast.unparse(node.func) not in _POWERS or _is_small(node.args[1:]))
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or re.fullmatch(r"[a-z]+\d+", node.id) is not None  # a size is called s77, u0
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _WORD.fullmatch(node.value) is not None
    return isinstance(node, _EXPRESSION) and not isinstance(node, ast.Pow | ast.LShift)


def _is_small(arguments: list[ast.expr]) -> bool:
    return len(arguments) == 1 and ast.unparse(arguments[0]) in {
        text for n in range(9) for text in (str(n), f"Integer({n})")
    }


def _check_structure(text: str, path: Path) -> None:
    """How inputs and outputs are put together: lists, tuples, dictionaries and named tuples."""
    for key, value in _walk(_json(text.encode(), path) if text else None, path):
        if key == "type" and value not in _TYPES:
            raise UnsafeModel(
                "the model's inputs or outputs are put together by a class that nobody vouches for",
                value=value,
                where=path,
            )


def _walk(value: Any, path: Path, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > 200:
        raise ModelError(f"the {KIND} file is nested too deeply", where=path)
    yield key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, path, name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, path, key if not isinstance(inner, dict | list) else "", depth + 1)
