"""The whole audit against the bare forward pass over the same batches, in one process, alternating.

    python -m tests.benchmarks.bench_audit --images 1000 --repetitions 9
    python -m tests.benchmarks.bench_audit --format torchscript --cam gradcam

A ResNet-18-sized network at 224 x 224; rates, activation strength at six layers (three reductions), CAM focus on five
regions for both targets, picture quality. Pictures are decoded beforehand. Prints a row of a Markdown table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from audit.engines.local import in_step
from audit.planning import Prepared, prepare
from audit.probes import Batch, ProbeOptions, batches, read_probe
from audit.runtimes import open_model
from audit.settings import RunSettings

REGIONS = "\n".join(f"r{i} = {{box = [{20 * i}, {20 * i}, {20 * i + 90}, {20 * i + 90}]}}" for i in range(5))


def write_probe(folder: Path, images: int, *, side: int = 224, regions: bool = True) -> Path:
    """Noise pictures with two labels and four groups: what is in them makes no difference to the time."""
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for i in range(images):
        coarse = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side)).save(folder / "images" / f"{i:06d}.jpg")
    rows = np.arange(images)
    pd.DataFrame(
        {
            "path": [f"images/{i:06d}.jpg" for i in rows],
            "label": np.where(rows % 2, "a", "b"),
            "subject": rows // 3,
            "group": rows % 4,
        }
    ).to_csv(folder / "manifest.csv", index=False)
    head = '[probe]\nlabel = "label"\nsubject = "subject"\ngroups = ["group", "label*group"]\naligned = true\n'
    (folder / "bias-audit.toml").write_text(head + (f"[regions]\n{REGIONS}\n" if regions else ""))
    return folder


def decoded(prepared: Prepared, size: int) -> list[Batch]:
    plan = prepared.plan
    rows = np.arange(len(plan.probe), dtype=np.int64)
    return list(batches(plan.probe, plan.input, rows, batch_size=size, workers=2, regions=plan.regions))


def bare_pass(path: Path, kind: str) -> Callable[[np.ndarray], object]:
    """What anybody would write for a forward pass."""
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: session.run(None, {name: images})
    import torch

    module = torch.jit.load(str(path)).eval()

    def forward(images: np.ndarray) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(images)).numpy()

    return forward


def build_model(folder: Path, kind: str) -> Path:
    if kind == "onnx":
        from tests.support.onnx_networks import resnet18, save

        return save(resnet18(), folder / "resnet18.onnx")
    import torch

    from tests.support.torch_networks import build
    from tests.support.torch_networks import resnet18 as eager

    module = build(eager(classes=2)).eval()
    path = folder / "resnet18.pt"
    torch.jit.trace(module, torch.zeros(1, 3, 224, 224)).save(str(path))
    return path


def size_file(path: Path) -> None:
    """TorchScript does not say how large a picture it wants."""
    path.with_name(f"{path.name}.toml").write_text("[model.input]\nsize = [224, 224]\n")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--format", choices=("onnx", "torchscript"), default="onnx")
    parser.add_argument("--cam", default="auto")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = build_model(folder, asked.format)
        probe = read_probe(write_probe(folder / "probe", asked.images), ProbeOptions())
        model = open_model(path, device="cpu")
        size_file(path)
        settings = RunSettings(classes=("a", "b"), preprocess="imagenet", cam=asked.cam, batch_size=asked.batch_size)
        prepared = prepare(model, probe, settings)
        made = decoded(prepared, asked.batch_size)
        forward = bare_pass(path, asked.format)
        list(in_step(prepared.plan, made[:1]))  # the first batch pays for the guard
        forward(made[0].images)
        pairs = [once(prepared, made, forward) for _ in range(asked.repetitions)]
    audit_time, bare_time = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
    ratios = sorted(a / b for a, b in pairs)
    sys.stdout.write(
        f"| {asked.format}, {prepared.model['cam']['method']} | {asked.images} | {len(prepared.plan.measures)} | "
        f"{bare_time:.2f} s | {audit_time:.2f} s | **{statistics.median(ratios):.2f}** "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}) |\n"
    )


def once(prepared: Prepared, made: list[Batch], forward: Callable[[np.ndarray], object]) -> tuple[float, float]:
    begun = time.perf_counter()
    for _ in in_step(prepared.plan, made):
        pass
    middle = time.perf_counter()
    for batch in made:
        forward(batch.images)
    return middle - begun, time.perf_counter() - middle


if __name__ == "__main__":
    main()
