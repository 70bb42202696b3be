"""What a handful of images can see: how often the 15-image mode flags a group whose activations are lower.

    python -m tests.benchmarks.bench_few_images [--runs 2000]

Each run: `groups` x `subjects` images, one a subject, activations gamma-distributed with the coefficient of variation,
one group's lower by the shift; flagged is p < 0.05. Prints the rows of `reports/_few_images.py` (runs in a hundred) and
of docs/few_images.md. Where there are more than 2,000 arrangements, 2,000 are drawn, anew for every fifty runs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import zlib

import numpy as np

from audit.statistics import _arrangements
from audit.statistics.estimates import Cells
from audit.statistics.permutation import permuted

GROUPS = (2, 3, 5)
SUBJECTS = (3, 5, 10, 20)
VARIATION = (0.1, 0.2, 0.3, 0.5)
TOGETHER = 50  # runs that share their arrangements
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.5)


def share(groups: int, subjects: int, variation: float, shift: float, runs: int) -> float:
    """Share of the runs with p < 0.05."""
    code = np.repeat(np.arange(groups), subjects)
    rng = np.random.default_rng(zlib.crc32(repr((groups, subjects, variation, shift)).encode()))
    shape = 1 / variation**2
    values = rng.gamma(shape, 1 / shape, (len(code), runs)) * np.where(code == 0, 1 - shift, 1.0)[:, None]
    cells = Cells(code, np.arange(len(code)), groups)
    everybody = np.ones(groups, dtype=bool)
    found = []
    for start in range(0, runs, TOGETHER):
        some = values[:, start : start + TOGETHER]
        found += permuted(cells, some, np.ones_like(some), everybody, seed=start)
    return float(np.mean([f is not None and f.p_value is not None and f.p_value < 0.05 for f in found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    _arrangements.EXACT = _arrangements.DRAWS
    for groups, subjects, variation in itertools.product(GROUPS, SUBJECTS, VARIATION):
        shares = [share(groups, subjects, variation, shift, runs) for shift in SHIFTS]
        shown = ", ".join(f"{100 * s:.0f}" for s in shares[1:])
        row = f"| {groups} x {subjects} | {variation:g} | " + " | ".join(f"{s:.2f}" for s in shares) + " |"
        sys.stdout.write(f"    ({groups}, {subjects}, {variation:g}): ({shown}),    {row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
