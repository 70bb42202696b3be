"""What every model format promises, tried with a small network of each that can be built here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audit.errors import ModelError
from audit.runtimes import REDUCTIONS, RUNTIMES, Capture, Model, Request, default_layers, open_model
from tests.support.fixtures import fixture_of


def _onnx(path: Path) -> None:
    from tests.support import onnx_networks

    onnx_networks.save(onnx_networks.small_cnn(), path)


def _torchscript(path: Path) -> None:
    torch = pytest.importorskip("torch")
    networks = pytest.importorskip("tests.support.torch_networks")
    torch.manual_seed(0)
    torch.jit.trace(networks.Plain().eval(), torch.zeros(1, 3, 16, 16)).save(str(path))


def _exported(path: Path) -> None:
    torch = pytest.importorskip("torch")
    networks = pytest.importorskip("tests.support.torch_networks")
    torch.manual_seed(0)
    networks.export(networks.Plain().eval(), path, size=16)


BUILDERS: dict[str, Callable[[Path], None]] = {"onnx": _onnx, "torchscript": _torchscript, "exported": _exported}


TABLES = ("predictions",)  # of what a model said: nothing in them is computed, and tests of their own say what holds


# Further kinds of network, written the way that a format's own files are; every test runs over them, too.
WAYS = {"onnx": "onnx", "torchscript": "traced", "exported": "exported"}
NETWORKS = {"onnx": ("residual", "swin"), "torchscript": ("swin",), "exported": ("residual",)}
CASES = [
    *((runtime, "") for runtime in RUNTIMES.names() if runtime not in TABLES),
    *((runtime, network) for runtime in WAYS for network in NETWORKS[runtime]),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], bytes]:
    """A network's file in a format, written once."""
    made: dict[tuple[str, str], bytes] = {}

    def get(runtime: str, network: str) -> bytes:
        if (runtime, network) not in made:
            path = tmp_path_factory.mktemp("written") / f"net{RUNTIMES.get(runtime).suffixes[0]}"
            if network:
                pytest.importorskip("torch")
                zoo = pytest.importorskip("tests.support.torch_zoo")
                path = zoo.write(zoo.build(network), path.parent, WAYS[runtime], size=16)
            else:
                add = "a function that writes a small network to BUILDERS in tests/contracts/test_runtimes.py"
                fixture_of(runtime, BUILDERS, kind="runtime", add=add)(path)
            made[runtime, network] = path.read_bytes()
        return made[runtime, network]

    return get


@pytest.fixture(params=CASES, ids=["-".join(filter(None, case)) for case in CASES])
def path(request: pytest.FixtureRequest, files: Callable[[str, str], bytes], tmp_path: Path) -> Path:
    """Small networks in each format: a few classes, pictures of 16 x 16."""
    path = tmp_path / f"net{RUNTIMES.get(request.param[0]).suffixes[0]}"
    path.write_bytes(files(*request.param))
    return path


def _images(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, 3, 16, 16)).astype(np.float32)


def _everything(model: Model) -> Request:
    description = model.describe((1, 3, 16, 16))
    layers = default_layers(description.layers)
    output = description.outputs[0].name
    mapped = description.heads[output].layer
    reductions = dict.fromkeys((*(layer.name for layer in layers), mapped), REDUCTIONS)
    return Request(output=output, reductions=reductions, cam_layer=mapped)


def test_layers_are_named_once_and_in_order(path: Path) -> None:
    layers = open_model(path).describe((1, 3, 16, 16)).layers
    names, depths = [layer.name for layer in layers], [layer.depth for layer in layers]

    assert names
    assert len(set(names)) == len(names)
    assert depths == sorted(depths)
    assert 0 < depths[0] <= depths[-1] == 1


def test_everything_asked_for_is_given(path: Path) -> None:
    model = open_model(path)
    request = _everything(model)
    model.prepare(request)
    capture = model.run(_images(5))

    assert capture.outputs.shape == (5, model.outputs[0].shape[1])
    assert capture.outputs.dtype == np.float32
    assert set(capture.strengths) == {(name, r) for name, rs in request.reductions.items() for r in rs}
    assert all(v.shape == (5,) and v.dtype == np.float64 for v in capture.strengths.values())
    assert capture.activation is not None
    assert capture.activation.dtype == np.float32
    assert model.guard is not None


def test_strengths_are_those_of_the_activation(path: Path) -> None:
    model = open_model(path)
    request = _everything(model)
    model.prepare(request)
    capture = model.run(_images(4))

    assert capture.activation is not None
    positive = np.maximum(capture.activation.astype(np.float64), 0)
    layer = str(request.cam_layer)
    assert np.allclose(capture.strengths[layer, "mean"], positive.mean(axis=(1, 2, 3)), rtol=1e-5)
    assert np.allclose(
        capture.strengths[layer, "mean_of_channel_max"], positive.max(axis=(2, 3)).mean(axis=1), rtol=1e-5
    )
    assert np.allclose(
        capture.strengths[layer, "max_of_channel_mean"], positive.mean(axis=1).max(axis=(1, 2)), rtol=1e-5
    )


def test_the_head_gives_the_logits(path: Path) -> None:
    model = open_model(path)
    head = next(iter(model.describe((1, 3, 16, 16)).heads.values()))
    model.prepare(_everything(model))
    capture = model.run(_images(4))

    assert capture.activation is not None
    logits = capture.activation.mean(axis=(2, 3)) @ head.weight.T + head.bias
    assert np.allclose(logits, capture.outputs, rtol=1e-4, atol=1e-5)


def test_outputs_do_not_depend_on_taps_or_batches(path: Path) -> None:
    model = open_model(path)
    request = _everything(model)
    captures: list[Capture] = []
    for wanted in (Request(output=request.output), request):
        model.prepare(wanted)
        captures += [model.run(_images(6)), model.run(_images(6)[:1])]

    for other in captures[1:]:
        assert np.allclose(other.outputs, captures[0].outputs[: len(other.outputs)], rtol=1e-4, atol=1e-5)


def test_an_unknown_layer_is_named(path: Path) -> None:
    model = open_model(path)
    output = model.describe((1, 3, 16, 16)).outputs[0].name

    with pytest.raises(ModelError, match="nowhere"):
        model.prepare(Request(output=output, reductions={"nowhere": ("mean",)}))


def test_text_under_the_suffix_is_refused_in_one_line(path: Path) -> None:
    path.write_text("this is a text file\n")
    with pytest.raises(ModelError) as caught:
        open_model(path)

    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_can_be_drawn_anew_top_layers_first_and_the_model_stays_as_it_is(path: Path) -> None:
    model = open_model(path)
    request = _everything(model)
    model.prepare(request)
    before = model.run(_images(4))
    made = [model.randomized(share, seed=1) for share in (0.0, 0.5, 1.0)]
    seen = [one.model.run(_images(4)) for one in made]
    after = model.run(_images(4))

    assert [one.layers for one in made] == sorted({one.layers for one in made})
    assert (made[0].layers, made[-1].layers) == (1, made[-1].of)
    assert np.array_equal(seen[0].activation, before.activation)  # the head alone: the map's layer is before it
    assert not np.allclose(seen[-1].activation, before.activation, atol=1e-3)
    for one, capture in zip(made, seen, strict=True):
        assert one.head is not None
        logits = capture.activation.mean(axis=(2, 3)) @ one.head.weight.T + one.head.bias
        assert np.allclose(logits, capture.outputs, rtol=1e-4, atol=1e-5)
        assert not np.allclose(capture.outputs, before.outputs, atol=1e-3)
    assert np.array_equal(after.outputs, before.outputs)
    assert np.array_equal(after.activation, before.activation)


def test_drawn_weights_keep_their_scale_and_follow_the_seed(path: Path) -> None:
    model = open_model(path)
    model.prepare(_everything(model))
    heads = [model.randomized(0.0, seed).head for seed in (1, 1, 2)]
    own = next(iter(model.describe((1, 3, 16, 16)).heads.values()))

    assert all(np.array_equal(np.sort(head.weight, axis=None), np.sort(own.weight, axis=None)) for head in heads)
    assert np.array_equal(heads[0].weight, heads[1].weight)
    assert not np.array_equal(heads[0].weight, heads[2].weight)
    assert all(np.array_equal(head.bias, own.bias) for head in heads)
