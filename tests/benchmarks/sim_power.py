"""Does an audit find what the power table says? Planted gaps at the sizes it names, judged by the real summary.

    python -m tests.benchmarks.sim_power --runs 2000

Every run is one measure over the same people, so all runs of a cell go through at once. "Found": the interval of the
difference lies above zero. "Passed": it lies within the bound.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.groups import make_groupings, subject_codes
from audit.result import Disparity
from audit.statistics.power import Shape, smallest_gaps, subjects_to_find, subjects_to_pass
from audit.summary import Options, Summary
from tests.support.figures import a_measure, a_table

CLAIM = "power table"
BOUND = 0.05
_AT_ONCE = 250  # runs in memory together


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planted:
    """Groups of so many subjects, each in so many pictures, with a rate of error for each."""

    subjects: tuple[int, ...]
    rates: tuple[float, ...]
    pictures: int = 1
    icc: float = 0.0


def gaps(planted: Planted, runs: int, seed: int) -> list[Disparity]:
    """The difference between the groups, as the summary of an audit gives it, for each run."""
    per_picture = np.repeat(np.arange(sum(planted.subjects)), planted.pictures)
    group = np.repeat(np.arange(len(planted.subjects)), np.array(planted.subjects) * planted.pictures)
    table = a_table(list(per_picture), skin=[f"g{k:02}" for k in group])
    groupings = make_groupings(table, (("skin",),))
    summary = Summary(groupings, subject_codes(table), "gender", Options(min_subjects=2))
    found: list[Disparity] = []
    for start in range(0, runs, _AT_ONCE):
        some = min(_AT_ONCE, runs - start)
        values = _errors(planted, per_picture, group, some, np.random.default_rng([seed, start]))
        measures = [a_measure(f"run{i}") for i in range(some)]
        found += [m.disparity("skin") for m in summary.of(values, measures)[0]]  # type: ignore[misc]
    return found


def _errors(
    planted: Planted, person: NDArray[np.int64], group: NDArray[np.int64], runs: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """[N, runs] of 0 and 1, alike within a person (beta-binomial)."""
    rate = np.array(planted.rates)[group[:: planted.pictures], None] * np.ones(runs)
    if planted.icc:
        scale = 1 / planted.icc - 1
        rate = rng.beta(rate * scale, (1 - rate) * scale)
    return (rng.random((len(person), runs)) < rate[person]).astype(np.float64)


def finding(low: float, high: float, *, groups: int = 2, pictures: int = 1, icc: float = 0.0) -> Planted:
    """The hardest case at the size that the table names: one pair apart, all others halfway."""
    size = subjects_to_find(low, high, groups=groups, each=pictures, heavy=pictures, icc=icc)
    rates = (low, high, *[(low + high) / 2] * (groups - 2))
    return Planted(subjects=(int(np.ceil(size)),) * groups, rates=rates, pictures=pictures, icc=icc)


def unequal(rate: float, subjects: tuple[int, int], *, pictures: int = 1, icc: float = 0.0) -> Planted:
    """Two groups as they are, with the smallest gap that the table says they show. The table has the harder of two
    ways round, which is planted: the higher rate in the larger group."""
    person = np.repeat(np.arange(sum(subjects)), pictures)
    group = np.repeat(np.arange(2), np.array(subjects) * pictures)
    gap = float(smallest_gaps(Shape.of(group, person, 2), rate, icc=icc)[0, 1])
    return Planted(subjects=tuple(sorted(subjects)), rates=(rate, rate + gap), pictures=pictures, icc=icc)


def passing(rate: float, *, groups: int = 2, pictures: int = 1, icc: float = 0.0) -> Planted:
    size = subjects_to_pass(rate, BOUND, groups=groups, each=pictures, heavy=pictures, icc=icc)
    return Planted(subjects=(int(np.ceil(size)),) * groups, rates=(rate,) * groups, pictures=pictures, icc=icc)


FOUND: dict[str, Planted] = {
    "2 groups, 16 v 29 %": finding(0.16, 0.29),
    "2 groups, 10 v 20 %": finding(0.10, 0.20),
    "2 groups, 5 v 10 %": finding(0.05, 0.10),
    "2 groups, 10 v 20 %, 10 pictures, ICC 0.5": finding(0.10, 0.20, pictures=10, icc=0.5),
    "3 groups, 10 v 20 %, the third halfway": finding(0.10, 0.20, groups=3),
    "8 groups, 10 v 20 %, the others halfway": finding(0.10, 0.20, groups=8),
    "60 v 600 subjects, 10 % in the small group": unequal(0.10, (60, 600)),
    "40 v 400 subjects, 2 % in the small group": unequal(0.02, (40, 400)),
    "100 v 1,000 subjects, 10 %, 5 pictures, ICC 0.3": unequal(0.10, (100, 1000), pictures=5, icc=0.3),
}
PASSED: dict[str, Planted] = {
    "no gap, 2 groups, 2 %": passing(0.02),
    "no gap, 2 groups, 10 %": passing(0.10),
    "no gap, 3 groups, 5 %": passing(0.05, groups=3),
    "no gap, 8 groups, 20 %": passing(0.20, groups=8),
    "no gap, 2 groups, 10 %, 10 pictures, ICC 0.5": passing(0.10, pictures=10, icc=0.5),
}


def rows(runs: int, seed: int) -> list[dict[str, Any]]:
    """One row a cell: claim, cell, bar, measured, runs, extra."""
    made = []
    for number, (cell, planted) in enumerate([*FOUND.items(), *PASSED.items()]):
        seen = gaps(planted, runs, seed + number)
        shares = [d.clear if cell in FOUND else d.high is not None and d.high <= BOUND for d in seen]
        size = f"{' and '.join(map(str, dict.fromkeys(planted.subjects)))} subjects a group"
        rates = " v ".join(f"{100 * r:.1f} %" for r in planted.rates[:2])
        made.append(
            {
                "claim": CLAIM,
                "cell": cell,
                "bar": "0.77 to 0.86",
                "measured": float(np.mean(shares)),
                "runs": runs,
                "extra": f"{'found' if cell in FOUND else 'passed'}; {size}; {rates}",
            }
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for row in rows(asked.runs, asked.seed):
        sys.stdout.write(f"| {row['cell']} | {row['bar']} | {row['measured']:.3f} | {row['runs']} | {row['extra']} |\n")


if __name__ == "__main__":
    main()
