"""An analysis is a function of the finished table: what is no mean of one number an image, or needs all images at once.

A measure sees a batch; an analysis sees every label, decision and score, and what the measures have found. It yields
rows of the record: a `Measurement` for each thing it could have, a `Skipped` with the reason for what it could not.
What it finds goes through the same statistics as the measures, by `Finished.summary`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audit.measures import Measure
from audit.registry import Registry
from audit.result import Attributes, Measurement, Skipped

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from audit.groups import Grouping
    from audit.measures import Observed
    from audit.summary import Options, Summary


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """The table of N images that is complete, and what was found so far.

    `positive` is the index of the class that was named as the positive one, or None. `threshold` is the operating
    point of a two-class model. `table` has the columns `attribute.NAME` of strings, None where not stated, for every
    attribute that a grouping uses. `summary` is the statistics over `groupings` and `subjects`. `values` gives the
    column of a measure by name, [N], NaN where an image does not count. `places` names the region in which what an
    attribute speaks of stands in the picture.
    """

    label: str
    classes: tuple[str, ...]
    positive: int | None
    threshold: float
    labels: NDArray[np.int64]  # [N], -1 where not stated
    decisions: NDArray[np.int64]  # [N], -1 where there is no answer
    scores: NDArray[np.float64]  # [N, K], NaN where there is none
    subjects: NDArray[np.int64]  # [N]
    table: pd.DataFrame
    groupings: tuple[Grouping, ...]
    summary: Summary
    options: Options
    measurements: tuple[Measurement, ...]
    values: Callable[[str], NDArray[np.float64]]
    places: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def find(self, measure: str) -> Measurement | None:
        """The first measurement of this name."""
        return next((m for m in self.measurements if m.measure == measure), None)


Analysis = Callable[[Finished], Iterator[Measurement | Skipped]]

ANALYSES: Registry[Analysis] = Registry(__name__, "analysis")


def analyze(finished: Finished) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """What every analysis makes of a finished table, in alphabetical order of their names."""
    found = [item for _, analysis in ANALYSES.items() for item in analysis(finished)]
    return (
        tuple(item for item in found if isinstance(item, Measurement)),
        tuple(item for item in found if isinstance(item, Skipped)),
    )


def crossing(*measures: str) -> Callable[[Analysis], Analysis]:
    """Marks an analysis that crosses attributes by itself, whether their intersection was asked for or not. `measures`
    are the names of what it measures, beside its own: a rule may be about each of them."""

    def mark(analysis: Analysis) -> Analysis:
        vars(analysis)["crossed"] = measures
        return analysis

    return mark


def crossed() -> frozenset[str]:
    """The names of all measures whose groups are crossed by an analysis."""
    marked = ((name, getattr(analysis, "crossed", None)) for name, analysis in ANALYSES.items())
    return frozenset(m for name, more in marked if more is not None for m in (name, *more))


def described(**fields: Any) -> Measure:
    """What an analysis measures, in the fields of a `Measure`, for `Summary`; its values are there already."""
    return Measure(compute=_has_values, **fields)


def group_name(key: Attributes) -> str:
    """`dark, female`: a group within a reason."""
    return ", ".join("not stated" if value is None else value for value in key.values())


def once(skipped: Iterable[Skipped]) -> Iterator[Skipped]:
    """Of many variants of one measure that were skipped for one reason, one row without parameters."""
    plain = (dataclasses.replace(s, parameters={}) for s in skipped)
    yield from {(s.measure, s.reason, s.attribute): s for s in plain}.values()


def _has_values(_: Observed) -> NDArray[np.float64]:
    raise TypeError("an analysis is no measure of a batch: its values come from the finished table")
