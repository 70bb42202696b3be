"""Files that are broken or mean harm end in one sentence, before anything of them is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from audit.errors import ModelError, UnsafeModel
from audit.runtimes import REDUCTIONS, Request, open_model
from tests.runtimes.test_onnx import pictures, values_of
from tests.support import onnx_networks as networks


def _with_data_outside(path: Path, location: str = "net.data") -> onnx.ModelProto:
    """Save a network with its weights in a file beside it; gives the network as it was."""
    made = networks.small_cnn()
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    onnx.save(copy, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    if location != "net.data":
        moved = onnx.load(str(path), load_external_data=False)
        for tensor in moved.graph.initializer:
            for entry in tensor.external_data:
                entry.value = location if entry.key == "location" else entry.value
        networks.save(moved, path)
    return made


def test_weights_beside_the_model_are_used_in_every_pass(tmp_path: Path) -> None:
    made = _with_data_outside(tmp_path / "net.onnx")
    images = pictures((3, 3, 16, 16))
    model = open_model(tmp_path / "net.onnx")
    heads = model.describe((1, 3, 16, 16)).heads
    model.prepare(Request(output="logits", reductions={"features.3": REDUCTIONS}, cam_layer="features.3"))
    capture = model.run(images)

    assert list(heads) == ["logits"]
    assert model.files == (tmp_path / "net.onnx", tmp_path / "net.data")
    assert model.guard == 0
    assert np.array_equal(capture.outputs, values_of(made, [], images)["logits"])


def test_a_data_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    _with_data_outside(tmp_path / "net.onnx")
    whole = (tmp_path / "net.data").read_bytes()
    (tmp_path / "net.data").write_bytes(whole[:-1])

    with pytest.raises(ModelError, match=f"cut short, got 'net.data of {len(whole) - 1:,} bytes'"):
        open_model(tmp_path / "net.onnx")


def test_an_old_file_with_weights_beside_it_is_lifted(tmp_path: Path) -> None:
    made = networks.small_cnn(opset=9)
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    onnx.save(copy, str(tmp_path / "net.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0)
    model = open_model(tmp_path / "net.onnx")
    model.prepare(Request(output="logits", reductions={"features.3": ("mean",)}))
    images = pictures((2, 3, 16, 16))

    assert np.array_equal(model.run(images).outputs, values_of(made, [], images)["logits"])


@pytest.mark.parametrize(
    "location", ["/etc/hostname", "../secret", "sub/../../secret", "C:\\secret", "..\\secret", "link", "folder/secret"]
)
def test_a_data_file_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    _with_data_outside(folder / "net.onnx", location)
    (folder / "net.data").unlink()

    with pytest.raises(UnsafeModel, match="outside the model's folder"):
        open_model(folder / "net.onnx")


def test_a_data_file_named_in_a_branch_is_found_and_refused(tmp_path: Path) -> None:
    made = networks.small_cnn()
    inner = onnx.helper.make_tensor("weights", onnx.TensorProto.FLOAT, [1], [0.0])
    inner.ClearField("float_data")
    inner.data_location = onnx.TensorProto.EXTERNAL
    inner.external_data.add(key="location", value="../secret")
    value = onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)
    nodes = [onnx.helper.make_node("Identity", ["weights"], ["inner"])]
    branch = onnx.helper.make_graph(nodes, "branch", [], [value], [inner])
    made.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))

    with pytest.raises(UnsafeModel, match="outside the model's folder"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    _with_data_outside(tmp_path / "net.onnx")
    (tmp_path / "net.data").unlink()

    with pytest.raises(ModelError, match="missing beside it, got 'net.data'"):
        open_model(tmp_path / "net.onnx")


def test_operators_that_need_foreign_code_are_refused(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.graph.node[1].domain = "com.evil"
    made.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))

    with pytest.raises(UnsafeModel, match="operator 'Relu' of the domain 'com.evil'.*com.microsoft"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_functions_that_the_file_defines_itself_are_looked_into(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.graph.node[3].domain, made.graph.node[3].op_type = "local", "Act"
    made.opset_import.append(onnx.helper.make_opsetid("local", 1))
    body = [onnx.helper.make_node("Relu", ["x"], ["y"], name="inner")]
    made.functions.append(
        onnx.helper.make_function("local", "Act", ["x"], ["y"], body, [onnx.helper.make_opsetid("", 17)])
    )
    description = open_model(networks.save(made, tmp_path / "net.onnx")).describe((1, 3, 16, 16))

    assert len(description.layers) == 2
    assert "logits" in description.heads


def test_a_further_input_is_named(tmp_path: Path) -> None:
    made = networks.small_cnn()
    made.graph.input.append(onnx.helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))

    with pytest.raises(ModelError, match="input besides the picture, got 'age'"):
        open_model(networks.save(made, tmp_path / "net.onnx"))


@pytest.mark.parametrize(
    ("shape", "dtype", "message"), [((1, 7), 1, "takes no pictures"), ((1, 3, 4, 4), 7, "'int64'")]
)
def test_an_input_that_is_no_picture_is_refused(
    shape: tuple[int, ...], dtype: int, message: str, tmp_path: Path
) -> None:
    value = onnx.helper.make_tensor_value_info("x", dtype, shape)
    out = onnx.helper.make_tensor_value_info("y", dtype, shape)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "net", [value], [out])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    with pytest.raises(ModelError, match=message):
        open_model(networks.save(made, tmp_path / "net.onnx"))


def test_what_can_t_be_lifted_runs_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no adapter for Upsample")

    monkeypatch.setattr("onnx.version_converter.convert_version", refuse)
    model = open_model(networks.save(networks.small_cnn(opset=9), tmp_path / "net.onnx"))
    description = model.describe((1, 3, 16, 16))

    assert {layer.reason for layer in description.layers} == {
        "the file uses version 9 of the operators and could not be lifted (no adapter for Upsample)"
    }
    assert "could not be lifted" in description.heads_missing["logits"]
    assert model.run(pictures((2, 3, 16, 16))).outputs.shape == (2, 3)
    with pytest.raises(ModelError, match="'features.3' can't be looked at: the file uses version 9"):
        model.prepare(Request(output="logits", reductions={"features.3": ("mean",)}))


@pytest.mark.parametrize("content", [b"", b"just some text\n", b"\x00" * 100, b"PK\x03\x04 a zip", b"\x80\x02}q\x00."])
def test_other_files_called_onnx_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        open_model(tmp_path / "net.onnx")

    assert "net.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    data = networks.small_cnn().SerializeToString()
    (tmp_path / "net.onnx").write_bytes(data.replace(b"/fc/Gemm", b"/fc/\xff\xfe\xfd\xfc"))

    with pytest.raises(ModelError, match="names that are no text"):
        open_model(tmp_path / "net.onnx")


@pytest.mark.parametrize("opset", [9, 17])
def test_damaged_files_open_or_end_in_one_quiet_line(
    opset: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = networks.small_cnn(opset=opset).SerializeToString()
    random = np.random.default_rng(0)
    path = tmp_path / "net.onnx"
    told = []
    for at in range(50):
        broken = bytearray(data[: random.integers(1, len(data))] if at % 2 else data)
        for place in random.integers(0, len(broken), 1 + at // 5):
            broken[place] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(broken)
        try:
            model = open_model(path)
            model.prepare(Request(output=model.outputs[0].name, reductions={"features.3": REDUCTIONS}))
            model.run(pictures((2, 3, 16, 16)))
        except ModelError as error:
            told.append(str(error))

    assert told
    assert not [text for text in told if "\n" in text]
    assert capfd.readouterr() == ("", "")
    assert [found.name for found in tmp_path.iterdir()] == ["net.onnx"]


def test_graphs_within_graphs_without_end_are_refused(tmp_path: Path) -> None:
    """Deeper than any parser goes: written byte by byte."""

    def field(number: int, content: bytes) -> bytes:
        length, size = [], len(content)
        while size > 127:
            length.append(size & 127 | 128)
            size >>= 7
        return bytes([number << 3 | 2, *length, size]) + content

    graph = b""
    for _ in range(5000):
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08" + field(7, graph))

    with pytest.raises(ModelError, match="not an ONNX model, or cut short"):
        open_model(path)
