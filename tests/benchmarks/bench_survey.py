"""`bias-audit probe` against what Pillow alone needs to decode the same pictures, alternating; and the search for near
copies among many.

    python -m tests.benchmarks.bench_survey --probe faces/ --threads 2
    python -m tests.benchmarks.bench_survey --hashes 100000

The survey reads every picture, measures it, hashes file and picture, looks for copies and does the statistics. Pillow
alone opens a picture, converts it to RGB and hands it over as an array. Prints rows of a Markdown table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from audit.probes import read_probe
from audit.survey import survey_probe
from audit.survey._hashes import close_pairs


def pillow_alone(folder: Path, paths: list[str], threads: int) -> None:
    def one(path: str) -> None:
        with Image.open(folder / path) as image:
            np.asarray(image.convert("RGB"))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(one, paths):
            pass


def survey(folder: Path, threads: int, repetitions: int) -> None:
    paths = list(read_probe(folder).table["path"])
    seconds: dict[str, list[float]] = {"survey": [], "pillow": []}
    survey_probe(folder, workers=threads, limit=50)  # libraries load once
    for _ in range(repetitions):
        begun = time.perf_counter()
        survey_probe(folder, workers=threads)
        middle = time.perf_counter()
        pillow_alone(folder, paths, threads)
        seconds["survey"].append(middle - begun)
        seconds["pillow"].append(time.perf_counter() - middle)
    rate = {name: len(paths) / statistics.median(took) for name, took in seconds.items()}
    ratios = [s / p for s, p in zip(seconds["survey"], seconds["pillow"], strict=True)]
    sys.stdout.write(
        f"| {len(paths)} pictures, {threads} threads | {rate['survey']:.0f}/s | {rate['pillow']:.0f}/s | "
        f"**{statistics.median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f}) |\n"
    )


def search(count: int) -> None:
    """Random hashes, one in a hundred with a near copy."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, count, dtype=np.uint64)
    some = rng.permutation(count)[: count // 100]
    hashes[some[: len(some) // 2]] = hashes[some[len(some) // 2 : len(some) // 2 * 2]] ^ np.uint64(0b1011)
    begun = time.perf_counter()
    found = sum(len(one) for one, _ in close_pairs(hashes, 12, 12))
    sys.stdout.write(f"| near pairs among {count} hashes | {time.perf_counter() - begun:.1f} s | {found} found |\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--hashes", type=int, default=0)
    asked = parser.parse_args()
    if asked.probe:
        survey(asked.probe, asked.threads, asked.repetitions)
    if asked.hashes:
        search(asked.hashes)


if __name__ == "__main__":
    main()
