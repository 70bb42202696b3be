"""TOML files and typed values: reading a file, and checking each key against what it may hold."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.errors import SettingsError, UsageError, nearest

_MOST_BYTES = 1_000_000  # a settings file is small; one that lies beside an untrusted model may not be
_MOST_DOTS = 50  # of a name within names
_BETWEEN = re.compile(r"[,={}\[\]\n]")


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What one key may hold.

    `check` takes a typed value and gives the one the rest of the code sees; `parse` makes a typed value from text
    (the environment, a flag). Both raise ValueError on anything else; what is allowed stands in `allowed`.
    """

    allowed: str | tuple[str, ...]
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] = str

    def read(self, value: Any, where: str, *, text: bool = False, error: type[UsageError] = SettingsError) -> Any:
        """The checked value. Raises `error`, naming `where` and what is allowed."""
        try:
            return self.check(self.parse(value) if text else value)
        except (ValueError, OverflowError):  # the second where a whole number is larger than any decimal one
            hint = nearest(str(value), self.allowed) if isinstance(self.allowed, tuple) else None
            raise error("this can't be used", value=value, allowed=self.allowed, where=where, hint=hint) from None


def text() -> Kind:
    def check(value: Any) -> str:
        return str(_require(value, isinstance(value, str) and value.strip()))

    return Kind("a text that is not empty", check)


def choice(*names: str) -> Kind:
    def check(value: Any) -> str:
        return str(_require(value, value in names))

    return Kind(names, check)


def flag() -> Kind:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

    def parse(word: str) -> bool | None:
        return words.get(word.strip().lower())

    return Kind("true or false", lambda value: bool(_require(value, isinstance(value, bool))), parse)


def whole(least: int, most: int | None = None, *, off: int | None = None) -> Kind:
    """A whole number within limits; `off` is one beside them that stands for "not at all"."""

    def check(value: Any) -> int:
        fits = isinstance(value, int) and not isinstance(value, bool)
        within = fits and value >= least and (most is None or value <= most)
        return int(_require(value, within or (fits and value == off and off is not None)))

    allowed = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
    return Kind(allowed if off is None else f"{off}, or {allowed}", check, int)


def number(allowed: str, fits: Callable[[float], bool] = lambda _: True) -> Kind:
    """A finite number for which `fits` holds; `allowed` says the same in words."""
    return Kind(allowed, lambda value: _number(value, fits), float)


def names() -> Kind:
    """Different texts; in text form separated by commas."""

    def check(value: Any) -> tuple[str, ...]:
        fine = _listed(value) and all(isinstance(v, str) and v.strip() for v in value)
        return tuple(_require(value, fine and len(set(value)) == len(value)))

    return Kind("a list of different names", check, _split)


def numbers(allowed: str, count: Sequence[int], fits: Callable[[float], bool] = lambda _: True) -> Kind:
    """So many finite numbers; a single one stands for a list of one."""

    def check(value: Any) -> tuple[float, ...]:
        found = tuple(_number(v, fits) for v in (value if _listed(value) else [value]))
        return tuple(_require(found, len(found) in count))

    return Kind(allowed, check, lambda words: [float(word) for word in _split(words)])


def wholes(allowed: str, count: Sequence[int], least: int, most: float = math.inf) -> Kind:
    """So many whole numbers within limits; a single one stands for a list of one."""
    one = whole(least).check

    def check(value: Any) -> tuple[int, ...]:
        found = tuple(one(v) for v in (value if _listed(value) else [value]))
        return tuple(_require(found, len(found) in count and max(found) <= most))

    return Kind(allowed, check, lambda words: [int(word) for word in _split(words)])


def bands() -> Kind:
    """Cut points by column; in text form `age=0,18,30`, several columns separated by semicolons."""

    def check(value: Any) -> dict[str, tuple[float, ...]]:
        found = {
            str(name): tuple(_number(v, lambda _: True) for v in _require(cuts, _listed(cuts)))
            for name, cuts in _require(value, isinstance(value, Mapping)).items()
        }
        fine = all(len(cuts) > 1 and list(cuts) == sorted(set(cuts)) for cuts in found.values())
        return dict(_require(found, fine))

    def parse(words: str) -> dict[str, list[float]]:
        parts = [part.partition("=") for part in words.split(";") if part.strip()]
        return {name.strip(): [float(word) for word in _split(cuts)] for name, _, cuts in parts}

    return Kind("a column and rising numbers, at least two: age=0,18,30", check, parse)


def table_of(
    table: Any, kinds: Mapping[str, Kind], where: str, error: type[UsageError] = SettingsError
) -> dict[str, Any]:
    """A table's keys, each checked; `batch-size` and `batch_size` are the same key. An unknown key is an `error` that
    names the nearest one."""
    if not isinstance(table, Mapping):
        raise error("must be a table", value=table, where=where)
    found = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in kinds:
            raise error("unknown key", value=key, allowed=sorted(kinds), where=where, hint=nearest(name, kinds))
        found[name] = kinds[name].read(value, f"{where} {key}", error=error)
    return found


def read_bytes(path: Path, error: type[UsageError] = SettingsError) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as trouble:
        raise error(f"can't be read: {trouble.strerror or trouble}", where=path) from trouble
    if len(data) > _MOST_BYTES:
        raise error("too large for a settings file", allowed=f"up to {_MOST_BYTES:,} bytes", where=path)
    return data


def parse_toml(data: bytes, where: object, error: type[UsageError] = SettingsError) -> dict[str, Any]:
    """The file's tables. Raises `error` with the line that can't be read."""
    try:
        return _tables(data.decode("utf-8-sig"))
    except UnicodeDecodeError as trouble:
        raise error(f"is not UTF-8 text (byte {trouble.start})", where=where) from trouble
    except ValueError as trouble:  # the parser's own kind, or that of a number of thousands of digits
        raise error(f"malformed TOML: {trouble}", where=where) from trouble
    except RecursionError:
        raise error("malformed TOML: nested too deep", where=where) from None


def _tables(text: str) -> dict[str, Any]:
    if any(part.count(".") > _MOST_DOTS for part in _BETWEEN.split(text)):
        raise RecursionError  # at every name within names the parser looks at all those before it
    return tomllib.loads(text)


def read_toml(path: Path, error: type[UsageError] = SettingsError) -> dict[str, Any]:
    return parse_toml(read_bytes(path, error), path, error)


def _require(value: Any, fine: object) -> Any:
    if not fine:
        raise ValueError
    return value


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _number(value: Any, fits: Callable[[float], bool]) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(_require(value, plain and fits(value)))


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]
