"""Every figure of a large audit from its finished table, and the same intervals by Fairlearn's bootstrap.

    python -m tests.benchmarks.bench_statistics                 all of it
    python -m tests.benchmarks.bench_statistics --repetitions 1 --part audit

Sixty measures (rates, means, shares) over six attributes and four intersections of up to 40 groups, some attributes
constant for a person and some not: groups from the columns, intervals, every pair, four kinds of gap, p, families.
Prints rows of Markdown tables.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from audit.families import adjusted
from audit.groups import make_groupings, subject_codes
from audit.measures import Measure
from audit.summary import Options, Summary
from tests.support.figures import a_measure

MEASURES = 60
PICTURES = 5  # of a subject
OF_SUBJECT = {"gender": 2, "skin": 4, "age": 8, "origin": 5}  # groups of an attribute that a person keeps
OF_PICTURE = {"pose": 3, "light": 6}
INTERSECTIONS = (("gender", "skin"), ("age", "origin"), ("light", "pose"), ("gender", "light"))  # 8, 40, 18 and 12
AT_ONCE = 200_000  # values of the table that an audit takes into memory together


def a_set(subjects: int) -> tuple[pd.DataFrame, np.ndarray, list[Measure]]:
    """A probe set's table, the values [N, 60] of the measures, and what they are."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(subjects), PICTURES)
    columns: dict[str, Any] = {"subject": [f"p{k}" for k in person]}
    for name, groups in OF_SUBJECT.items():
        columns[f"attribute.{name}"] = [f"{name}{k}" for k in rng.integers(0, groups, subjects)[person]]
    for name, groups in OF_PICTURE.items():
        columns[f"attribute.{name}"] = [f"{name}{k}" for k in rng.integers(0, groups, len(person))]
    table = pd.DataFrame(columns)
    own = rng.normal(0, 1, (subjects, MEASURES))[person] + rng.normal(0, 1, (len(person), MEASURES))
    own += 0.1 * (table["attribute.skin"] == "skin0").to_numpy()[:, None]
    values = np.where(np.arange(MEASURES) % 3 == 0, own > 1.8, np.exp(own / 2))
    shares = np.arange(MEASURES) % 3 == 2
    values[:, shares] = 1 / (1 + values[:, shares])
    return table, values.astype(np.float64), [described(k) for k in range(MEASURES)]


def described(number: int) -> Measure:
    if number % 3 == 0:
        return a_measure(f"rate{number}" if number else "wrong_label_rate")
    if number % 3 == 1:
        return a_measure(f"strength{number}", proportion=False, family="activations")
    return a_measure(f"share{number}", proportion=False, family="focus", unit="share", can_be_zero=True)


def audited(table: pd.DataFrame, values: np.ndarray, measures: list[Measure], groupings: Any = None) -> tuple[int, int]:
    """As an audit does it; how many disparities and families came of it."""
    chosen = groupings or (*((name,) for name in (*OF_SUBJECT, *OF_PICTURE)), *INTERSECTIONS)
    summary = Summary(make_groupings(table, chosen), subject_codes(table), "label", Options())
    together, found = max(8, AT_ONCE // len(table)), []
    for start in range(0, len(measures), together):
        some = slice(start, start + together)
        found += summary.of(values[:, some], measures[some])[0]
    done, families = adjusted(found)
    return sum(len(m.disparities) for m in done), len(families)


def large(subjects: int) -> tuple[float, float]:
    """Seconds of one audit, and the MiB at the highest of the process that it ran in, table included."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (subjects,))


def _measured(subjects: int) -> tuple[float, float]:
    given = a_set(subjects)
    audited(*a_set(200))  # scipy's first import
    begun = time.perf_counter()
    audited(*given)
    return time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def beside_fairlearn(rows: int, repetitions: int) -> list[tuple[float, float]]:
    """Seconds of ours and of theirs: failure and wrong-label rate by skin with intervals, on the same rows."""
    from fairlearn.metrics import MetricFrame

    table, values, measures = a_set(rows // PICTURES)
    two = values[:, [0, 3]]

    def first(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float((y_true != y_pred).mean())

    def second(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float(y_pred.mean())

    def theirs() -> None:
        frame = MetricFrame(
            metrics={"first": first, "second": second},
            y_true=two[:, 1],
            y_pred=two[:, 0],
            sensitive_features=table["attribute.skin"],
            n_boot=100,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )
        frame.by_group_ci, frame.difference_ci()

    def ours() -> None:
        given = np.column_stack([two[:, 0] != two[:, 1], two[:, 0]]).astype(np.float64)
        audited(table, given, [measures[0], measures[3]], (("skin",),))

    ours()
    return [(_seconds(ours), _seconds(theirs)) for _ in range(repetitions)]


def _seconds(function: Any) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, nargs="+", default=[5_000, 20_000, 80_000])
    parser.add_argument("--rows", type=int, default=20_000, help="beside Fairlearn")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--part", choices=("audit", "fairlearn"))
    asked = parser.parse_args(argv)
    if asked.part != "fairlearn":
        for subjects in asked.subjects:
            runs = [large(subjects) for _ in range(asked.repetitions)]
            took = statistics.median(seconds for seconds, _ in runs)
            peak = max(mib for _, mib in runs)
            each = 1e6 * took / subjects
            sys.stdout.write(
                f"| {subjects:,} | {subjects * PICTURES:,} | {took:.1f} s | {each:.0f} µs | {peak:.0f} MiB |\n"
            )
    if asked.part != "audit":
        pairs = beside_fairlearn(asked.rows, asked.repetitions)
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios = sorted(b / a for a, b in pairs)
        sys.stdout.write(
            f"| {asked.rows:,} | {1000 * ours:.0f} ms | {theirs:.1f} s | **{statistics.median(ratios):.0f}** "
            f"({ratios[0]:.0f} to {ratios[-1]:.0f}) |\n"
        )


if __name__ == "__main__":
    main()
