"""One pass that gives rates, activations, maps and focus, against the bare pass and against three tools in a row.

    python -m tests.benchmarks.bench_cams
    python -m tests.benchmarks.bench_cams --networks vgg_head --threads 1

The three tools are what a user would pick instead, on the network as it is in torch: a forward pass for the rates,
captum's LayerActivation at the same six layers, and Grad-CAM of the predicted class by pytorch-grad-cam or by captum.
They bring home activations and a map, one a picture; ours are reduced, mapped for the predicted and the true class, and
measured in five regions on top. Pictures are decoded before. Prints rows of a Markdown table: ratios on the clock and,
behind each, that of processor time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audit.probes import Batch, ProbeOptions, ProbeSet, read_probe
from tests.benchmarks._alternating import Times, Work, alternate, each
from tests.benchmarks._networks import eager, write
from tests.benchmarks._probe import decoded, write_probe
from tests.benchmarks.bench_taps import arguments, auditing, bare, layer_activation, prepared_for
from tests.support import peers

HEAD = """\
| network | file, map | ours / bare pass | of processor time | three tools / ours, map by pytorch-grad-cam \
| of processor time | three tools / ours, map by captum | of processor time |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
OURS = (("onnx", "cam"), ("onnx", "gradcam"), ("torchscript", "cam"), ("torchscript", "gradcam"))
Map = Callable[[Any, Any], object]  # of pictures and the predicted classes


def map_by_gradcam(network: Any, layer: Any) -> Map:
    """Grad-CAM of pytorch-grad-cam. OpenCV is not there to enlarge its maps, which spares it that time."""
    gradcam = peers.gradcam()
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    maker = gradcam.GradCAM(network, [layer])
    return lambda images, classes: maker(images, [ClassifierOutputTarget(k) for k in classes.tolist()])


def map_by_captum(network: Any, layer: Any) -> Map:
    from captum.attr import LayerGradCam

    maker = LayerGradCam(network, layer)
    return lambda images, classes: maker.attribute(images, classes, relu_attributions=True).detach().numpy()


def three_tools(name: str, layers: list[str], cam_layer: str, by: Callable[[Any, Any], Map]) -> Work:
    """A network of its own: the tools hang hooks into it. The map is made at the block that the layer ends."""
    import torch

    network = eager(name)
    look = layer_activation(network, layers)
    block = dict(network.named_modules())[cam_layer.rpartition(".")[0]]
    explain = by(network, block)

    def work(batch: Batch) -> object:
        images = torch.from_numpy(batch.images)
        with torch.inference_mode():
            outputs = network(images).numpy()
        return outputs, look([batch]), explain(images, torch.from_numpy(outputs.argmax(axis=1)))

    return each(work)


def rows(name: str, folder: Path, probe: ProbeSet, asked: argparse.Namespace) -> list[str]:
    import torch

    if asked.threads:
        torch.set_num_threads(asked.threads)
    paths = {form: write(name, folder, form) for form in ("onnx", "torchscript")}
    all_ready = {key: prepared_for(paths[key[0]], probe, asked, key[1]) for key in OURS}
    ready = {key: one for key, one in all_ready.items() if one.plan.mapper is not None}
    some = ready["torchscript", "gradcam"]
    layers = [layer["name"] for layer in some.model["layers"] if layer["tapped"]]
    ways: dict[str, Work] = {", ".join(key): auditing(one) for key, one in ready.items()}
    ways |= {form: bare(path, form, asked.threads) for form, path in paths.items()}
    for tool, by in {"pytorch-grad-cam": map_by_gradcam, "captum": map_by_captum}.items():
        ways[tool] = three_tools(name, layers, some.model["cam"]["layer"], by)
    times = alternate(ways, decoded(some, asked.batch_size), asked.repetitions)
    return [row(name, form, cam, times) for form, cam in ready]


def row(name: str, form: str, cam: str, times: Mapping[str, Times]) -> str:
    ours = times[f"{form}, {cam}"]
    tools = " | ".join(times[tool].against(ours) for tool in ("pytorch-grad-cam", "captum"))
    return f"| {name} | {form}, {cam} | {ours.against(times[form])} | {tools} |"


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.set_defaults(networks=["resnet18", "mobilenet_v2", "vgg_head"], images=64)
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        probe = read_probe(write_probe(Path(temporary) / "probe", asked.images), ProbeOptions())
        sys.stdout.write(HEAD + "\n")
        for name in asked.networks:
            folder = Path(temporary) / name
            folder.mkdir()
            for line in rows(name, folder, probe, asked):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
