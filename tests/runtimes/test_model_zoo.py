"""Nine graphs of the ONNX model zoo that come with the onnx package: written by others, in operators of 2018, weights
listed as inputs and made of a single number. For what depends on weights they are given drawn ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from audit.errors import ModelError
from audit.runtimes import REDUCTIONS, Request, default_layers, last_map, open_model
from tests.runtimes.test_onnx import reduced, values_of
from tests.support.onnx_networks import save

FOLDER = Path(onnx.backend.test.__file__).parent / "data"
SHAPE = (1, 3, 224, 224)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """What the authors' papers and the graph itself say; `head`: the layer whose mean the last linear layer weighs."""

    layers: dict[str, int]  # by kind
    first: str
    last: str  # map
    head: str | None
    multiply_adds: float  # in millions
    first_adds: float  # of them, the first convolution


ZOO = {
    "bvlc_alexnet": Expected(
        layers={"relu": 7}, first="conv1.relu", last="conv5.relu", head=None, multiply_adds=655, first_adds=101.6
    ),
    "densenet121": Expected(
        layers={"relu": 121, "conv": 61},
        first="conv1.relu",
        last="conv5_blk/bn.relu",
        head="conv5_blk/bn.relu",
        multiply_adds=2834,
        first_adds=118.0,
    ),
    "inception_v1": Expected(
        layers={"relu": 57, "cat": 1},
        first="conv1/7x7_s2.relu",
        last="n137",
        head="n137",
        multiply_adds=1432,
        first_adds=118.0,
    ),
    "inception_v2": Expected(
        layers={"relu": 69, "cat": 1},
        first="conv1/7x7_s2.relu",
        last="n504",
        head="n504",
        multiply_adds=2018,
        first_adds=118.0,
    ),
    "resnet50": Expected(
        layers={"relu": 49},
        first="gpu_0/conv1.relu",
        last="gpu_0/res5_2_branch2c.relu",
        head="gpu_0/res5_2_branch2c.relu",
        multiply_adds=4089,
        first_adds=118.0,
    ),
    "shufflenet": Expected(
        layers={"relu": 33, "conv": 3},
        first="gpu_0/conv3_0.relu",
        last="gpu_0/gconv1_31.relu",
        head="gpu_0/gconv1_31.relu",
        multiply_adds=124.7,
        first_adds=8.1,
    ),
    "squeezenet": Expected(
        layers={"relu": 26},
        first="conv1.relu",
        last="conv10.relu",
        head="conv10.relu",
        multiply_adds=349,
        first_adds=21.3,
    ),
    "vgg19": Expected(
        layers={"relu": 18}, first="conv1_1.relu", last="conv5_4.relu", head=None, multiply_adds=19632, first_adds=86.7
    ),
    "zfnet512": Expected(
        layers={"relu": 7},
        first="gpu_0/conv1.relu",
        last="gpu_0/conv5.relu",
        head=None,
        multiply_adds=1480,
        first_adds=167.7,
    ),
}
LARGE = ("bvlc_alexnet", "vgg19", "zfnet512")  # 61 to 144 million weights
SMALL = ("shufflenet", "squeezenet")
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in ZOO]
DRAWN = [pytest.param(name, marks=() if name in SMALL else pytest.mark.slow) for name in ZOO if name not in LARGE[1:]]


def shipped(name: str) -> Path:
    return FOLDER / "light" / f"light_{name}.onnx"


def drawn(name: str, folder: Path) -> Path:
    """The same graph with weights in the place of a single number repeated, scaled so that values keep their size."""
    made = onnx.load(str(shipped(name)))
    random = np.random.default_rng(0)
    sizes = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    kept = []
    for node in made.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape, weight = sizes[node.input[0]], node.output[0]
        if len(shape) > 1:
            array = random.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[1:]))
        elif weight.endswith(("_b_0", "_bias_0", "_rm_0", "_mean_0")):
            array = random.normal(0, 0.1, shape)
        else:  # scales and variances
            array = random.uniform(0.5, 1.5, shape)
        made.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), weight))
        made.graph.input.append(onnx.helper.make_tensor_value_info(weight, onnx.TensorProto.FLOAT, shape.tolist()))
    del made.graph.node[:]
    made.graph.node.extend(kept)
    return save(made, folder / f"{name}.onnx")


def noise(rows: int) -> NDArray[np.float32]:
    """Each picture with more contrast than the one before it."""
    pictures = np.random.default_rng(1).normal(size=(rows, *SHAPE[1:])).astype(np.float32)
    return pictures * 3 ** np.arange(rows, dtype=np.float32)[:, None, None, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_zoo_file_is_described_as_its_authors_would(name: str) -> None:
    expected = ZOO[name]
    model = open_model(shipped(name), threads=2)
    description = model.describe(SHAPE)
    layers, output = description.layers, model.outputs[0].name
    kinds = [layer.kind for layer in layers]
    chosen = default_layers(layers)

    assert {kind: kinds.count(kind) for kind in kinds} == expected.layers
    assert (layers[0].name, last_map(layers).name) == (expected.first, expected.last)  # type: ignore[union-attr]
    assert chosen[-1].name == expected.last
    assert len(chosen) == min(6, sum(layer.spatial for layer in layers))
    assert {head.layer for head in description.heads.values()} == ({expected.head} - {None})
    assert description.final == {output: None if name == "densenet121" else "softmax"}
    assert description.gradients is None
    assert layers[0].cost == pytest.approx(expected.first_adds / expected.multiply_adds, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_zoo_file_gives_the_answer_that_comes_with_it(name: str) -> None:
    model = open_model(shipped(name), threads=2)
    model.prepare(Request(output=model.outputs[0].name))
    size = int(np.prod(SHAPE))
    found = model.run((np.arange(size, dtype=np.float32) / size).reshape(SHAPE))
    answer = onnx.TensorProto.FromString(shipped(name).with_name(f"light_{name}_output_0.pb").read_bytes())

    np.testing.assert_allclose(found.outputs, numpy_helper.to_array(answer).reshape(1, -1), rtol=1e-3)


@pytest.mark.parametrize("name", DRAWN)
def test_looking_inside_a_zoo_graph_gives_what_is_there(name: str, tmp_path: Path) -> None:
    """Activations against an untouched session with the same tensors as outputs; the logits run on from the map, and by
    the head's weights where it has one; other answers with its weights drawn anew."""
    path = drawn(name, tmp_path)
    model = open_model(path, threads=2)
    description, output = model.describe(SHAPE), model.outputs[0].name
    layers, last = default_layers(description.layers), ZOO[name].last
    wanted = {layer.name: REDUCTIONS for layer in layers}
    model.prepare(Request(output=output, reductions=wanted, cam_layer=last, tail=True, logits=True))
    images = noise(2)  # of a file that takes one at a time
    seen = model.run(images)

    tensors = {layer.name: model._seen.places[layer.name].tensor for layer in layers}  # type: ignore[attr-defined]
    alone = [values_of(onnx.load(str(path)), list(tensors.values()), images[i : i + 1]) for i in range(2)]
    truth = {tensor: np.concatenate([one[tensor] for one in alone]) for tensor in alone[0]}
    assert model.guard is not None
    assert model.guard < 1e-5
    np.testing.assert_allclose(seen.outputs, truth[output].reshape(2, -1), rtol=1e-4, atol=1e-6)
    for layer, tensor in tensors.items():
        for reduction in REDUCTIONS:
            oracle = reduced(truth[tensor], reduction)
            np.testing.assert_allclose(seen.strengths[layer, reduction], oracle, rtol=1e-4, atol=1e-6)
    assert seen.activation is not None
    assert seen.tail is not None
    assert seen.logits is not None
    scale = np.abs(seen.logits).max()
    assert np.ptp(seen.logits, axis=0).max() > 1e-3 * scale  # the pictures differ to it
    np.testing.assert_allclose(seen.activation, truth[tensors[last]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.tail(seen.activation), seen.logits, rtol=0, atol=1e-4 * scale)
    for head in description.heads.values():
        pooled = seen.activation.mean(axis=(2, 3))
        np.testing.assert_allclose(pooled @ head.weight.T + head.bias, seen.logits, rtol=0, atol=1e-4 * scale)

    changed = model.randomized(1.0, seed=0)
    assert changed.layers == changed.of
    assert (changed.head is None) == (ZOO[name].head is None)
    other = changed.model.run(images).logits
    assert other is not None
    assert np.abs(other - seen.logits).max() > 0.1 * scale


def test_weights_of_a_single_number_are_not_drawn_anew() -> None:
    model = open_model(shipped("squeezenet"), threads=2)
    model.describe(SHAPE)
    with pytest.raises(ModelError, match="no weights that can be drawn anew"):
        model.randomized(1.0, seed=0)


@pytest.mark.torch
@pytest.mark.slow
def test_gradients_of_several_linear_layers_are_those_of_small_steps(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = open_model(drawn("bvlc_alexnet", tmp_path), threads=2)
    model.describe(SHAPE)
    wanted = Request(output=model.outputs[0].name, cam_layer="conv5.relu", gradients=True, tail=True, logits=True)
    model.prepare(wanted)
    seen = model.run(noise(1))
    assert seen.gradient is not None
    assert seen.tail is not None
    assert seen.logits is not None
    assert seen.activation is not None
    target = seen.logits.argmax(axis=1)
    gradient = seen.gradient(target)
    alive = seen.activation > 0  # where a cell is 0 many are alike, and the pool behind them takes any
    step = 1e-3 * np.abs(seen.activation).max() * np.sign(gradient) * alive
    more, less = (seen.tail((seen.activation + way * step).astype(np.float32))[0, target[0]] for way in (1, -1))

    assert (more - less) / 2 == pytest.approx((gradient * step).sum(), rel=0.02)


def test_small_files_of_the_onnx_package_open_or_say_why_in_one_line() -> None:
    """Single operators and odds and ends: none ends in anything but a description or one clear line."""
    files = sorted(path for folder in ("simple", "pytorch-*") for path in FOLDER.glob(f"{folder}/*/model.onnx"))
    opened, refused = 0, []
    for path in files:
        try:
            model = open_model(path, threads=1)
            description = model.describe((1, *(size or 8 for size in model.inputs[0].shape[1:])))  # type: ignore[arg-type]
            output, layers = model.outputs[0].name, default_layers(description.layers)
            model.prepare(Request(output=output, reductions={layer.name: REDUCTIONS for layer in layers}))
            model.run(np.zeros((2, *(size or 8 for size in model.inputs[0].shape[1:])), np.float32))
            opened += 1
        except ModelError as reason:
            refused.append(str(reason))

    assert len(files) > 100
    assert opened >= 30
    assert [reason for reason in refused if "\n" in reason or "::" in reason or str(FOLDER) not in reason] == []
