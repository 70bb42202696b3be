"""The pickles inside a TorchScript file, read without running anything.

torch's own reader takes a weight's size at its word: one that says more numbers than its record holds, or strides that
lead out of it, is read from whatever lies behind it in memory, or ends the process. So every tensor's claim is held
against the record it names, before torch reads either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._pickled import Pickled, Storage, Thing, TooDeep, read_pickle

_SIZES = {
    16: "ComplexDouble",
    8: "Double Long ComplexFloat",
    4: "Float Int ComplexHalf QInt32",
    2: "Half BFloat16 Short",
    1: "Char Byte Bool QInt8 QUInt8 QUInt4x2 QUInt2x4 Float8_e5m2 Float8_e4m3fn Untyped",
}
_BYTES = {name: size for size, names in _SIZES.items() for name in names.split()}
_MOST_REPEATED = 2**24  # numbers of a tensor that repeats the few it has
_MOST_AXES = 64
_MARKED = "FORMAT_WITH_STRING_TABLE"
BROKEN = "the TorchScript file is broken"


TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_qtensor")
# What else torch itself makes of a pickle. Its storages and kinds of quantization are plain names of `torch`.
_OWN = (*TENSORS, "torch._utils._rebuild_parameter", "collections.OrderedDict", "builtins.complex")


def read(content: bytes, path: Path) -> Pickled:
    """What a pickle holds.

    Raises:
        UnsafeModel: objects nested without measure, weights of a kind that can't be checked.
        ModelError: no pickle as torch writes it.
    """
    try:
        found = read_pickle(content)
    except TooDeep as error:
        raise UnsafeModel("the file's objects are nested too deeply", where=path) from error
    except Exception as error:  # pickletools raises several kinds on garbage
        raise ModelError(BROKEN, where=path) from error
    return found


def check_names(found: Pickled, path: Path, *, also: Collection[str] = ()) -> None:
    """Nothing but classes of the file's own, which torch makes from its code, and tensors that can be checked.

    Args:
        found: what the pickle holds.
        path: the file, for messages.
        also: further names that are known here.
    """
    for name in found.names:
        own = name.startswith(("torch.", "builtins.", "collections."))
        known = name in _OWN or name in also or name.startswith("torch.jit._pickle.") or name.count(".") == 1
        if own and not known:
            raise UnsafeModel("the file holds a weight of a kind that can't be checked", value=name, where=path)


def check_tensors(found: Pickled, sizes: Mapping[str, int], path: Path) -> None:
    """Every tensor of a pickle lies within its record.

    Args:
        found: what the pickle holds.
        sizes: bytes of the records that it may name.
        path: the file, for messages.

    Raises:
        UnsafeModel: a tensor reaches out of its record, or has far more numbers than are stored.
        ModelError: no tensor at all.
    """
    try:
        for storage in found.storages:
            _check_storage(storage, sizes, path)
        for thing in found.things:
            for storage, offset, shape, strides, *_ in thing.held if thing.name in TENSORS else ():
                _check_tensor(storage, offset, shape, strides, path)
    except ModelError:
        raise
    except Exception as error:  # as above
        raise ModelError(BROKEN, where=path) from error


def first_shapes(found: Pickled) -> tuple[tuple[int, ...], ...]:
    """Shapes of the example inputs that torch.jit.trace stored; () where there are none or they can't be read."""
    try:
        held = found.value.held
        given = held[held.index("forward") + 1]
        shapes = [one.held[0][2] for one in given if isinstance(one, Thing) and one.name in TENSORS]
        return tuple(tuple(shape) for shape in shapes if _are_numbers(shape))
    except (AttributeError, ValueError, IndexError, TypeError):
        return ()  # a hint only: a file without a readable one is no worse


def check_places(found: Pickled, path: Path) -> None:
    """What a file says of the places in its author's source. torch looks them up while it puts an error into words,
    and one that is not there ends the process."""
    try:
        marked, strings, places = found.value
        texts = all(isinstance(text, str) for text in strings)
        good = texts and marked == _MARKED and all(_is_place(place, len(strings)) for place in places)
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


def _check_storage(storage: Storage, sizes: Mapping[str, int], path: Path) -> None:
    kind = storage.kind.removeprefix("torch.").removesuffix("Storage")
    if storage.numbers * _BYTES[kind] > sizes.get(storage.key, 0):
        raise UnsafeModel("a weight claims more numbers than the file holds", value=storage.numbers, where=path)


def _check_tensor(storage: Any, offset: Any, shape: Any, strides: Any, path: Path) -> None:
    if not isinstance(storage, Storage) or not _are_numbers([offset]) or not _are_numbers(shape, strides):
        raise ModelError(BROKEN, where=path)
    numbers, last = 1, offset
    for size, stride in zip(shape, strides, strict=True):
        if size < 0 or stride < 0 or offset < 0:
            raise UnsafeModel("a weight has an impossible shape", value=list(shape), where=path)
        numbers, last = numbers * size, last + (size - 1) * stride
    held = storage.numbers
    if numbers and (last >= held or numbers > max(held, _MOST_REPEATED)):
        raise UnsafeModel("a weight reaches out of the numbers that it is made of", value=list(shape), where=path)


def _are_numbers(*many: Any) -> bool:
    return all(
        isinstance(numbers, tuple | list) and len(numbers) <= _MOST_AXES and all(isinstance(n, int) for n in numbers)
        for numbers in many
    )
