"""torch.export files that would run code, or that are broken: refused before torch opens them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from audit.errors import ExitStatus, ModelError, UnsafeModel  # noqa: E402 torch is an extra
from audit.runtimes import Request, open_model  # noqa: E402 as above
from audit.runtimes._exported_safety import check_file  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = pytest.mark.torch

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return networks.export(networks.build(networks.Residual()), tmp_path_factory.mktemp("honest") / "net.pt2")


class Harm:
    """What unpickling this does: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def rewritten(source: Path, target: Path, change: Callable[[Members], None]) -> Path:
    """A copy of the archive with its members changed."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def member(members: Members, ending: str) -> str:
    (name,) = [name for name in members if name.endswith(ending)]
    return name


def edit(members: Members, ending: str, change: Callable[[Any], None]) -> None:
    name = member(members, ending)
    content = json.loads(members[name])
    change(content)
    members[name] = json.dumps(content).encode()


def pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def harms(mark: Path) -> dict[str, Callable[[Members], None]]:
    """Ways to run code, each of which makes the file `mark`."""
    expression = f"__import__('os').system('touch {mark}')"

    def sample_inputs(members: Members) -> None:
        members[member(members, "sample_inputs/model.pt")] = pickled(Harm(mark))

    def weight(members: Members) -> None:
        def change(config: Any) -> None:
            next(iter(config["config"].values()))["use_pickle"] = True

        edit(members, "model_weights_config.json", change)
        members[member(members, "weights/weight_0")] = pickled(Harm(mark))

    def constant(members: Members) -> None:
        entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
        edit(members, "model_constants_config.json", lambda config: config["config"].update(c=entry))
        folder = member(members, "archive_version").partition("/")[0]
        members[f"{folder}/data/constants/opaque_obj_0"] = pickled(Harm(mark))

    def size(members: Members) -> None:
        name = member(members, "models/model.json")
        text = members[name].decode()
        assert '"expr_str": "' in text
        old = text.split('"expr_str": "', 1)[1].split('"', 1)[0]
        members[name] = text.replace(json.dumps(old), json.dumps(expression)).encode()

    def legacy_weights(members: Members) -> None:
        folder = member(members, "archive_version").partition("/")[0]
        members[f"{folder}/data/weights/model.pt"] = pickled({"x": Harm(mark)})

    def compiled(members: Members) -> None:
        folder = member(members, "archive_version").partition("/")[0]
        members[f"{folder}/data/aotinductor/model/x.so"] = b"\x7fELF"

    def stranger(members: Members) -> None:
        name = member(members, "models/model.json")
        members[name] = members[name].replace(b"torch.ops.aten.relu_.default", b"torch.ops.evil.relu.default")

    def reader(members: Members) -> None:
        name = member(members, "models/model.json")
        members[name] = members[name].replace(b"torch.ops.aten.relu_.default", b"torch.ops.aten.from_file.default")

    def elsewhere(members: Members) -> None:
        name = member(members, "models/model.json")
        members[name] = members[name].replace(b"torch.ops.aten.relu_.default", b"torch.os.system")

    def huge(members: Members) -> None:
        def change(config: Any) -> None:
            next(iter(config["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": 10**15}]

        edit(members, "model_weights_config.json", change)

    return {
        "pickled example": sample_inputs,
        "pickled weight": weight,
        "pickled constant": constant,
        "expression as a size": size,
        "old pickled weights": legacy_weights,
        "compiled code": compiled,
        "unknown library": stranger,
        "operator that reads files": reader,
        "function outside of the operators": elsewhere,
        "weight larger than memory": huge,
    }


def refusal(path: Path) -> str | None:
    """What is said of a broken file, in one line; None where it can be used after all."""
    try:
        open_model(path).describe((1, 3, 24, 24))
    except ModelError as error:
        said = str(error)
        if "\n" in said or error.status is not ExitStatus.UNUSABLE:
            pytest.fail(f"not one line of status 4: {said}")
        return said
    return None


@pytest.mark.parametrize("name", harms(Path()))
def test_what_could_do_harm_is_refused_and_never_runs(name: str, honest: Path, tmp_path: Path) -> None:
    mark = tmp_path / "harm_was_done"
    path = rewritten(honest, tmp_path / "hostile.pt2", harms(mark)[name])
    with pytest.raises(UnsafeModel) as caught:
        open_model(path)

    assert caught.value.status is ExitStatus.UNUSABLE
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_the_planted_expression_would_run_without_the_check(honest: Path, tmp_path: Path) -> None:
    mark = tmp_path / "harm_was_done"
    path = rewritten(honest, tmp_path / "hostile.pt2", harms(mark)["expression as a size"])
    with contextlib.suppress(Exception):  # it has run by then
        torch.export.load(str(path))

    assert mark.exists()


def test_an_honest_file_that_was_packed_again_is_let_through(honest: Path, tmp_path: Path) -> None:
    path = rewritten(honest, tmp_path / "again.pt2", lambda members: None)

    assert open_model(path).describe((1, 3, 24, 24)).layers


@pytest.mark.parametrize(
    "expression",
    [
        "Symbol('s77', positive=True, integer=True)",
        "2*s0 + 1",
        "Add(Symbol('s0'), Integer(3))",
        "s0//2",
        "Pow(s0, 2)",
        "Add(Mul(Integer(-1), Symbol('s0')), Integer(8))",
        "FloorDiv(Add(Symbol('s27'), Integer(1)), Integer(2))",
        "u0 >= 0",
        "Float('0.5', precision=53)",
        "Max(1, s3)",
        "Eq(Mod(s77, 2), 0)",
        "Pow(Add(s0, 1), Integer(2))",
    ],
)
def test_sizes_that_networks_have_are_let_through(expression: str) -> None:
    from audit.runtimes._exported_sizes import is_size

    assert is_size(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "open('x')",
        "().__class__",
        "exec('s0')",
        "lambda: 1",
        "[1][0]",
        "9**9**9",
        "Pow(9, Pow(9, 9))",
        "S('s0')",
        "(" * 5000,
        "'a' * 999999999",
        "Float('1.5', 9999999999)",
        "Float('1.5', precision=9999999999)",
        "Float(2, 9999999999)",
        "floor(Float('1.0e999999999'))",
        "1e999",
        "9" * 4000,
        "Pow(" * 40 + "9" + ", 8)" * 40,
        " * ".join(["Pow(9, 8)"] * 100),
        " * ".join(f"(s{at} + t{at})" for at in range(20)),
        "Pow(s0 + s1 + s2 + s3, 8)",
        "-" * 4000 + "1",
        "Symbol('s0', integer=9**9)",
    ],
)
def test_expressions_that_are_no_sizes_are_not(expression: str) -> None:
    from audit.runtimes._exported_sizes import is_size

    assert not is_size(expression)


def repacked(content: bytes, ending: str, inner: bytes | None, how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive within the archive, packed again with other bytes in one member; None leaves them."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", how) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name) if inner is None or not name.endswith(ending) else inner)
    return target.getvalue()


DOUBLED = b"N\x85q\0" + b"".join(bytes((104, n, 0x86, 113, n + 1)) for n in range(90))


def with_attribute(name: str, value: object) -> bytes:
    tensor = torch.zeros(2)
    setattr(tensor, name, value)
    return pickled(tensor)


SAMPLES = {
    "an attribute that torch would set": (with_attribute("zero_grad", 1), "more than tensors"),
    "a note that is a tensor": (with_attribute("_dynamo_notes", [torch.zeros(1)]), "more than tensors"),
    "a note that is a function": (with_attribute("_specialize_on", {0: [len]}), "more than tensors"),
    "no pickle": (b"", "more than tensors"),
    "an old pickle": (pickle.dumps((1, 2), 2), "more than tensors"),
    "packed": (repacked(pickled(torch.zeros(9)), "", None, zipfile.ZIP_DEFLATED), "unpack to more than their size"),
    "too few bytes": (repacked(pickled(torch.zeros(9)), "data/0", bytes(8)), "claims more numbers than the file holds"),
    "too many bytes": (
        repacked(pickled(0), "data.pkl", b"\x80\x02ctorch\nTensor\n(J\xff\xff\xff\x7ftR."),
        "more than tensors",
    ),
    "a table that is copied": (
        repacked(pickled(0), "data.pkl", b"\x80\x02ccollections\nOrderedDict\n(" + b"N" * 99 + b"tR."),
        "more than tensors",
    ),
    "a key that takes long to hash": (
        repacked(pickled(0), "data.pkl", b"\x80\x02(" + DOUBLED + b"}h\x5aNst."),
        "more than tensors",
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_examples_that_are_not_what_they_say_are_refused(name: str, honest: Path, tmp_path: Path) -> None:
    content, said = SAMPLES[name]

    def plant(members: Members) -> None:
        members[member(members, "sample_inputs/model.pt")] = content

    with pytest.raises(UnsafeModel, match=said):
        check_file(rewritten(honest, tmp_path / "examples.pt2", plant))


@pytest.mark.parametrize("size", [-1, 10**400, 2.5, "9"])
def test_a_weight_of_an_impossible_size_is_refused(size: object, honest: Path, tmp_path: Path) -> None:
    def plant(members: Members) -> None:
        def change(config: Any) -> None:
            next(iter(config["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": size}]

        edit(members, "model_weights_config.json", change)

    with pytest.raises(UnsafeModel, match="a weight has an impossible shape"):
        check_file(rewritten(honest, tmp_path / "sizes.pt2", plant))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "9" * 100_000, '{"a":' * 150 + "[" * 100 + "]" * 100 + "}" * 150],
    ids=["lists", "digits", "mixed"],
)
def test_a_graph_without_end_is_called_broken(text: str, honest: Path, tmp_path: Path) -> None:
    def plant(members: Members) -> None:
        members[member(members, "models/model.json")] = text.encode()

    with pytest.raises(ModelError, match="broken|nested too deeply"):
        check_file(rewritten(honest, tmp_path / "deep.pt2", plant))


def test_an_archive_that_torch_reads_in_another_way_is_refused(honest: Path) -> None:
    from audit.runtimes._torch_archive import check_agreement, check_archive

    members = check_archive(honest, kind="torch.export", export="")
    reader = torch._C.PyTorchFileReader(str(honest))
    check_agreement(reader, members, honest)
    name = next(iter(members))
    for other in (members | {name: members[name] + 1}, members | {"more": 0}, {}):
        with pytest.raises(UnsafeModel, match="read in two ways"):
            check_agreement(reader, other, honest)


def test_swapped_members_end_in_one_line(honest: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    for trial in range(20):

        def swap(members: Members) -> None:
            first, second = rng.sample(sorted(members), 2)
            members[first], members[second] = members[second], members[first]

        path = rewritten(honest, tmp_path / f"swapped{trial}.pt2", swap)
        refusal(path)


def test_a_zip_bomb_is_refused(honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt2"
    shutil.copy(honest, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/weights/zeros", bytes(2**29))

    with pytest.raises(UnsafeModel, match="unpacks to far more"):
        check_file(path)


def _on_another_device(members: Members) -> None:
    """The archive as it is written on a machine with CUDA: the device stands in every description of a tensor, in
    operators that make one, and in the pickled example."""
    for name in [name for name in members if name.endswith(".json")]:
        members[name] = members[name].replace(b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0')
        assert b'"cpu"' not in members[name]
    name = member(members, "sample_inputs/model.pt")
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(members[name])) as source, zipfile.ZipFile(target, "w") as archive:
        for inner in source.namelist():
            archive.writestr(inner, source.read(inner).replace(b"\x03\0\0\0cpu", b"\x06\0\0\0cuda:0"))
    members[name] = target.getvalue()


def test_a_file_from_another_device_runs_here(honest: Path, tmp_path: Path) -> None:
    moved = rewritten(honest, tmp_path / "cuda.pt2", _on_another_device)
    with pytest.raises((RuntimeError, AssertionError)):
        torch.export.load(str(moved))
    images = networks.noise(3).numpy()
    outputs = []
    for path in (honest, moved):
        model = open_model(path, device="cpu")
        model.describe((1, 3, 24, 24))
        model.prepare(Request(output="output"))
        outputs.append(model.run(images).outputs)

    assert outputs[0].tolist() == outputs[1].tolist()
