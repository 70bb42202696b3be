"""The demo's planted bias on drawn faces: found with the power that the power table promises, at the size it names; and
with groups that mean nothing, hardly ever anything flagged.

A population of drawn people is made once and the shipped network says what it sees; every simulated probe set draws
its people from there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.families import HEADLINE, adjusted
from audit.groups import make_groupings, subject_codes
from audit.statistics.power import subjects_to_find
from audit.summary import Options, Summary
from tests.benchmarks._people import ALPHA, Row
from tests.support.drawn_pool import PICTURES, SURE, Pool
from tests.support.figures import a_measure, a_table

POWER = "0.77 to 0.86"
MOST = 0.1  # fewer than 20 of 200
WEIGHT = 2
PEOPLE = 300  # of each gender and skin tone in the population
_SHARE = 20  # a whole audit is worth that many runs of a cell elsewhere
_GROUPS = (2, 3, 4, 5, 6)  # of the five attributes that mean nothing
_SUBJECTS = 300  # in an audit without bias
_TOGETHER = 200


def rows(runs: int, seed: int) -> list[Row]:
    """The planted bias between two groups, and audits without any."""
    pool = Pool.drawn(PEOPLE, seed + 100)
    return [
        *(_power_row(cell, pool, groups, runs, seed) for cell, groups in planted(pool).items()),
        {
            "claim": "drawn faces, audits without bias that flag anything in the headline family",
            "cell": f"attributes dealt out by chance, {len(_GROUPS)} of 2 to 6 groups, {_SUBJECTS} people",
            "bar": f"< {MOST}",
            "measured": float(np.mean([flagged(pool, [seed, 9, k]) for k in range(max(1, runs // _SHARE))])),
            "runs": max(1, runs // _SHARE),
        },
    ]


def planted(pool: Pool) -> dict[str, list[np.ndarray]]:
    """Two groups at a time of which the network fails one more often: dark-skinned women are in it."""
    return {
        "light and dark skin": [np.flatnonzero(pool.skin == skin) for skin in ("light", "dark")],
        "women and men": [np.flatnonzero(pool.gender == gender) for gender in ("female", "male")],
        "women and men with dark skin": [pool.of(gender, "dark") for gender in ("female", "male")],
    }


def _power_row(cell: str, pool: Pool, groups: list[np.ndarray], runs: int, seed: int) -> Row:
    size = named_size(pool, groups)
    rates = [pool.rate(people) for people in groups]
    twice = named_size(pool, groups, pictures=2)
    return {
        "claim": "drawn faces, planted bias found at the size that the power table names",
        "cell": f"{cell}: {100 * min(rates):.1f} % against {100 * max(rates):.1f} %, {size} people a group",
        "bar": POWER,
        "measured": found(pool, groups, size, runs, seed),
        "runs": runs,
        "with two pictures a person": f"{found(pool, groups, twice, runs, seed, pictures=2):.3f} at {twice}",
    }


def named_size(pool: Pool, groups: Sequence[np.ndarray], *, pictures: int = 1) -> int:
    """People a group that the power table asks for, to tell the worst group of the population from the best."""
    ordered = sorted(groups, key=pool.rate)
    best, worst = ordered[0], ordered[-1]
    size = subjects_to_find(
        pool.rate(best), pool.rate(worst), groups=len(groups), each=pictures, heavy=pictures,
        icc=max(0.0, pool.alike(best, worst)),
    )  # fmt: skip
    return int(np.ceil(size))


def found(pool: Pool, groups: Sequence[np.ndarray], size: int, runs: int, seed: int, *, pictures: int = 1) -> float:
    """Share of probe sets with so many people of each group whose difference lies above zero."""
    rng = np.random.default_rng([seed, 10, len(groups)])
    person = np.repeat(np.arange(size * len(groups)), pictures)
    table = a_table(person.tolist(), skin=[f"g{k // size}" for k in person])
    summary = Summary(make_groupings(table, (("skin",),)), subject_codes(table), "gender", Options(min_subjects=2))
    clear = 0
    for start in range(0, runs, _TOGETHER):
        some = min(_TOGETHER, runs - start)
        chosen = np.concatenate([rng.choice(people, (size, some)) for people in groups])
        first = rng.integers(0, PICTURES, chosen.shape)
        taken = [pool.wrong[chosen, (first + nth) % PICTURES] for nth in range(pictures)]
        values = np.stack(taken, axis=1).reshape(-1, some)
        measurements, _ = summary.of(values, [a_measure()] * some)
        clear += sum(d.clear for m in measurements for d in m.disparities if d.kind == "difference")
    return clear / runs


def flagged(pool: Pool, seed: Sequence[int]) -> bool:
    """Whether an audit of drawn people flags anything in the headline family, though its attributes are dealt out."""
    rng = np.random.default_rng(list(seed))
    chosen = rng.choice(len(pool.wrong), _SUBJECTS)
    person = np.repeat(np.arange(_SUBJECTS), PICTURES)
    names = {f"a{g}": [f"g{v}" for v in rng.integers(0, g, _SUBJECTS)[person]] for g in _GROUPS}
    table = a_table(person.tolist(), **names)
    confidence = pool.confidence[chosen].ravel()
    failed = confidence < SURE
    wrong = np.where(failed, np.nan, pool.wrong[chosen].ravel())
    measures = [a_measure("failure_rate"), a_measure("wrong_label_rate"), a_measure("confidence", proportion=False)]
    groupings = make_groupings(table, tuple((name,) for name in names))
    summary = Summary(groupings, subject_codes(table), "gender", Options())
    values = np.column_stack([failed.astype(np.float64), wrong, confidence])
    measurements, families = adjusted(summary.of(values, measures)[0])
    headline = {m for family in families if family.name == HEADLINE for m in family.measures}
    return any(
        d.p_adjusted is not None and d.p_adjusted < ALPHA
        for m in measurements if m.measure in headline
        for d in m.disparities
    )  # fmt: skip
