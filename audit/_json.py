"""JSON that can be compared line by line: one row (a group, a disparity, a skipped measure) a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """The bytes of `audit.json`. A number that JSON has no word for is an error here rather than a lie later."""
    # A file name that is not UTF-8 holds lone surrogates: the escape that JSON has for them is the one Python writes.
    return f"{_lines(value, '')}\n".encode("utf-8", "backslashreplace")


def _lines(value: Any, indent: str) -> str:
    """Dictionaries and lists that hold rows are spread over lines, everything else stays on one."""
    inner = f"{indent} "
    if isinstance(value, Mapping) and value and (not indent or _has_rows(value)):
        items = [f"{inner}{_flat(str(k))}: {_lines(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if _is_rows(value):
        return "[\n" + ",\n".join(inner + _lines(v, inner) for v in value) + f"\n{indent}]"
    return _flat(value)


def _has_rows(value: Mapping[str, Any]) -> bool:
    return any(_is_rows(v) or (isinstance(v, Mapping) and _has_rows(v)) for v in value.values())


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _flat(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
