"""Does the search for the worst group stay quiet where no group is worse, and name the one that is?"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from audit.analyses import Finished
from audit.result import Attributes, Measurement
from tests.support.finished import finished, run

QUIET = "with no effect, some group stands out in the search"
NAMED = "a planted group of 10 points more is named first or lies in the one that is"
MOST = 0.05
WEIGHT = 4

# name, people, pictures each, rate, likeness of a person's pictures, values of each attribute, and whether the last
# attribute changes from picture to picture
NOTHING = (
    ("300 people, 3 attributes", 300, 1, 0.1, 0.0, (2, 3, 4), False),
    ("1,000 people, 5 attributes", 1000, 1, 0.1, 0.0, (2, 3, 4, 5, 3), False),
    ("1,000 people, rare errors", 1000, 1, 0.02, 0.0, (2, 3, 4, 5), False),
    ("1,000 people, even odds", 1000, 1, 0.5, 0.0, (2, 3, 4, 5), False),
    ("400 people, 1 to 10 alike pictures", 400, 10, 0.1, 0.5, (2, 3, 4), False),
    ("400 people, 5 pictures, glasses on and off", 400, 5, 0.1, 0.3, (2, 3, 2), True),
)
# name, attributes of the planted group
PLANTED = (("one attribute", 1), ("two attributes", 2), ("three attributes", 3))


def rows(runs: int, seed: int) -> list[dict[str, Any]]:
    """Cells of both claims; a search takes longer than an interval, so a quarter of the runs is made."""
    made = max(1, runs // 4)
    return [*(_quiet(row, made, seed + k) for k, row in enumerate(NOTHING)), *_named(made, seed)]


def _quiet(row: tuple[Any, ...], runs: int, seed: int) -> dict[str, Any]:
    name, people, pictures, rate, alike, sizes, changes = row
    rng = np.random.default_rng([seed, 1])
    table = _table(rng, people, pictures, sizes, changes=changes)
    found = [_search(table, _events(rng, table, np.full(len(table.labels), rate), alike)) for _ in range(runs)]
    return {
        "claim": QUIET,
        "cell": name,
        "bar": f"<= {MOST}",
        "measured": sum(any(_stands_out(m)) for m in found) / runs,
        "runs": runs,
        "groups": found[0].searched,
    }


def _named(runs: int, seed: int) -> list[dict[str, Any]]:
    """1,200 people with 2 pictures each, 10 % wrong; 30 % of one group of a sixth, an eighth, … of them."""
    cells = []
    for name, depth in PLANTED:
        rng = np.random.default_rng([seed, 2, depth])
        table = _table(rng, 2400, 2, (2, 2, 3), changes=False)
        planted = {f"a{k}": "v0" for k in range(depth)}
        inside = np.logical_and.reduce([table.table[f"attribute.{a}"] == v for a, v in planted.items()])
        rate = np.where(inside, 0.2, 0.1)
        found = [_search(table, _events(rng, table, rate, 0.3)) for _ in range(runs)]
        named = [any(_stands_out(m)[:1]) and _overlaps(m.by_group[0].attributes, planted) for m in found]
        exactly = [bool(m.by_group) and dict(m.by_group[0].attributes) == planted for m in found]
        share = {"people in it": int(inside.sum() / 2), "named exactly": sum(exactly) / runs}
        row = {"claim": NAMED, "cell": name, "bar": 0.8, "measured": sum(named) / runs, "runs": runs}
        cells.append({**row, **share})
    return cells


def _stands_out(found: Measurement) -> list[bool]:
    return [d.p_adjusted is not None and d.p_adjusted < 0.05 for d in found.disparities]


def _overlaps(named: Attributes, planted: dict[str, str]) -> bool:
    """Whether one of the two holds the other."""
    return named.items() <= planted.items() or planted.items() <= named.items()


def _table(rng: np.random.Generator, people: int, pictures: int, sizes: tuple[int, ...], *, changes: bool) -> Finished:
    """People with attributes drawn at random, and up to `pictures` pictures each (1 to 10 where there are 10)."""
    each = rng.integers(1, 11, people) if pictures == 10 else np.full(people, pictures)
    subjects = np.repeat(np.arange(people), each)
    attributes = {}
    for place, size in enumerate(sizes):
        last = changes and place == len(sizes) - 1
        drawn = rng.integers(0, size, len(subjects)) if last else rng.integers(0, size, people)[subjects]
        attributes[f"a{place}"] = [f"v{v}" for v in drawn]
    labels = rng.integers(0, 2, people)[subjects]
    return finished(
        labels,
        labels,
        subjects=[f"p{s}" for s in subjects],
        attributes=attributes,
        groupings=[(a,) for a in attributes],
    )


def _events(rng: np.random.Generator, table: Finished, rate: np.ndarray, alike: float) -> np.ndarray:
    """1 where the model is wrong; with `alike` a person's chance is drawn from a beta distribution around the rate."""
    p = rate
    if alike:
        scale = 1 / alike - 1
        quantile = rng.random(table.subjects.max() + 1)[table.subjects]
        p = _beta(rate, scale, quantile)
    return (rng.random(len(rate)) < p).astype(float)


def _beta(rate: np.ndarray, scale: float, quantile: np.ndarray) -> np.ndarray:
    from scipy.stats import beta

    return np.asarray(beta.ppf(quantile, rate * scale, (1 - rate) * scale))


def _search(table: Finished, events: np.ndarray) -> Measurement:
    """The search for wrong labels; without a single one the measurement says that nothing was searched."""
    nothing = table.find("wrong_label_rate")
    assert nothing is not None
    columns = {"wrong_label_rate": events, "failure_rate": np.zeros_like(events)}
    measured, _ = run("worst_group", dataclasses.replace(table, values=columns.__getitem__))
    wrong = [m for m in measured if m.parameters["measure"] == "wrong_label_rate"]
    return wrong[0] if wrong else dataclasses.replace(nothing, by_group=(), disparities=(), searched=0)
