"""Looking inside against the bare forward pass over the same batches, in one process, alternating.

    python -m tests.benchmarks.bench_taps
    python -m tests.benchmarks.bench_taps --networks mobilenet_v2 --formats onnx --threads 1

Looking inside: outputs, activation strength at six layers in three reductions, the map of the predicted class (CAM, or
Grad-CAM where the head needs it) and its focus on five regions. The whole audit: with everything else that it computes
of a picture, of both classes and in all variants. Pictures are decoded before. Beside the torch formats: captum's
LayerActivation at the same layers, which is a pass that comes on top. Prints rows of a Markdown table: the ratio on the
clock and, behind it, that of processor time.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

from audit.engines.local import in_step
from audit.measures import Measure
from audit.planning import Prepared, prepare
from audit.probes import Batch, ProbeOptions, ProbeSet, read_probe
from audit.runtimes import open_model
from audit.settings import RunSettings
from tests.benchmarks._alternating import Work, alternate, each
from tests.benchmarks._networks import FORMATS, NETWORKS, eager, write
from tests.benchmarks._probe import decoded, write_probe

HEAD = """\
| network | file | map | what | bare pass | ratio | of processor time |
| --- | --- | --- | --- | --- | --- | --- |"""


def prepared_for(path: Path, probe: ProbeSet, asked: argparse.Namespace, cam: str = "auto") -> Prepared:
    model = open_model(path, device="cpu", threads=asked.threads)
    settings = RunSettings(classes=("a", "b"), preprocess="imagenet", cam=cam, batch_size=asked.batch_size)
    return prepare(model, probe, settings)


def auditing(prepared: Prepared) -> Work:
    return lambda batches: list(in_step(prepared.plan, batches))


def looking(prepared: Prepared) -> Work:
    """Only outputs, strengths, and the focus of one map on regions."""

    def asked(measure: Measure) -> bool:
        told = measure.parameters
        focus = "region" in told and told["target"] == "predicted" and told["cam"] != "infocam"
        return measure.family == "activations" or focus

    kept = tuple(filter(asked, prepared.plan.measures))
    plan = dataclasses.replace(
        prepared.plan, measures=kept, targets=("predicted",), rivals=False, evidence=None, mean_maps=False
    )
    return lambda batches: list(in_step(plan, batches))


def bare(path: Path, form: str, threads: int | None) -> Work:
    """A forward pass as anybody would write it."""
    if form == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Else its threads would still spin while the other way has its turn. It is as fast as without.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return each(lambda batch: session.run(None, {name: batch.images}))
    import torch

    module: Any = torch.jit.load(str(path)).eval() if form == "torchscript" else torch.export.load(str(path)).module()

    def work(batch: Batch) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(batch.images)).numpy()

    return each(work)


def layer_activation(network: Any, layers: list[str]) -> Work:
    """captum's LayerActivation of the eager network at these layers. They are named after the module, with a number
    behind it where that is used more than once; captum then gives the values of every use."""
    import torch
    from captum.attr import LayerActivation

    known = dict(network.named_modules())
    names = dict.fromkeys(name if name in known else name.rsplit("_", 1)[0] for name in layers)
    looker = LayerActivation(network, [known[name] for name in names])

    def work(batch: Batch) -> object:
        with torch.inference_mode():
            return looker.attribute(torch.from_numpy(batch.images))

    return each(work)


def rows(name: str, form: str, folder: Path, probe: ProbeSet, asked: argparse.Namespace) -> list[str]:
    import torch

    if asked.threads:
        torch.set_num_threads(asked.threads)
    path = write(name, folder, form)
    prepared = prepared_for(path, probe, asked, asked.cam)
    made = decoded(prepared, asked.batch_size)
    ways = {
        "looking inside": looking(prepared),
        "whole audit": auditing(prepared),
        "bare": bare(path, form, asked.threads),
    }
    if form != "onnx":
        layers = [layer["name"] for layer in prepared.model["layers"] if layer["tapped"]]
        ways["captum"] = layer_activation(eager(name), layers)
    times = alternate(ways, made, asked.repetitions)
    cam = (prepared.model["cam"] or {}).get("method", "none")
    plain = times.pop("bare")
    maps = {what: "none" if what == "captum" else cam for what in times}
    found = [
        f"| {name} | {form} | {maps[what]} | {what} | {plain.median:.2f} s | {spent.against(plain)} |"
        for what, spent in times.items()
    ]
    prepared.plan.model.close()
    return found


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, help="for both sides; default: as each chooses")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["resnet18", "mobilenet_v2", "mobilenet_v3"])
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--cam", default="auto")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        probe = read_probe(write_probe(Path(temporary) / "probe", asked.images), ProbeOptions())
        sys.stdout.write(HEAD + "\n")
        for name in asked.networks:
            for form in asked.formats:
                folder = Path(temporary) / f"{name}-{form}"
                folder.mkdir()
                for row in rows(name, form, folder, probe, asked):
                    sys.stdout.write(row + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
