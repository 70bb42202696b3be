"""Reading and decoding JPEGs for a model, against what Pillow alone does with as many threads, alternating.

    python -m tests.benchmarks.bench_decode --images 5000 --threads 2

Pictures of 500 x 500 to 224 x 224. Pillow alone: open, convert to RGB, resize, to numpy. Ours gives the same pixels in
batches, in order, with the SHA-256 of each file; with `--quality` also brightness, contrast and sharpness at full
size, as an audit asks for; with `--dtype float32` it normalizes. Prints a row of a Markdown table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from audit.inputs import PRESETS, InputSpec
from audit.probes import ProbeSet, batches, read_probe

SIDE, SIZE = 500, 224
SPECS = {
    "uint8": InputSpec(size=(SIZE, SIZE), dtype="uint8", **PRESETS["raw"]),
    "float32": InputSpec(size=(SIZE, SIZE), **PRESETS["imagenet"]),
}


def write_pictures(folder: Path, images: int) -> None:
    """JPEGs of about 75 KB, as photographs of this size have: color patches with grain, twenty of them in turn."""
    generator = np.random.default_rng(0)
    (folder / "label").mkdir()
    made: list[bytes] = []
    for _ in range(20):
        patches = Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        smooth = np.asarray(patches.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        grain = generator.normal(0, 6, (SIDE, SIDE, 3))
        path = folder / "label" / f"{len(made):05d}.jpg"
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(path, quality=88)
        made.append(path.read_bytes())
    for i in range(images):
        (folder / "label" / f"{i:05d}.jpg").write_bytes(made[i % len(made)])


def ours(probe: ProbeSet, spec: InputSpec, threads: int, *, quality: bool) -> None:
    for _ in batches(probe, spec, np.arange(len(probe)), batch_size=32, workers=threads, quality=quality):
        pass


def pillow_alone(probe: ProbeSet, threads: int) -> None:
    def one(path: str) -> None:
        with Image.open(probe.folder / path) as image:
            np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(one, probe.table["path"]):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=SPECS, default="uint8")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--repetitions", type=int, default=7)
    asked = parser.parse_args()
    spec = SPECS[asked.dtype]
    seconds: dict[str, list[float]] = {"ours": [], "pillow": []}
    with tempfile.TemporaryDirectory() as temporary:
        write_pictures(Path(temporary), asked.images)
        probe = read_probe(temporary)
        for _ in range(asked.repetitions):
            begun = time.perf_counter()
            ours(probe, spec, asked.threads, quality=asked.quality)
            middle = time.perf_counter()
            pillow_alone(probe, asked.threads)
            seconds["ours"].append(middle - begun)
            seconds["pillow"].append(time.perf_counter() - middle)
    ratios = [p / o for o, p in zip(seconds["ours"], seconds["pillow"], strict=True)]
    rate = {name: asked.images / statistics.median(took) for name, took in seconds.items()}
    what = f"{asked.images} JPEGs to {asked.dtype}" + ", with quality" * asked.quality
    sys.stdout.write(
        f"| {what}, {asked.threads} threads | {rate['ours']:.0f}/s | {rate['pillow']:.0f}/s | "
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |\n"
    )


if __name__ == "__main__":
    main()
