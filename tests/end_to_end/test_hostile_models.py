"""Files that mean harm, are broken or are something else, through the command line: one line and the right status."""

from __future__ import annotations

import io
import itertools
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from audit.cli import main
from tests.support import onnx_networks as networks

MARK = "PLANTED"


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    """Exit status and what stands on standard error, which is one line."""
    status = main([*map(str, words), "-q"] if "inspect" not in words else [*map(str, words)])
    shown = capsys.readouterr().err.strip()
    assert "\n" not in shown, shown
    assert "Traceback" not in shown
    return status, shown


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    rows = ["path,label"]
    for label, shade in (("a", 40), ("b", 200), ("c", 120)):
        for at in range(3):
            Image.new("RGB", (16, 16), (shade, at * 20, 90)).save(folder / f"{label}{at}.png")
            rows.append(f"{label}{at}.png,{label}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


# ---- ONNX


def stored_outside(model: onnx.ModelProto, tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def _weights_outside(model: onnx.ModelProto) -> None:
    stored_outside(model, model.graph.initializer[0], "../secret")


def _address_in_memory(model: onnx.ModelProto) -> None:
    Path("*", "_ORT_MEM_ADDR_").mkdir(parents=True)
    Path("*", "_ORT_MEM_ADDR_", "*").write_bytes(bytes(9000))
    stored_outside(model, model.graph.initializer[0], "*/_ORT_MEM_ADDR_/*")
    model.graph.initializer[0].external_data.add(key="offset", value="4096")


def _constant_of_a_function_outside(model: onnx.ModelProto) -> None:
    weight = onnx.numpy_helper.from_array(np.zeros(1, np.float32))
    stored_outside(model, weight, "/etc/hostname")
    body = [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Add", ["x", "w"], ["y"])]
    _calls(model, [helper.make_function("local", "F0", ["x"], ["y"], body, [helper.make_opsetid("", 17)])])


def _sparse_weights_outside(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", TensorProto.INT64, [1], [0]))
    stored_outside(model, sparse.indices, "../../secret")


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "ai.onnx.contrib"
    model.opset_import.append(helper.make_opsetid("ai.onnx.contrib", 1))


def _compiled(model: onnx.ModelProto) -> None:
    node = model.graph.node[1]
    node.domain, node.op_type = "com.microsoft", "EPContext"
    node.attribute.append(helper.make_attribute("ep_cache_context", "../secret"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _calls(model: onnx.ModelProto, functions: list[onnx.FunctionProto]) -> None:
    model.graph.node[3].domain, model.graph.node[3].op_type = "local", "F0"
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.extend(functions)


def _function(name: str, body: list[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function("local", name, ["x"], ["y"], body, [helper.make_opsetid("local", 1)])


def _endless(model: onnx.ModelProto) -> None:
    one = _function("F0", [helper.make_node("F1", ["x"], ["y"], domain="local")])
    other = _function("F1", [helper.make_node("F0", ["x"], ["y"], domain="local")])
    _calls(model, [one, other])


def _a_billion(model: onnx.ModelProto) -> None:
    functions = []
    for at in range(9):
        names = ["x", *(f"t{step}" for step in range(9)), "y"]
        pairs = itertools.pairwise(names)
        functions.append(
            _function(f"F{at}", [helper.make_node(f"F{at + 1}", [a], [b], domain="local") for a, b in pairs])
        )
    _calls(model, [*functions, _function("F9", [helper.make_node("Relu", ["x"], ["y"])])])


def _terabytes(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("size", TensorProto.INT64, [2], [2**20, 2**22]))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["huge"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["logits", "most"], ["sum"]))
    model.graph.output[0].name = "sum"


def _weight_without_end(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 2**50


def _picture_without_end(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**40


HOSTILE_ONNX: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "weights outside": (_weights_outside, "outside the model's folder, got '../secret'"),
    "address in memory": (_address_in_memory, "outside the model's folder, got '*/_ORT_MEM_ADDR_/*'"),
    "constant of a function outside": (_constant_of_a_function_outside, "outside the model's folder"),
    "sparse weights outside": (_sparse_weights_outside, "outside the model's folder, got '../../secret'"),
    "foreign operator": (_foreign_operator, "of the domain 'ai.onnx.contrib' needs code that is not part of the file"),
    "compiled code": (_compiled, "'EPContext' runs code compiled for one kind of device"),
    "function that calls itself": (_endless, "a function of the file calls itself"),
    "a billion operators": (_a_billion, "make far too many operators"),
    "terabytes": (_terabytes, "'huge', is far too large for one picture"),
    "weight without end": (_weight_without_end, "is far too large for one picture, got 'any x 1125899906842624 x"),
    "picture without end": (_picture_without_end, "larger than pictures are"),
}


@pytest.mark.parametrize("name", HOSTILE_ONNX)
def test_an_onnx_file_that_means_harm_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, expected = HOSTILE_ONNX[name]
    model = networks.small_cnn()
    change(model)
    status, line = said(capsys, "inspect", networks.save(model, tmp_path / "net.onnx"))

    assert (status, expected in line) == (4, True), line


def test_settings_inside_a_file_are_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """onnxruntime can read session options from a file's metadata, such as a profile to write."""
    config = json.dumps({"session_options": {"enable_profiling": 1, "intra_op_num_threads": 64}})
    path = networks.save(networks.small_cnn(metadata={"ort_config": config}), tmp_path / "net.onnx")
    main(["inspect", str(path), "--json", "-"])

    assert [found.name for found in tmp_path.iterdir()] == ["net.onnx"]


def test_a_chain_of_thousands_of_operators_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = networks.small_cnn()
    first, *rest = list(model.graph.node)
    names = [first.output[0], *(f"same{at}" for at in range(3000))]
    chain = [helper.make_node("Identity", [a], [b]) for a, b in itertools.pairwise(names)]
    rest[0].input[0] = names[-1]
    del model.graph.node[:]
    model.graph.node.extend([first, *chain, *rest])
    status, line = said(capsys, "inspect", networks.save(model, tmp_path / "net.onnx"))

    assert (status, line) == (0, "")


# ---- TorchScript and torch.export


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    from tests.runtimes.test_torchscript_safety import Tiny
    from tests.support import torch_networks

    return torch_networks.save(Tiny(), tmp_path / "model.pt")


HUGE = 2**58  # numbers: more bytes than any machine can name
DEEP = 20_000
LINES = {
    "writes a file": (f'z = torch.from_file("{MARK}", True, 4)', "the model's code names from_file"),
    "saves a file": (f'torch.save(x, "{MARK}")', "the model's code names save"),
    "saves it by another name": (f'here = torch\n    keep = here.save\n    keep(x, "{MARK}")', "calls aten::save"),
    "a foreign library": ("z = ops.evil.run(x)", "torch can't load the file"),
    "a foreign class": ("z = torch.classes.evil.Thing()", "an object of a library that nobody vouches for"),
    "memory without end": (f"weight = weight + torch.sum(torch.zeros([{HUGE}]))", "asks for more memory than this"),
    "brackets without end": ("z = " + "(" * DEEP + "1" + ")" * DEEP, "nested too deeply"),
    "sums without end": ("z = " + "+".join(["x"] * DEEP), "nested too deeply"),
    "calls without end": ("z = x" + ".t()" * DEEP, "nested too deeply"),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", LINES)
def test_a_torchscript_file_that_means_harm_is_refused(
    name: str, scripted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.runtimes.test_torchscript_safety import rewritten

    line, expected = LINES[name]
    Path("model.pt.toml").write_text("[model.input]\nsize = [8, 8]\n")
    rewritten(scripted, "    weight = self.weight\n", f"    weight = self.weight\n    {line}\n")
    status, shown = said(capsys, "inspect", scripted)

    assert (status, expected in shown) == (4, True), shown
    assert not Path(MARK).exists()


@pytest.mark.torch
def test_objects_within_objects_without_end_are_refused(scripted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.runtimes.test_torchscript_safety import repacked

    deep = b"\x80\x02" + b"](" * 100_000 + b"e" * 100_000 + b"."
    status, shown = said(capsys, "inspect", repacked(scripted, "data.pkl", deep))

    assert (status, "nested too deeply" in shown) == (4, True), shown


@pytest.mark.torch
def test_members_that_unpack_to_gigabytes_are_refused(scripted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(scripted, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for at in range(4):
            archive.writestr(f"model/data/{9 + at}", bytes(2**27))
    status, shown = said(capsys, "inspect", scripted)

    assert (status, "unpacks to far more than its size" in shown) == (4, True), shown


@pytest.mark.torch
def test_a_size_in_the_archive_that_lies_is_found(scripted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The directory at the end says another size than the member has."""
    content = bytearray(scripted.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**20).to_bytes(4, "little")
    scripted.write_bytes(content)
    status, shown = said(capsys, "inspect", scripted)

    assert status == 4, shown


@pytest.mark.torch
def test_a_pickle_in_a_torch_export_file_never_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    from tests.runtimes import test_exported_safety as safety
    from tests.support import torch_networks

    honest = torch_networks.export(torch_networks.build(torch_networks.Plain()), tmp_path / "honest.pt2")
    for name in ("pickled example", "pickled weight", "expression as a size"):
        path = safety.rewritten(honest, tmp_path / "hostile.pt2", safety.harms(tmp_path / MARK)[name])
        status, shown = said(capsys, "inspect", path)

        assert status == 4, shown
        assert not (tmp_path / MARK).exists()


# ---- something else under a wrong name


def contents() -> dict[str, tuple[bytes, str]]:
    picture, zipped, keras = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "JPEG")
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with zipfile.ZipFile(keras, "w") as archive:
        archive.writestr("model.weights.h5", b"x")
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return {
        "onnx": (networks.small_cnn().SerializeToString(), "an ONNX model. Give it the suffix .onnx"),
        "jpeg": (picture.getvalue(), "a JPEG picture"),
        "zip": (zipped.getvalue(), "a zip archive"),
        "keras": (keras.getvalue(), "a Keras model"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, as Keras writes them"),
        "safetensors": (len(header).to_bytes(8, "little") + header + bytes(4), "a safetensors file: weights without"),
        "tflite": (b"\x1c\0\0\0TFL3" + bytes(100), "a TensorFlow Lite model"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer"),
        "pickle": (pickle.dumps({"weight": [1.0]}), "pickle"),
    }


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".pt2", ".csv", ".pth"])
@pytest.mark.parametrize("kind", contents())
def test_what_a_file_seems_to_be_is_told(
    kind: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if suffix in {".pt", ".pt2"}:
        pytest.importorskip("torch")
    content, expected = contents()[kind]
    if suffix == f".{kind}":
        return
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    status, line = said(capsys, "inspect", path)

    assert (status, expected in line) == (4, True), line


@pytest.mark.torch
def test_torch_files_under_each_others_names_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from tests.support import torch_networks

    network = torch_networks.build(torch_networks.Plain())
    script = torch_networks.save(network, tmp_path / "script.pt", "traced")
    export = torch_networks.export(network, tmp_path / "export.pt2")
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    wanted = {
        script: ("a TorchScript file. Give it the suffix .pt or", (".onnx", ".pt2", ".csv", ".pth")),
        export: ("a torch.export file. Give it the suffix .pt2", (".onnx", ".pt", ".csv", ".pth")),
        tmp_path / "weights.pt": ("checkpoint", (".onnx", ".pt", ".csv", ".pth")),
    }
    for source, (expected, suffixes) in wanted.items():
        for suffix in suffixes:
            path = tmp_path / f"other{suffix}"
            path.write_bytes(source.read_bytes())
            status, line = said(capsys, "inspect", path)

            assert (status, expected in line) == (4, True), line


# ---- what was typed, or left unsaid


def test_an_unknown_layer_gives_the_nearest_names(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = networks.save(networks.small_cnn(), tmp_path / "net.onnx")
    status, line = said(capsys, path, "--probe", faces, "--layers", "features.33")

    assert status == 2
    assert "no such layer, got 'features.33'" in line
    assert "Did you mean features.3" in line


@pytest.mark.torch
def test_a_layer_inside_a_branch_says_why_it_can_t_be_had(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from audit.runtimes import open_model
    from tests.support import torch_networks

    path = torch_networks.save(torch_networks.build(torch_networks.Branching()), tmp_path / "net.pt", "scripted")
    Path("net.pt.toml").write_text("[model.input]\nsize = [24, 24]\n")
    layers = open_model(path).describe((1, 3, 24, 24)).layers
    hidden = [layer.name for layer in layers if layer.reason is not None and "inside a branch" in layer.reason]
    rows = (faces / "manifest.csv").read_text().splitlines()
    (faces / "manifest.csv").write_text("\n".join(row for row in rows if not row.startswith("c")))  # it has two classes
    status, line = said(capsys, path, "--probe", faces, "--layers", hidden[0])

    assert status == 2, line
    assert "inside a branch" in line


def test_a_size_that_nobody_states_is_asked_for(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = networks.small_cnn()
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.Clear()
        dim.dim_param = "side"
    path = networks.save(model, tmp_path / "net.onnx")
    status, line = said(capsys, path, "--probe", faces)

    assert status == 2
    assert "nothing says how large the model wants its pictures" in line
    assert "net.onnx.toml" in line
    assert "size = [224, 224]" in line


def test_a_layer_that_is_not_finite_is_skipped_with_the_reason(tmp_path: Path, faces: Path) -> None:
    """The roots of negative numbers, which the network itself puts right before they reach its output."""
    model = networks.small_cnn()
    conv, relu, *rest = list(model.graph.node)
    repair = [
        helper.make_node("Sqrt", [conv.output[0]], ["root"]),
        helper.make_node("Tanh", ["root"], ["broken"], name="/broken/Tanh"),
        helper.make_node("IsNaN", ["broken"], ["is_nan"]),
        helper.make_node("Constant", [], ["zero"], value_float=0.0),
        helper.make_node("Where", ["is_nan", "zero", "broken"], [relu.output[0]]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([conv, *repair, *rest])
    path = networks.save(model, tmp_path / "net.onnx")
    status = main([str(path), "--probe", str(faces), "--out", "run", "--accept-chance", "-q", "--formats", "md"])
    record = json.loads(Path("run", "audit.json").read_text())
    skipped = {(s["parameters"].get("layer"), s["reason"]) for s in record["skipped"] if "activation" in s["measure"]}
    finite = {
        m["parameters"]["layer"] for m in record["measurements"] if m["overall"]["value"] and "layer" in m["parameters"]
    }

    assert status == 0
    assert {layer for layer, reason in skipped if "not finite for any image" in reason} == {"broken"}
    assert {"features.0", "features.3"} <= finite
    assert record["model"]["classes"] == ["a", "b", "c"]
