"""Rates corrected for a judge: do one rate's interval and the gap of many hold the truth, also where all of the gap
that is seen is the judge's own?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audit.statistics.corrected import Correction
from audit.statistics.disparity import Gap, Pairs
from tests.benchmarks._people import ALPHA, Row, blocks, covered
from tests.support.judged import corrected, two_labels

BAR = 0.945
WEIGHT = 3
_PICTURES, _ICC = 3, 0.3  # untouched and generated pictures a person each; judge's and generator's


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell, of single rates and of gaps."""
    return [*_single(runs, seed), *_gaps(runs, seed)]


def _single(runs: int, seed: int) -> Iterator[Row]:
    """The rate of the first of two labels: a is how often the judge errs on it, b how often on the other."""
    for k, (subjects, (a, b), t) in enumerate(
        (subjects, judge, t)
        for subjects in (30, 100)
        for judge in ((0.02, 0.02), (0.195, 0.05), (0.3, 0.3), (0.45, 0.45))
        for t in (0.01, 0.05, 0.2)
    ):
        found = _found((subjects,) * 2, (a, b), (t, t), runs, [seed, 6, k])
        yield {
            **covered(
                "corrected rate",
                f"{subjects} people, judge wrong {a:g} and {b:g}, true rate {t:g}",
                Gap(
                    value=np.concatenate([f.sample.value[0] for f in found]),
                    low=np.concatenate([f.low[0] for f in found]),
                    high=np.concatenate([f.high[0] for f in found]),
                ),
                t,
                BAR,
            ),
            "negative estimates": float(np.mean(np.concatenate([f.negative[0] for f in found]))),
            "judge no support": float(1 - np.mean(np.concatenate([f.supported[0] for f in found]))),
        }


def _gaps(runs: int, seed: int) -> Iterator[Row]:
    cells = [
        (groups, subjects, judge, generator)
        for groups in (2, 4, 8)
        for subjects in (30, 100)
        for judge in ("good everywhere", "bad for one", "bad for one label")
        for generator in ("all alike", "one apart")
    ]
    for k, (groups, subjects, judge, generator) in enumerate(cells):
        errs = np.full(groups, 0.02 if judge == "good everywhere" else 0.05)
        if judge == "bad for one":
            errs[0] = 0.3
        elif judge == "bad for one label":
            errs[::2] = 0.2
        t = np.where(np.arange(groups) == groups - 1, 0.3 if generator == "one apart" else 0.05, 0.05)
        found = [_gap(f, t) for f in _found((subjects,) * groups, errs, t, runs, [seed, 7, k])]
        low, high, truth = (np.concatenate(part) for part in zip(*found, strict=True))
        # Which groups can be compared, and so the true gap, differs from run to run: shifted to a truth of 0.
        shifted = Gap(value=low - truth, low=low - truth, high=high - truth)
        name = f"{groups} groups of {subjects}, judge {judge}, generator {generator}"
        yield covered("largest difference of corrected rates", name, shifted, 0.0, BAR)


def _found(
    people: Sequence[int], judge: Sequence[float] | np.ndarray, generator: Sequence[float] | np.ndarray, runs: int,
    seed: list[int],
) -> list[Correction]:  # fmt: skip
    rng = np.random.default_rng(seed)
    return [
        corrected(
            two_labels(rng, people=people, judge=judge, generator=generator, pictures=_PICTURES, icc=_ICC, runs=some),
            len(people),
        )
        for some in blocks(runs, sum(people) * _PICTURES * 3)
    ]


def _gap(found: Correction, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits and true value of the gap over the groups whose judge supports a correction; NaN with fewer than two."""
    runs = found.low.shape[1]
    low, high, truth = np.full((3, runs), np.nan)
    patterns, which = np.unique(found.evidence, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        groups, some = np.flatnonzero(patterns[:, number]), np.flatnonzero(which.reshape(-1) == number)
        if len(groups) >= 2:
            gap = Pairs(found.sample.take(groups, some), found.overlap.take(groups, some), ALPHA).difference()
            low[some], high[some], truth[some] = gap.low, gap.high, np.ptp(t[groups])
    return low, high, truth
