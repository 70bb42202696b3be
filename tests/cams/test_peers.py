"""Maps of model files against captum's, torchcam's and pytorch-grad-cam's of the eager network, in double precision.

Where a library departs from the paper it is asked in a way that leaves the departure out; each such way says which:
our own definitions are tested against plain loops in `test_methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 torch is an extra

from audit.cams import CAMS, Mapper, can_work, choose  # noqa: E402 as above
from audit.runtimes import Capture, Request, open_model  # noqa: E402 as above
from tests.support import peers  # noqa: E402 as above
from tests.support import torch_zoo as zoo  # noqa: E402 as above
from tests.support.tapped import Tapped  # noqa: E402 as above
from tests.support.torch_networks import noise  # noqa: E402 as above

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

FORMS = ("onnx", "traced", "exported")
MAPPED = [name for name in zoo.ZOO if name != "perceptron"]
# By default each network as an ONNX file and in one of torch's formats by turns; the other one is slow.
ALL = [
    pytest.param(name, form, marks=[pytest.mark.slow] if form == ("traced", "exported")[at % 2] else [])
    for at, name in enumerate(MAPPED)
    for form in FORMS
]
IMAGES = noise(3, size=zoo.SIZE)
TARGETS = np.array([0, 1, 1])
# Single precision loses digits where a weight is a small difference of two logits (most of all of a class token), or
# is divided by the sum of a channel that has both signs and adds up to next to nothing.
NEAR = {"ablationcam": 5e-5, "xgradcam": 5e-5}
Maps = dict[str, NDArray[np.float64]]  # by library and method


@pytest.fixture(scope="module")
def expected() -> Callable[[str, NDArray[np.float32]], Maps]:
    """Other people's maps of a network at the layer whose value is `activation`, made once."""
    made: dict[str, Maps] = {}

    def get(name: str, activation: NDArray[np.float32]) -> Maps:
        if name not in made:
            network = Tapped(zoo.build(name).double(), IMAGES.double(), activation)
            made[name] = {**of_captum(network), **of_torchcam(network), **of_gradcam(network)}
        return made[name]

    return get


def of_captum(network: Tapped) -> Maps:
    captum, targets = peers.captum(), torch.from_numpy(TARGETS)
    gradcam = captum.LayerGradCam(network, network.tap)
    product = captum.LayerGradientXActivation(network, network.tap)
    return {
        "captum gradcam": gradcam.attribute(IMAGES.double(), targets, relu_attributions=True)[:, 0].detach().numpy(),
        "captum hirescam": product.attribute(IMAGES.double(), targets).sum(1).detach().numpy(),
    }


def of_torchcam(network: Tapped) -> Maps:
    torchcam = peers.torchcam()
    made = {}
    methods = {"gradcam": torchcam.GradCAM, "layercam": torchcam.LayerCAM, "xgradcam": torchcam.XGradCAM}
    for name, method in methods.items():
        with method(network, "tap", (3, zoo.SIZE, zoo.SIZE)) as extractor:
            scores = network(IMAGES.double())
            made[f"torchcam {name}"] = extractor(TARGETS.tolist(), scores, normalized=False)[0].numpy()
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if linear and network.get_submodule(linear[-1]).in_features == network.shape[0]:
        with torchcam.CAM(network, "tap", linear[-1], (3, zoo.SIZE, zoo.SIZE)) as extractor, torch.no_grad():
            network(IMAGES.double())
            made["torchcam cam"] = extractor(TARGETS.tolist(), normalized=False)[0].numpy()
    return made


def of_gradcam(network: Tapped) -> Maps:
    """pytorch-grad-cam's maps before it clips and scales them."""
    library = peers.gradcam()
    made = {}
    for name, method in {"gradcam": library.GradCAM, "layercam": library.LayerCAM, "xgradcam": library.XGradCAM,
                         "hirescam": library.HiResCAM}.items():  # fmt: skip
        made[name] = raw(method, network)
    made["gradcam_plusplus"] = raw(library.GradCAMPlusPlus, network, sizes=1e6)
    scores = network(IMAGES.double()).detach().numpy()[np.arange(3), TARGETS]
    with mock.patch("tqdm.tqdm", iter):
        # A channel is set to 0 only where the smallest activation is 0: elsewhere ten million less is taken for it. It
        # divides by the logit, which turns maps round where that is below 0, and rounds logits to single precision.
        double = SimpleNamespace(**{**vars(np), "float32": np.float64})
        with mock.patch("torch.min", return_value=0), mock.patch("pytorch_grad_cam.ablation_cam.np", double):
            made["ablationcam"] = raw(library.AblationCAM, network) * np.sign(scores)[:, None, None]
        # It enlarges between the corners of cells; the papers do not say, and focus is measured between their centers.
        centers = lambda size: nn.Upsample(size=size, mode="bilinear", align_corners=False)  # noqa: E731 a stand-in
        with mock.patch("torch.nn.UpsamplingBilinear2d", centers):
            made["scorecam"] = raw(library.ScoreCAM, network)
    made["eigencam"] = uncentered(network)
    return {f"grad-cam {name}": value for name, value in made.items()}


def raw(method: Any, network: Tapped, sizes: float = 1.0) -> NDArray[np.float64]:
    """What `method` makes of activation and gradient; with `sizes` of gradients so many times larger and activations
    so many times smaller: then what it adds below a fraction does not count, and nothing else changes."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kept = []
    with method(network, [network.tap]) as cam:
        make = cam.get_cam_image

        def keeping(pictures: Any, layer: Any, targets: Any, activation: Any, gradient: Any, smooth: Any) -> Any:
            scaled = None if gradient is None else gradient * sizes
            kept.append(make(pictures, layer, targets, activation / sizes, scaled, smooth))
            return kept[-1]

        cam.get_cam_image = keeping
        cam(IMAGES.double(), [ClassifierOutputTarget(target) for target in TARGETS.tolist()])
    return np.asarray(kept[0])


def uncentered(network: Tapped) -> NDArray[np.float64]:
    """Eigen-CAM of a library that subtracts the mean over the cells first: each cell stands beside its negative, and
    the mean is 0. The sign is ours."""
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

    activation = activation_of(network).numpy()
    rows = activation.shape[2]
    made = get_2d_projection(np.concatenate([activation, -activation], axis=2))[:, :rows].astype(np.float64)
    return made * np.where(made.sum(axis=(1, 2)) < 0, -1, 1)[:, None, None]


def activation_of(network: Tapped) -> Any:
    seen = []
    handle = network.tap.register_forward_hook(lambda module, given, value: seen.append(value.detach()))
    with torch.no_grad():
        network(IMAGES.double())
    handle.remove()
    return seen[0]


def scaled(maps: NDArray[Any], *, signed: bool) -> NDArray[np.float64]:
    """Each map over its largest value, by size; clipped at 0 where our method clips."""
    maps = maps.astype(np.float64) if signed else np.maximum(maps, 0).astype(np.float64)
    return maps / np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-300)


@pytest.mark.parametrize(("name", "form"), ALL)
def test_maps_of_a_file_are_those_of_other_libraries(name: str, form: str, expected: Any, tmp_path: Path) -> None:
    model = open_model(zoo.write(zoo.build(name), tmp_path, form))
    description = model.describe((1, 3, zoo.SIZE, zoo.SIZE))
    layer = choose("eigencam", description, "output").layer
    model.prepare(
        Request(
            output="output", cam_layer=layer, gradients=description.gradients is None, tail=description.tail is None
        )
    )
    images = IMAGES.numpy()
    capture = model.run(images)
    compared, far = set(), {}
    for known, theirs in expected(name, capture.activation).items():
        method = CAMS.get(known.split()[1])
        if can_work(method, description, "output") is not None:
            continue
        for way, mapper in ways(method, description, layer, capture):
            ours = mapper.maps(model, capture, images, TARGETS)
            distance = np.abs(scaled(ours, signed=method.signed) - scaled(theirs, signed=method.signed)).max()
            compared.add(known)
            if not distance < NEAR.get(method.name, 1e-5):
                far[f"{known} {way}"] = distance

    assert far == {}
    everywhere = {"grad-cam eigencam", "grad-cam scorecam", "grad-cam ablationcam"}
    by_gradients = {k for k in compared if "gradcam" in k.split()[1] or k.split()[1] in ("layercam", "hirescam")}
    assert compared >= everywhere
    assert (len(by_gradients) == 10) == (description.gradients is None or "output" in description.heads)
    model.close()


def ways(method: Any, description: Any, layer: str, capture: Capture) -> Iterator[tuple[str, Mapper]]:
    """By the weights of an exact head, and by gradients or the tail of the file: as far as there are any."""
    head = description.heads.get("output")
    if head is not None:
        assert head.layer == layer
        yield "by the head", Mapper(method=method, head=head)
    had = {"gradients": capture.gradient, "tail": capture.tail}
    if "head" not in method.needs and all(had.get(need, True) for need in method.needs):
        yield "by the file", Mapper(method=method, head=None)
