"""Which tests are adjusted together, and their adjusted p.

One p for each measure and attribute, whatever the kinds: they test the same thing. The headline family is the two error
rates that an audit is about, over every attribute, intersection and stratum; each other measure stands with those of
its own family of the record, so that hundreds of layers or maps don't drown the headline.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from audit.result import PICTURE_QUALITY, Disparity, Family, Measurement, Within
from audit.statistics.gaps import CLOSED_FORM
from audit.statistics.multiplicity import benjamini_hochberg, holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADLINE = "headline"
_HEADLINE_MEASURES = ("failure_rate", "wrong_label_rate")
_SEARCH = "search"  # what a search over cells found comes with its own adjustment over all of them

Row = TypeVar("Row", Disparity, Within)
Test = tuple[int, str, str | None]  # the measurement's place, the attribute, within what


def adjusted(measurements: Sequence[Measurement]) -> tuple[tuple[Measurement, ...], tuple[Family, ...]]:
    """The measurements with `p_adjusted` filled in, and the families, the headline first.

    Only p in closed form enter: 2,000 random draws can't get below 0.0005, which Holm over 100 tests needs. Rows that
    bring a `p_adjusted` keep it and enter no family. Nor does a rate of 0 or 1 over everybody: whoever had been put in
    which group, nothing could have been found, so it needs no allowance (Tarone 1990); its adjusted p is its own, 1.

    Gaps among pictures of like quality are made in every run, unasked, to check the gaps that were looked for: they
    look for nothing of their own, so they are adjusted among themselves and cost the others nothing.
    """
    found: dict[Test, float] = {}
    together: dict[tuple[str, str | None], dict[Test, float]] = {}
    for k, m in enumerate(measurements):
        for test, p in _tests(k, m) if _family(m) != _SEARCH else ():
            if _settled(m):
                found[test] = p
            else:
                together.setdefault((_family(m), PICTURE_QUALITY if test[2] == PICTURE_QUALITY else None), {})[test] = p
    families = []
    for name, by in sorted(together, key=lambda family: (family[0] != HEADLINE, family[1] is not None)):
        tests = together[name, by]
        method, adjust = _method(name)
        found |= dict(zip(tests, adjust(np.array(list(tests.values()))).tolist(), strict=True))
        measures = tuple(dict.fromkeys(measurements[k].measure for k, _, _ in tests))
        families.append(Family(name=name, method=method, measures=measures, size=len(tests), by=by))
    return tuple(_with(m, k, found) for k, m in enumerate(measurements)), tuple(families)


def reopened(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The measurements as before `adjusted`, for when tests are added to a finished audit."""
    return tuple(
        m
        if m.family == _SEARCH
        else dataclasses.replace(
            m,
            disparities=tuple(_without(row) for row in m.disparities),
            within=tuple(_without(row) for row in m.within),
        )
        for m in measurements
    )


def _without(row: Row) -> Row:
    return dataclasses.replace(row, p_adjusted=None) if row.p_method == CLOSED_FORM else row


def _family(measurement: Measurement) -> str:
    return HEADLINE if measurement.measure in _HEADLINE_MEASURES else measurement.family


def _method(family: str) -> tuple[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    return ("Holm", holm) if family == HEADLINE else ("Benjamini-Hochberg", benjamini_hochberg)


def _settled(measurement: Measurement) -> bool:
    """Whether nothing can be found in a measurement, however people are put into groups."""
    return measurement.scale == "proportion" and measurement.overall.value in (0.0, 1.0)


def _tests(place: int, measurement: Measurement) -> Iterator[tuple[Test, float]]:
    """Each test of a measurement with its p; the kinds of one attribute come several times with the same."""
    rows: tuple[Disparity | Within, ...] = (*measurement.disparities, *measurement.within)
    for row in rows:
        if _open(row) and row.p_value is not None:
            yield _test(place, row), row.p_value


def _open(row: Disparity | Within) -> bool:
    return row.p_method == CLOSED_FORM and row.p_adjusted is None


def _test(place: int, row: Disparity | Within) -> Test:
    return place, row.attribute, row.by if isinstance(row, Within) else None


def _with(measurement: Measurement, place: int, found: dict[Test, float]) -> Measurement:
    if not any(test in found for test, _ in _tests(place, measurement)):
        return measurement
    return dataclasses.replace(
        measurement,
        disparities=tuple(_filled(place, row, found) for row in measurement.disparities),
        within=tuple(_filled(place, row, found) for row in measurement.within),
    )


def _filled(place: int, row: Row, found: dict[Test, float]) -> Row:
    return dataclasses.replace(row, p_adjusted=found.get(_test(place, row))) if _open(row) else row
