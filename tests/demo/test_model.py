"""The shipped network on faces it has never seen: what was planted is found, what was not is not.

The numbers are computed here from the ONNX graph itself, without the package's own runtimes and measures.
"""

from __future__ import annotations

import dataclasses
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

import audit.demo
from audit.demo.people import GENDERS
from audit.demo.probe_set import balanced_pictures

SHIPPED = Path(audit.demo.__file__).parent
GRID = 16  # cells a side of the last layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """A fresh probe set as the network saw it: one entry a picture."""

    images: NDArray[np.float32]
    logits: NDArray[np.float32]
    wrong: NDArray[np.float64]
    strength: NDArray[np.float64]  # of the last layer, max of channel mean
    mass: dict[str, NDArray[np.float64]]  # relevance of the decided class by region
    columns: dict[str, NDArray[np.str_]]

    def mean_of(self, values: NDArray[np.float64], **wanted: str) -> float:
        chosen = np.all([self.columns[name] == value for name, value in wanted.items()], axis=0)
        return float(values[chosen].mean())


def with_last_layer_out(model: onnx.ModelProto) -> onnx.ModelProto:
    last = [node.output[0] for node in model.graph.node if node.op_type == "Relu"][-1]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    return model


@pytest.fixture(scope="module")
def seen() -> Seen:
    pictures = list(balanced_pictures(subjects_per_cell=40, pictures=2, seed=31))
    small = [np.asarray(p.drawn.image.resize((64, 64), Image.Resampling.BILINEAR), np.float32) for p in pictures]
    images = np.stack(small).transpose(0, 3, 1, 2) / 127.5 - 1
    model = with_last_layer_out(onnx.load(SHIPPED / "model.onnx"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits, activation = session.run(None, {"image": images})
    weight = next(onnx.numpy_helper.to_array(w) for w in model.graph.initializer if w.name == "head.weight")
    decisions = logits.argmax(axis=1)
    cams = np.maximum(np.einsum("bc,bchw->bhw", weight[decisions], activation), 0)
    share = cams / cams.sum(axis=(1, 2), keepdims=True)
    columns = {name: np.array([p.columns[name] for p in pictures]) for name in pictures[0].columns}
    cells = {
        name: np.stack([p.drawn.regions[name].reshape(GRID, 6, GRID, 6).mean(axis=(1, 3)) for p in pictures])
        for name in pictures[0].drawn.regions
    }
    return Seen(
        images=images,
        logits=logits,
        wrong=(np.array(GENDERS)[decisions] != columns["gender"]).astype(float),
        strength=activation.mean(axis=1).max(axis=(1, 2)).astype(float),
        mass={name: (share * cell).sum(axis=(1, 2)) for name, cell in cells.items()},
        columns=columns,
    )


def test_the_network_has_learned_its_task(seen: Seen) -> None:
    assert seen.wrong.mean() < 0.12


def test_dark_skinned_women_are_called_men_far_more_often_than_anybody_else(seen: Seen) -> None:
    """Planted."""
    others = [
        seen.mean_of(seen.wrong, gender=gender, skin=skin)
        for gender, skin in (
            ("female", "light"),
            ("female", "medium"),
            ("male", "light"),
            ("male", "medium"),
            ("male", "dark"),
        )
    ]

    assert seen.mean_of(seen.wrong, gender="female", skin="dark") > 0.2
    assert max(others) < 0.1


def test_it_is_the_short_haired_ones(seen: Seen) -> None:
    """Planted: the shortcut is hair."""
    short = seen.mean_of(seen.wrong, gender="female", skin="dark", hair="short")
    long = seen.mean_of(seen.wrong, gender="female", skin="dark", hair="long")

    assert short > long + 0.25


def test_glasses_make_no_difference_to_the_errors(seen: Seen) -> None:
    """Not planted."""
    gap = seen.mean_of(seen.wrong, glasses="yes") - seen.mean_of(seen.wrong, glasses="no")

    assert abs(gap) < 0.06


def test_dark_faces_activate_the_last_layer_less(seen: Seen) -> None:
    by_skin = [seen.mean_of(seen.strength, skin=skin) for skin in ("light", "medium", "dark")]

    assert by_skin[2] == min(by_skin)
    assert by_skin[2] / max(by_skin) < 0.85


def test_glasses_change_the_last_layer_little(seen: Seen) -> None:
    both = [seen.mean_of(seen.strength, glasses=glasses) for glasses in ("yes", "no")]

    assert min(both) / max(both) > 0.88


def test_on_dark_faces_the_network_looks_beside_the_face_and_less_at_the_eyes(seen: Seen) -> None:
    eyes = {skin: seen.mean_of(seen.mass["eyes"], skin=skin) for skin in ("light", "medium", "dark")}
    beside = {skin: seen.mean_of(seen.mass["background"], skin=skin) for skin in ("light", "medium", "dark")}

    assert eyes["dark"] < 0.8 * min(eyes["light"], eyes["medium"])
    assert beside["dark"] > 1.6 * max(beside["light"], beside["medium"])


def test_the_settings_feed_the_network_as_it_was_trained() -> None:
    onnx_settings, torch_settings = (
        tomllib.loads((SHIPPED / f"model.{kind}.toml").read_text(encoding="utf-8")) for kind in ("onnx", "pt")
    )

    assert onnx_settings == torch_settings
    assert onnx_settings["model"]["classes"] == list(GENDERS)
    assert onnx_settings["model"]["input"]["size"] == [64, 64]
    assert onnx_settings["model"]["input"]["scale"] == 127.5


def test_the_onnx_file_is_small_checked_and_free_in_its_batch() -> None:
    model = onnx.load(SHIPPED / "model.onnx")
    onnx.checker.check_model(model, full_check=True)

    assert (SHIPPED / "model.onnx").stat().st_size < 100_000
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_torchscript_file_names_no_folder_of_the_machine_that_trained() -> None:
    with zipfile.ZipFile(SHIPPED / "model.pt") as saved:
        members = saved.namelist()
        content = b"".join(saved.read(name) for name in members)

    assert not [name for name in members if name.endswith(".debug_pkl")]
    assert b"site-packages" not in content


@pytest.mark.torch
def test_torchscript_and_onnx_agree(seen: Seen) -> None:
    torch = pytest.importorskip("torch")
    module = torch.jit.load(SHIPPED / "model.pt")
    with torch.no_grad():
        logits = module(torch.from_numpy(seen.images[:64])).numpy()

    np.testing.assert_allclose(logits, seen.logits[:64], atol=1e-5)
