"""The pickles inside a TorchScript file, read without running anything.

torch's own reader takes a weight's size at its word: one that says more numbers than its record holds, or strides that
lead out of it, is read from whatever lies behind it in memory, or ends the process. So every tensor's claim is held
against the record it names, before torch reads either.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from audit.errors import ModelError, UnsafeModel

_SIZES = {
    16: "ComplexDouble",
    8: "Double Long ComplexFloat",
    4: "Float Int ComplexHalf QInt32",
    2: "Half BFloat16 Short",
    1: "Char Byte Bool QInt8 QUInt8 QUInt4x2 QUInt2x4 Float8_e5m2 Float8_e4m3fn Untyped",
}
_BYTES = {name: size for size, names in _SIZES.items() for name in names.split()}
_MOST_REPEATED = 2**24  # numbers of a tensor that repeats the few it has
_DEEPEST = 500  # objects within objects; torch goes down into them until its stack is full
_MARKED = "FORMAT_WITH_STRING_TABLE"
BROKEN = "the TorchScript file is broken"


def class_names(content: bytes, path: Path) -> list[str]:
    """Every class and function that a pickle names."""
    try:
        return [str(arg).replace(" ", ".") for op, arg, _ in pickletools.genops(content) if op.name == "GLOBAL"]
    except Exception as error:  # pickletools raises several kinds on garbage
        raise ModelError(BROKEN, where=path) from error


def check_tensors(content: bytes, sizes: Mapping[str, int], path: Path) -> None:
    """Every tensor of a pickle lies within its record.

    Args:
        content: the pickle.
        sizes: bytes of the records that it may name.
        path: the file, for messages.

    Raises:
        UnsafeModel: a tensor reaches out of its record, or has far more numbers than are stored.
        ModelError: no readable pickle.
    """
    try:
        reader = _Reader(content)
        _check_depth(reader.load(), path)
        for storage, offset, shape, strides in reader.tensors:
            _check_tensor(storage, offset, shape, strides, sizes, path)
    except ModelError:
        raise
    except Exception as error:  # as above
        raise ModelError(BROKEN, where=path) from error


def first_shapes(content: bytes) -> tuple[tuple[int, ...], ...]:
    """Shapes of the example inputs that torch.jit.trace stored; () where there are none or they can't be read."""
    try:
        inputs = _Reader(content).load()["forward"]
    except Exception:  # noqa: BLE001 a hint only: a file without a readable one is no worse
        return ()
    shapes = (value.shape for value in inputs if isinstance(value, _Tensor))
    return tuple(shape for shape in shapes if all(isinstance(n, int) for n in shape))


def check_places(content: bytes, path: Path) -> None:
    """What a file says of the places in its author's source. torch looks them up while it puts an error into words,
    and one that is not there ends the process."""
    try:
        marked, strings, places = _Reader(content).load()
        known = [str(text) for text in strings]
        good = marked == _MARKED and all(_is_place(place, len(known)) for place in places)
    except Exception as error:  # as above
        raise ModelError(BROKEN, where=path) from error
    if not good:
        raise ModelError(BROKEN, where=path)


def _is_place(place: Any, strings: int) -> bool:
    start, (source, *span), tag = place
    if source is not None and source != ():
        lines, file, line = source
        numbers = [*(lines or ()), *([] if file is None else [file])]
        if not all(isinstance(n, int) and 0 <= n < strings for n in numbers) or not isinstance(line, int):
            return False
    return all(isinstance(n, int) and n >= 0 for n in (start, *span)) and isinstance(tag, int)


def _check_tensor(
    storage: tuple[str, str, int],
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    sizes: Mapping[str, int],
    path: Path,
) -> None:
    kind, key, held = storage
    if held * _BYTES[kind.removesuffix("Storage")] > sizes.get(key, 0):
        raise UnsafeModel("a weight claims more numbers than the file holds", value=held, where=path)
    numbers, last = 1, offset
    for size, stride in zip(shape, strides, strict=True):
        if size < 0 or stride < 0 or offset < 0:
            raise UnsafeModel("a weight has an impossible shape", value=list(shape), where=path)
        numbers, last = numbers * size, last + (size - 1) * stride
    if numbers and (last >= held or numbers > max(held, _MOST_REPEATED)):
        raise UnsafeModel("a weight reaches out of the numbers that it is made of", value=list(shape), where=path)


def _check_depth(value: Any, path: Path) -> None:
    left, seen = [(value, 0)], set()
    while left:
        one, depth = left.pop()
        if depth > _DEEPEST:
            raise UnsafeModel("the file's objects are nested too deeply", where=path)
        inner = one.held if isinstance(one, _Thing) else one.values() if isinstance(one, dict) else one
        if isinstance(one, _Thing | dict | list | tuple) and id(one) not in seen:
            seen.add(id(one))
            left += [(part, depth + 1) for part in inner]


class _Thing:
    """Stands for an object of the file's own classes, or for a function of torch's that is of no interest."""

    held: tuple[Any, ...] = ()

    def __new__(cls, *held: Any, **_: Any) -> Self:
        made = super().__new__(cls)
        made.held = held
        return made

    def __setstate__(self, state: Any) -> None:
        self.held = (*self.held, state)


class _Tensor:
    """A tensor by its shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


class _Reader(pickle.Unpickler):
    """Reads tensors as what they claim, classes and functions as nothing at all."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.tensors: list[tuple[tuple[str, str, int], int, tuple[int, ...], tuple[int, ...]]] = []

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, numbers = pid
        return str(kind), str(key), int(numbers)

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in {"_rebuild_tensor_v2", "_rebuild_qtensor"}:
            return self._tensor
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return lambda value, tag: value  # noqa: ARG005 pickle calls by position
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return lambda value: value
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name.endswith("Storage"):
            return name
        return _Thing

    def _tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
        self.tensors.append((storage, int(offset), tuple(shape), tuple(strides)))
        return _Tensor(tuple(shape))
