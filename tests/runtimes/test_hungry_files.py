"""Files of under a megabyte that would keep the checks themselves busy, or take the machine's memory in them."""

from __future__ import annotations

import contextlib
import json
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from audit._toml import number, parse_toml
from audit.errors import ModelError, ProbeError, SettingsError, UnsafeModel
from audit.probes.manifest import Manifest
from audit.runtimes._onnx_safety import read_safely
from audit.runtimes._torchscript_nesting import check_nesting
from audit.runtimes._torchscript_pickles import check_names, check_tensors, read
from audit.runtimes._torchscript_safety import _check_source
from tests.support import onnx_networks as networks

HERE = Path("model.pt")
LARGE = 10**6  # bytes


@contextmanager
def within(seconds: float = 10, megabytes: float = 300) -> Iterator[None]:
    """What is inside takes no more than so much time of the processor and memory of Python's."""
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < seconds
    assert peak < megabytes


def _remembered(place: int) -> bytes:
    return b"\x80\x02Nr" + struct.pack("<I", place) + b"."


def _doubling(levels: int) -> bytes:
    """A pair of the pair before, again and again: 2 to the `levels` values when written out."""
    made = b"\x80\x02N\x85q\x00"
    for at in range(levels):
        made += b"h" + bytes([at]) + b"\x86q" + bytes([at + 1])
    return made + b"."


TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0kX\x03\0\0\0cpuK\x04tQ"
PICKLES = {
    "a place far out": _remembered(20_000_000),
    "a place out of an index": _remembered(2**32 - 1),
    "a text longer than the file": b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"abc.",
    "a text longer than memory": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
    "bytes longer than memory": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
    "an array longer than memory": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
    "a number longer than the file": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",
    "a number of a megabyte": b"\x80\x02\x8b" + struct.pack("<i", LARGE) + b"\x7f" * LARGE + b".",
    "a number of a million digits": b"I" + b"9" * LARGE + b"\n.",
    "a frame longer than memory": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
    "pairs of pairs": _doubling(200),
    "tuples in tuples": b"\x80\x02N" + b"\x85" * (LARGE // 40) + b".",
    "lists left on the stack": b"\x80\x02" + b"]" * (LARGE // 10) + b".",
    "marks": b"\x80\x02" + b"(" * (LARGE // 10) + b".",
    "a list of itself": b"\x80\x02]q\0h\0a.",
    "a state given again and again": b"\x80\x02c__torch__\nNet\n)\x81q\0}q\1" + b"h\1b" * (LARGE // 20),
    "a call with the same arguments": b"\x80\x02(" + b"N" * 50_000 + b"tq\0cx\ny\nq\1" + b"h\1h\0R" * 10_000 + b".",
    "a key that takes long to hash": _doubling(100)[:-1] + b"q\xff}h\xffNs.",
    "an axis more than arrays have": b"\x80\x02"
    + TENSOR
    + STORAGE
    + b"K\0("
    + b"J\xff\xff\xff\x7f" * 200_000
    + b"tq\0h\0tR.",
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_costs_no_more_than_its_bytes(name: str) -> None:
    with within(), pytest.raises(ModelError) as refused:
        found = read(PICKLES[name], HERE)
        check_names(found, HERE)
        check_tensors(found, {"k": 16}, HERE)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("turned", [False, True], ids=["deepest first", "deepest last"])
def test_depth_is_that_of_the_longest_way_down(turned: bool) -> None:
    """Whichever of the ways is looked at first."""
    made = b"\x80\x02N\x85q\0"
    for at in range(600):
        made += b"j" + struct.pack("<I", at) + b"\x85r" + struct.pack("<I", at + 1)
    order = range(600, -1, -1) if turned else range(601)
    everything = b"(" + b"".join(b"j" + struct.pack("<I", at) for at in order) + b"t"
    with pytest.raises(ModelError):  # what lies below it on the stack
        read(made + everything + b".", HERE)
    with pytest.raises(UnsafeModel, match="nested too deeply"):
        read(b"\x80\x02(" + made[2:] + everything + b"t.", HERE)


@pytest.mark.parametrize(
    "name", ["torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_sparse_tensor", "torch.distributed.rpc.rref"]
)
def test_a_weight_that_cannot_be_checked_is_refused(name: str) -> None:
    module, _, function = name.rpartition(".")
    with pytest.raises(UnsafeModel, match="of a kind that can't be checked"):
        check_names(read(b"\x80\x02c" + f"{module}\n{function}\n".encode() + b".", HERE), HERE)


def test_a_weight_made_as_an_object_is_checked_too() -> None:
    """torch makes the same of a class and its state as of a function and its arguments."""
    plain = TENSOR + b"(" + STORAGE + b"K\0K\x09\x85K\x01\x85\x89Nt"
    as_object = TENSOR + b")\x81(" + STORAGE + b"K\0K\x09\x85K\x01\x85\x89Ntb"
    for content in (plain + b"R", as_object):
        with pytest.raises(UnsafeModel, match="reaches out of the numbers"):
            check_tensors(read(b"\x80\x02" + content + b".", HERE), {"k": 16}, HERE)


SOURCES = {
    "an open text with quotes": "'''" + "\\'" * (LARGE // 2),
    "an open line with quotes": '"' + '\\"' * (LARGE // 2),
    "quotes alone": "'" * LARGE,
    "lines of one quote": '"\n' * (LARGE // 2),
    "comments in comments": "torch#" * (LARGE // 6),
    "saves in comments": "save #" * (LARGE // 6),
    "gaps": "torch" + " \\" * (LARGE // 2),
    "types in comments": "# type: " * (LARGE // 8),
    "half a call": "__setstate__ " + "getattr(a" * (LARGE // 9),
    "half an operator": "__setstate__ " + "ops.aten" * (LARGE // 8),
}


@pytest.mark.parametrize("name", SOURCES)
def test_code_is_read_once(name: str) -> None:
    with within():
        for check in (_check_source, check_nesting):
            with contextlib.suppress(ModelError):
                check(SOURCES[name], HERE)


@pytest.mark.parametrize(
    "source",
    [
        'x = """\\"""  x """' + "(" * 300,
        "x = '''\\'''  x '''" + "(" * 300,
        "def f(x):\n  # type: " + "(" * 300,
        'x = "\\\\"' + "(" * 300,
    ],
    ids=["escaped quote", "the other quote", "comment of types", "escaped escape"],
)
def test_brackets_that_torch_sees_are_counted(source: str) -> None:
    with pytest.raises(UnsafeModel, match="nested too deeply"):
        check_nesting(source, HERE)


@pytest.mark.parametrize("text", ['"{}"', "'{}'", '"""{}"""', "'''{}'''", "# {}\n", '"\\"{}"', '"""\\"""{}"""'])
def test_brackets_that_torch_does_not_see_are_not(text: str) -> None:
    check_nesting("x = " + text.format("(" * 300), HERE)


@pytest.mark.parametrize("code", ["torch #\n.save(x)", "torch. # a\nsave(x)", "save # a\n(x)", "torch\\\n.save(x)"])
def test_a_comment_hides_no_saving(code: str) -> None:
    with pytest.raises(UnsafeModel, match="the model's code names"):
        _check_source(code, HERE)


def _sparse(*dims: int) -> onnx.ModelProto:
    model = networks.small_cnn()
    values = helper.make_tensor("few", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("where", TensorProto.INT64, [1, len(dims)], [0] * len(dims))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, dims))
    return model


def _stored_at(*places: str) -> onnx.ModelProto:
    model = networks.small_cnn()
    (first, *_) = model.graph.initializer
    first.data_location = TensorProto.EXTERNAL
    for place in places:
        first.external_data.add(key="location", value=place)
    return model


def _of_axes(count: int) -> onnx.ModelProto:
    model = networks.small_cnn()
    model.graph.initializer[0].dims.extend([2**62] * count)
    return model


ONNX = {
    "a sparse weight of terabytes": (lambda: _sparse(2**20, 2**20), "unpacks to far more numbers"),
    "a weight of far too many axes": (lambda: _of_axes(100_000), "impossible shape"),
    "a place of far too many folders": (lambda: _stored_at("a/" * 400_000 + "b"), "far too long"),
    "a place named again and again": (lambda: _stored_at(*["net.data"] * 60_000, "gone"), "missing beside it"),
}


@pytest.mark.parametrize("name", ONNX)
def test_an_onnx_file_is_refused_in_no_time(name: str, tmp_path: Path) -> None:
    make, said = ONNX[name]
    (tmp_path / "net.data").write_bytes(b"")
    path = networks.save(make(), tmp_path / "net.onnx")
    assert path.stat().st_size < 2 * LARGE
    with within(), pytest.raises(ModelError, match=said):
        read_safely(path)


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * (LARGE // 2)) + " = 1",
        f"[{'.'.join('a' * (LARGE // 2))}]",
        "a = {" + ".".join("a" * (LARGE // 4)) + " = 1}",
        "a = " + "9" * (LARGE // 2),
        "a = " + "[" * (LARGE // 2),
        "a = " + "{a=" * (LARGE // 4),
    ],
    ids=["names", "table", "inline", "digits", "lists", "tables"],
)
def test_settings_are_refused_in_no_time(text: str) -> None:
    with within(), pytest.raises(SettingsError, match="malformed TOML"):
        parse_toml(text.encode(), "bias-audit.toml")


def test_a_number_larger_than_any_is_no_size() -> None:
    with pytest.raises(SettingsError, match="can't be used"):
        number("a number").read(10**400, "[input] scale")


def test_settings_may_have_dots() -> None:
    text = '[a.b.c]\nmean = [0.1, 0.2, 0.3]\nb.c = "... and so on ..."'
    assert parse_toml(text.encode(), "x")["a"]["b"]["c"]["mean"] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f'{{"path": "{at}", "column{at}": 1}}' for at in range(20_000)], "far too many columns"),
        (['{"path": ' + "[" * 900 + "]" * 900 + "}"], "no JSON object"),
        (['{"path": ' + "[" * 100_000], "no JSON object"),
        (['{"path": ' + "9" * 100_000 + "}"], "no JSON object"),
        (["{}"] * 300_000 + [json.dumps(dict.fromkeys(map(str, range(1000))))], "unpacks to far more than its size"),
    ],
    ids=["columns", "lists", "open lists", "digits", "cells"],
)
def test_a_manifest_is_refused_in_no_time(lines: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    with within(), pytest.raises(ProbeError, match=said):
        Manifest().read(tmp_path)
