"""Reading and decoding JPEGs for a model, against what Pillow alone does with as many threads, alternating.

    python -m tests.benchmarks.bench_decode --images 5000 --threads 2

Pictures of 500 x 500 to 224 x 224. Pillow alone: open, convert to RGB, resize, to numpy. Ours, besides: SHA-256 of each
file, brightness, contrast and sharpness at full size, normalized float32 batches in order. Prints a row of a table.
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
SPEC = InputSpec(size=(SIZE, SIZE), **PRESETS["imagenet"])


def write_pictures(folder: Path, images: int) -> None:
    """JPEGs of about 75 KB, as photographs of this size have: color patches with grain, twenty of them over and over."""
    generator = np.random.default_rng(0)
    (folder / "label").mkdir()
    made = []
    for _ in range(20):
        patches = Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        smooth = np.asarray(patches.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        grain = generator.normal(0, 6, (SIDE, SIDE, 3))
        path = folder / "label" / f"{len(made):05d}.jpg"
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(path, quality=88)
        made.append(path.read_bytes())
    for i in range(images):
        (folder / "label" / f"{i:05d}.jpg").write_bytes(made[i % len(made)])


def ours(probe: ProbeSet, threads: int) -> None:
    for _ in batches(probe, SPEC, np.arange(len(probe)), batch_size=32, workers=threads):
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
    parser.add_argument("--repetitions", type=int, default=7)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {"ours": [], "pillow": []}
    with tempfile.TemporaryDirectory() as temporary:
        write_pictures(Path(temporary), asked.images)
        probe = read_probe(temporary)
        for _ in range(asked.repetitions):
            for name, run in (("ours", ours), ("pillow", pillow_alone)):
                begun = time.perf_counter()
                run(probe, asked.threads)
                seconds[name].append(time.perf_counter() - begun)
    ratios = [p / o for o, p in zip(seconds["ours"], seconds["pillow"], strict=True)]
    rate = {name: asked.images / statistics.median(took) for name, took in seconds.items()}
    sys.stdout.write(
        f"| {asked.images} JPEGs, {asked.threads} threads | {rate['ours']:.0f}/s | {rate['pillow']:.0f}/s | "
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |\n"
    )


if __name__ == "__main__":
    main()
