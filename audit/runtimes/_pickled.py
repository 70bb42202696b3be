"""What a pickle holds, worked out without pickle: nothing is called, and nothing costs more than its own bytes.

Python's unpickler makes room for as many remembered objects as a number in the file says, goes down into a key in order
to hash it, and copies what it hands to a function. A few bytes are enough to keep a machine busy with any of these. So
the few instructions that torch's own writers use are carried out here, on stand-ins; everything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 500  # objects within objects; torch goes down into them until its stack is full
WIDEST = 5_000_000  # values, those that stand in several places counted in each
MOST = 1_000_000  # instructions; a thousand weights take some thirty thousand
_LARGEST = 2**63  # whole numbers of torch's stay below
MARKED = "torch._tensor._rebuild_from_type_v2"  # a tensor with attributes of its own
_MARKS = ("_dynamo_", "_specialize_on")  # what torch.export notes on an example whose size is free


@dataclass(frozen=True, slots=True)
class Name:
    """A class or a function, which is not looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of a weight, as a file tells of them."""

    kind: str
    key: str
    numbers: int


@dataclass(slots=True, eq=False)
class Thing:
    """What a class or a function would have made of each of `held`: its arguments, or the states it was given."""

    name: str
    held: list[Any]


@dataclass(slots=True, eq=False)
class Table:
    """A dictionary, as its keys and values in turn."""

    held: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Pickled:
    """The one value of a pickle, and every name, storage and thing in it, in the order of the file."""

    value: Any = None
    names: list[str] = field(default_factory=list)
    storages: list[Storage] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)


class TooDeep(ValueError):
    """Objects within objects, or one that holds itself, without measure."""


def read_pickle(content: bytes) -> Pickled:
    """Carry out a pickle's instructions on stand-ins.

    Raises:
        TooDeep: objects are nested too deeply, or multiply by standing in one another again and again.
        ValueError: instructions that torch's writers don't use, numbers out of range, or a pickle cut short.
    """
    machine = _Machine()
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        name = instruction.name
        if count > MOST:
            raise ValueError("far too many instructions")
        if name in _TAKING:
            _TAKING[name](machine, argument)
        elif name in _STEPS:
            _STEPS[name](machine)
        else:
            raise ValueError(f"the instruction {name}")
    (machine.found.value,) = machine.stack
    _measure(machine.found.value)
    return machine.found


class _Machine:
    """The state of reading. Each instruction is a method, or made of one."""

    def __init__(self) -> None:
        self.found = Pickled()
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def plain(self, value: Any) -> None:
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise ValueError("a whole number out of range")
        self.stack.append(value)

    def name(self, value: str) -> None:
        self.found.names.append(value.replace(" ", "."))
        self.stack.append(Name(self.found.names[-1]))

    def remember(self, place: int) -> None:
        if place > len(self._memo):
            raise ValueError("a place for more than was remembered")
        self._memo[place] = self._top()

    def recall(self, place: int) -> None:
        self.stack.append(self._memo[place])

    def mark(self) -> None:
        self._marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        return self.pop(len(self.stack) - self._marks.pop())

    def pop(self, count: int) -> list[Any]:
        start = len(self.stack) - count
        if start < 0 or count < 0:
            raise ValueError("more is taken than there is")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _top(self) -> Any:
        return self.stack[-1]

    def append(self, values: list[Any]) -> None:
        into = self._top()
        if not isinstance(into, list):
            raise ValueError("no list")  # noqa: TRY004 a broken file, as all the others
        into.extend(values)

    def set(self, values: list[Any]) -> None:
        into = self._top()
        if not isinstance(into, Table) or len(values) % 2:
            raise ValueError("no dictionary")
        if not all(isinstance(key, str | int | float | Thing) for key in values[::2]):
            raise ValueError("a key that is no plain value")
        into.held.extend(values)

    def call(self) -> None:
        called, arguments = self.pop(2)
        match called, arguments:
            case Name(name=name), (value, str()) | (value,) if name.startswith("torch.jit._pickle."):
                self.stack.append(value)  # only says of what type a list or a dictionary is
            case Name(name=name), (Name(name=made), Name(name="torch.Tensor"), tuple(given), marks) if name == MARKED:
                _check_marks(marks)
                self._make(made, [given])
            case Name(name=name), tuple():
                self._make(name, [arguments])
            case _:
                raise ValueError("a call of what is no function")

    def new(self) -> None:
        match self.pop(2):
            case Name(name=name), ():
                self._make(name, [])  # torch gives it all it needs as its state
            case _:
                raise ValueError("a class that is none")

    def _make(self, name: str, held: list[Any]) -> None:
        self.found.things.append(Thing(name, held))
        self.stack.append(self.found.things[-1])

    def build(self) -> None:
        thing, state = self.pop(2)
        if not isinstance(thing, Thing):
            raise ValueError("a state for what has none")  # noqa: TRY004 as above
        thing.held.append(state)
        self.stack.append(thing)

    def kept_elsewhere(self) -> None:
        match self.pop(1)[0]:
            case ("storage", Name(name=kind), str(key), str(), int(numbers)) if numbers >= 0:
                self.found.storages.append(Storage(kind, key, numbers))
                self.stack.append(self.found.storages[-1])
            case _:
                raise ValueError("what is kept elsewhere is no weight")


_TAKING: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(["BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"], _Machine.plain),
    **dict.fromkeys(["BINPUT", "LONG_BINPUT"], _Machine.remember),
    **dict.fromkeys(["BINGET", "LONG_BINGET"], _Machine.recall),
    "GLOBAL": _Machine.name,
}
_STEPS: dict[str, Callable[[_Machine], None]] = {
    **dict.fromkeys(["PROTO", "STOP"], lambda machine: None),  # noqa: ARG005 nothing to do
    "NONE": lambda machine: machine.stack.append(None),
    "NEWTRUE": lambda machine: machine.stack.append(True),
    "NEWFALSE": lambda machine: machine.stack.append(False),
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_DICT": lambda machine: machine.stack.append(Table()),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.pop(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.pop(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.pop(3))),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.since_mark())),
    "MARK": _Machine.mark,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.kept_elsewhere,
    "APPEND": lambda machine: machine.append(machine.pop(1)),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": lambda machine: machine.set(machine.pop(2)),
    "SETITEMS": lambda machine: machine.set(machine.since_mark()),
}


def _check_marks(marks: Any) -> None:
    """Attributes that torch would set on a tensor: its exporter's own, of plain values."""
    if not isinstance(marks, Table) or not all(str(key).startswith(_MARKS) for key in marks.held[::2]):
        raise ValueError("a tensor with attributes of its own")
    left: list[Any] = list(marks.held)
    while left:
        match left.pop():
            case Table(held=held) | (list() | tuple() as held):
                left += held
            case Name() | Storage() | Thing():
                raise ValueError("a tensor whose attributes are no plain values")


def _measure(value: Any) -> None:
    """Depth and width of a value, each part of it looked at once however often it stands there."""
    depths: dict[int, int] = {}
    widths: dict[int, int] = {}
    opened: set[int] = set()
    left = [(value, False)]
    while left:
        one, done = left.pop()
        parts = _parts(one)
        if parts is None or id(one) in depths:
            continue
        if done:
            depths[id(one)] = 1 + max((depths.get(id(part), 0) for part in parts), default=0)
            widths[id(one)] = 1 + sum(1 if isinstance(part, Thing) else widths.get(id(part), 1) for part in parts)
            if depths[id(one)] > DEEPEST or widths[id(one)] > WIDEST:
                raise TooDeep
            continue
        if id(one) in opened:
            raise TooDeep
        opened.add(id(one))
        left.append((one, True))
        left += [(part, False) for part in parts if _parts(part) is not None]


def _parts(value: Any) -> Iterable[Any] | None:
    """What a value holds; None where that is nothing."""
    held = value.held if isinstance(value, Thing | Table) else value if isinstance(value, list | tuple) else ()
    return held or None
