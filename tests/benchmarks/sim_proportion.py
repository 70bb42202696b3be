"""One proportion: does Wilson's interval at the effective sample size hold the rate?

Beside it the plain Wilson interval, which takes every picture for a person of its own, and the percentile bootstrap
over subjects.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from audit.statistics.estimates import interval
from tests.benchmarks._people import ALPHA, People, Row, blocks, estimated, rates

CLAIM = "one proportion"
BAR = 0.935
_RESAMPLES, _COMPARED = 999, 1000  # of the bootstrap: subjects drawn again, and the runs that it is tried on


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell."""
    return [_row(name, people, p, icc, runs, [seed, 1, k]) for k, (name, people, p, icc) in enumerate(_cells(seed))]


def _cells(seed: int) -> Iterator[tuple[str, People, float, float]]:
    shape = np.random.default_rng([seed, 0])
    for subjects in (30, 100, 500):
        for p in (0.02, 0.1, 0.5):
            for images in (1, 3, 10):
                for icc in (0.0, 0.3, 0.5) if images > 1 else (0.0,):
                    name = f"rate {p:g}, {subjects} people, {images} picture{'s' * (images > 1)}, ICC {icc:g}"
                    yield name, People.apart([subjects], images), p, icc
            # As in LFW: one person in twenty has 100 pictures, the others one to three.
            several = np.where(np.arange(subjects) < round(subjects / 20), 100, shape.integers(1, 4, subjects))
            for icc in (0.0, 0.3, 0.5):
                people = People(np.zeros(subjects, dtype=np.int64), np.arange(subjects), several)
                yield f"rate {p:g}, {subjects} people, 5 % of them with 100 pictures, ICC {icc:g}", people, p, icc


def _row(name: str, people: People, p: float, icc: float, runs: int, seed: list[int]) -> Row:
    rng, draw = np.random.default_rng(seed), rates(people, np.array([p]), icc)
    ours, plain, sums = [], [], []
    for some in blocks(runs, len(people.group)):
        drawn = draw(rng, some)
        _, groups, sample = estimated(people, drawn, proportion=True)
        ours.append(np.stack(interval(sample, ALPHA))[:, 0])
        plain.append(_plain_wilson(groups.mean[0], float(people.images.sum())))
        sums.append(drawn[:, : max(0, _COMPARED - sum(s.shape[1] for s in sums))])
    resampled = _bootstrap(rng, np.concatenate(sums, axis=1), people.images)
    found = np.concatenate(ours, axis=1)
    return {
        "claim": CLAIM,
        "cell": name,
        "bar": BAR,
        "measured": _holds(found, p),
        "runs": runs,
        "mean width": _width(found),
        "plain Wilson holds": _holds(np.concatenate(plain, axis=1), p),
        "its width": _width(np.concatenate(plain, axis=1)),
        "bootstrap holds": _holds(resampled, p),
        "the bootstrap's width": _width(resampled),
    }


def _plain_wilson(p: np.ndarray, n: float) -> np.ndarray:
    """[2, runs], from the textbook: every picture counts as an independent trial."""
    z2 = 1.959963984540054**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.stack([middle - half, middle + half])


def _bootstrap(rng: np.random.Generator, sums: np.ndarray, images: np.ndarray) -> np.ndarray:
    """[2, runs]: percentiles of the rate over subjects drawn again, the same draws for all runs."""
    people = len(images)
    drawn = rng.multinomial(people, np.full(people, 1 / people), size=_RESAMPLES).astype(np.float64)
    return np.quantile(drawn @ sums / (drawn @ images)[:, None], [ALPHA / 2, 1 - ALPHA / 2], axis=0)


def _holds(limits: np.ndarray, p: float) -> float:
    return float(np.mean((limits[0] <= p + 1e-12) & (p - 1e-12 <= limits[1])))


def _width(limits: np.ndarray) -> float:
    return float(np.mean(limits[1] - limits[0]))
