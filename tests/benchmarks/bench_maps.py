"""Difference maps: processor seconds and memory of one attribute's comparison.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_maps

Each is the least of three processes; memory is what comes on top of the maps themselves.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time

import numpy as np

from audit.statistics.estimates import Cells
from audit.statistics.maximum import compared

CASES = ((1_500, 7, 5), (5_000, 7, 5), (5_000, 14, 2), (5_000, 14, 5), (5_000, 14, 20))


def measured(images: int, side: int, groups: int) -> tuple[float, float]:
    """Seconds, and MiB above what the process held before."""
    rng = np.random.default_rng(0)
    values = rng.gamma(0.5, size=(images, side * side))
    values /= values.sum(axis=1, keepdims=True)
    code = rng.integers(0, groups, images)
    held, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    cells = Cells(code, np.arange(images), groups)
    compared(cells, values, np.ones(groups, dtype=bool), np.zeros(groups, dtype=np.int64))
    return time.process_time() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024


def main() -> None:
    for images, side, groups in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = sorted(pool.apply(measured, (images, side, groups)) for _ in range(3))
        seconds, more = found[1]
        sys.stdout.write(f"| {images:,} | {side} x {side} | {groups} | {seconds:.2f} s | {more:.0f} MiB |\n")


if __name__ == "__main__":
    main()
