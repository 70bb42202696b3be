"""Broken model files by the hundred, each from a fixed seed, and what becomes of them in a process of their own.

`python -m tests.support.fuzzing FILE …` is that process: it puts each file through everything that an audit does with a
model and writes one line of JSON a file. A file that brings the process down is found by its missing line.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import traceback
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST = 30  # seconds a file may take
MEMORY = 12 * 2**30  # bytes of address space


# ---- making them


def mutated(content: bytes, rng: random.Random, parts: Callable[[bytes, random.Random], bytes]) -> bytes:
    """A file with bytes flipped, cut short, or with its parts swapped, doubled, dropped and emptied."""
    way = rng.randrange(8)
    if way < 2:
        return flipped(content, rng)
    if way == 2:
        return content[: rng.randrange(len(content))]
    return parts(content, rng)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """One bit to thirty bytes of it changed."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 4, 30))):
        place = rng.randrange(len(changed))
        changed[place] = changed[place] ^ 1 << rng.randrange(8) if rng.random() < 0.5 else rng.randrange(256)
    return bytes(changed)


def zip_parts(content: bytes, rng: random.Random) -> bytes:
    """A zip whose members are mixed up or changed inside, its own sums of control right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = sorted(members)
    # Weights are most of a file and say the least: look at the rest more often.
    small = [name for name in names if "/data/" not in name and members[name]] or names
    first, second = rng.choice(small), rng.choice(names)
    way = rng.randrange(7)
    if way == 0:
        members[first], members[second] = members[second], members[first]
    elif way == 1:
        members[first] = members[second]
    elif way == 2:
        del members[first]
    elif way == 3:
        members[first] = members[first][: rng.randrange(len(members[first]))]
    elif way == 4:
        members[first] = flipped(members[first], rng)
    else:
        members[first] = _text_parts(members[first], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _text_parts(content: bytes, rng: random.Random) -> bytes:
    """JSON with values swapped, or other content with lines swapped, doubled or dropped and digits changed."""
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    places = list(_leaves(whole))
    if not places:
        lines = content.split(b"\n")
        _mixed(lines, rng)
        joined = bytearray(b"\n".join(lines))
        digits = [place for place, byte in enumerate(joined) if chr(byte).isdigit()]
        for place in rng.sample(digits, min(len(digits), rng.choice((0, 1, 3)))):
            joined[place] = rng.choice(b"0123456789")
        return bytes(joined)
    for _ in range(rng.choice((1, 2, 5))):
        (holder, key), (other, name) = rng.choice(places), rng.choice(places)
        odd = [other[name], -1, 0, 2**40, 2**63, "", None, [], {}, "x", True, 1.5]
        holder[key] = rng.choice(odd) if rng.random() < 0.6 else other[name]
    return json.dumps(whole).encode()


def _leaves(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _leaves(inner)


def _mixed(items: Any, rng: random.Random) -> None:
    """Swap, double, drop or move one."""
    if not len(items):
        return
    first, second = rng.randrange(len(items)), rng.randrange(len(items))
    way = rng.randrange(3)
    if way == 0:
        one, two = items[first], items[second]
        if hasattr(one, "CopyFrom"):
            kept = type(one)()
            kept.CopyFrom(one)
            one.CopyFrom(two)
            two.CopyFrom(kept)
        else:
            items[first], items[second] = two, one
    elif way == 1:
        items.insert(first, items[second])
    else:
        del items[first]


def onnx_parts(content: bytes, rng: random.Random) -> bytes:
    """A network whose fields are swapped, doubled, dropped or set to something extreme."""
    import onnx

    model = onnx.load_model_from_string(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        messages = [(m, fields) for m in _messages(model) if (fields := m.ListFields())]
        holder, fields = rng.choice(messages)
        field, value = rng.choice(fields)
        if field.is_repeated:
            _mixed(value, rng) if rng.random() < 0.5 or field.message_type else _set(value, field, rng, messages)
        elif field.message_type:
            holder.ClearField(field.name)
        else:
            setattr(holder, field.name, _odd(field, value, rng, messages))
    return bytes(model.SerializeToString())


def _messages(message: Any) -> Any:
    yield message
    for field, value in message.ListFields():
        if field.message_type:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _set(items: Any, field: Any, rng: random.Random, messages: list[Any]) -> None:
    place = rng.randrange(len(items))
    items[place] = _odd(field, items[place], rng, messages)


def _odd(field: Any, value: Any, rng: random.Random, messages: list[Any]) -> Any:
    """Another value for a field: that of the same field elsewhere, or an extreme one."""
    if field.enum_type:
        return rng.choice([number.number for number in field.enum_type.values])
    if isinstance(value, bytes):
        return flipped(value, rng) if value and rng.random() < 0.5 else value[: len(value) // 2]
    if isinstance(value, str):
        same = [v for m, fields in messages for f, v in fields if isinstance(v, str) and v]
        same += [t for m, fields in messages for f, v in fields if f.is_repeated and f.type == f.TYPE_STRING for t in v]
        return rng.choice([*same, *same, "", "x"])
    if isinstance(value, float):
        return rng.choice([0.0, -1.0, 1e38, float("nan"), float("inf")])
    narrow = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32)
    wide = [2**31 - 1, -(2**31)] if narrow else [2**31, 2**40, 2**62, 2**63 - 1, -(2**63)]
    return rng.choice([0, -1, 1, 2, 3, 7, value + 1, max(value - 1, 0), 1000, 10**7, *wide])


def plant(originals: Sequence[Path], count: int, folder: Path, seed: int) -> list[Path]:
    """`count` broken files made from these in turn; the same seed gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for trial in range(count):
        source = originals[trial % len(originals)]
        rng = random.Random(f"{seed} {trial}")
        parts = onnx_parts if source.suffix == ".onnx" else zip_parts
        path = folder / f"{source.stem}-{trial}{source.suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path.write_bytes(mutated(source.read_bytes(), rng, parts))
        made.append(path)
    return made


# ---- what becomes of them


def endings(files: Sequence[Path], size: int) -> dict[str, str]:
    """By file what became of it: `works`, the one line of a refusal, or what must not be."""
    found: dict[str, str] = {}
    left = list(files)
    while left:
        child = subprocess.run(
            [sys.executable, "-m", "tests.support.fuzzing", str(size), *map(str, left)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        lines = [line for line in child.stdout.splitlines() if line.startswith('["')]
        found |= dict(json.loads(line) for line in lines)
        rest = [file for file in left if file.name not in found]
        if rest:
            found[rest[0].name] = f"DIED {child.returncode}: {child.stderr[-1500:]}"
        elif child.stderr.strip():
            found["stderr"] = f"NOISE {child.stderr[-1500:]}"
        left = rest[1:]
    return found


def wrong(found: dict[str, str]) -> list[str]:
    """The endings that must not be."""
    return [f"{name}: {end}" for name, end in found.items() if end != "works" and not end.startswith("4 ")]


def _use(path: Path, size: int) -> None:
    """Everything that an audit does with a model."""
    import numpy as np

    from audit.runtimes import REDUCTIONS, Request, default_layers, last_map, open_model

    model = open_model(path, device="cpu", threads=1)
    try:
        _, *asked = model.inputs[0].shape
        shape = [known or free for known, free in zip(asked, (3, size, size), strict=True)]
        description = model.describe((1, *shape))
        last = last_map(description.layers)
        gradients = last is not None and description.gradients is None
        request = Request(
            output=model.outputs[0].name,
            reductions={layer.name: REDUCTIONS for layer in default_layers(description.layers)},
            cam_layer=None if last is None else last.name,
            gradients=gradients,
            tail=last is not None and description.tail is None,
        )
        model.prepare(request)
        images = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
        capture = model.run(images)
        if capture.gradient is not None:
            capture.gradient(np.zeros(3, np.int64))
        if capture.tail is not None and capture.activation is not None:
            capture.tail(capture.activation)
    finally:
        model.close()


def _ending(path: Path, size: int) -> str:
    from audit.errors import AuditError

    try:
        _use(path, size)
    except AuditError as error:
        text = str(error)
        return f"{int(error.status)} {text}" if "\n" not in text else f"SEVERAL LINES {text}"
    except Exception as error:  # noqa: BLE001  the very thing looked for
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        return f"RAISED {type(error).__name__}: {error} at {' < '.join(reversed(where))}"
    return "works"


def main(size: int, files: Sequence[Path]) -> None:
    import faulthandler
    import resource

    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    told = os.dup(1)
    os.dup2(2, 1)  # nothing that a file makes a library print may be taken for an ending
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", ".*torch.jit.*", DeprecationWarning)
    for file in files:
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        os.write(told, (json.dumps([file.name, _ending(file, size)]) + "\n").encode())
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(int(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
