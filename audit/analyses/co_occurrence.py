"""Does the model fail where a thing is missing that mostly comes with the answer, and does it look at that thing?

A network that was shown lipstick mostly together with heavy make-up may recognize the make-up: then it is wrong about
lipstick without it. An attribute that is named like a region (a column `badge` and `region.badge`), or for which
`[probe.places]` names one, is taken as something that stands in the picture there: a context. For each class, pictures
with one value of it are compared with those of the same class with another: how often the answer is right, and how much
of the map lies on the thing. A drop in the one together with relevance in the other is the mark of a shortcut; neither
shows it alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from audit.analyses import ANALYSES, Finished, crossing, described
from audit.groups import Grouping, make_groupings
from audit.result import Attributes, Disparity, Measurement, Skipped, attribute_name
from audit.statistics.against_rest import against_rest
from audit.statistics.gaps import CLOSED_FORM
from audit.statistics.multiplicity import holm
from audit.summary import Summary

NAME = "co_occurrence"
MAPS = {"target": "predicted"}
DECISIONS = ("all", "wrong")
LISTED = 20  # classes in the table of a context
_NONE = (
    "of no attribute that groups are made of it is known where in the picture it stands, so nothing is known of what a "
    "thing in the picture does to the answers; name it like its region (columns badge and region.badge), or say which "
    'it is in [probe.places] of the probe folder\'s bias-audit.toml (badge = "corner")'
)


@ANALYSES.register(NAME)
@crossing("context_mass", "context_lift")
def co_occurrence(finished: Finished) -> Iterator[Measurement | Skipped]:
    """Three measurements for each context: right answers in each class with and without it, mass and lift on it."""
    contexts = _contexts(finished)
    if not contexts:
        yield Skipped(measure=NAME, reason=_NONE)
        return
    found = {context: _drops(finished, context) for context in contexts}
    # Every class and context was looked at, so that each p allows for all of them.
    adjusted = iter(holm(np.array([drop.p for drops in found.values() for drop in drops])).tolist())
    size = sum(map(len, found.values()))
    for context, drops in found.items():
        rows = sorted(
            (drop._replace(adjusted=next(adjusted)) for drop in drops), key=lambda d: (d.p, -d.value, d.place)
        )
        if not rows:
            least = finished.options.min_subjects
            reason = f"no class has {least} subjects with one value of {context} and {least} with another"
            yield Skipped(measure=NAME, parameters={"context": context}, reason=reason)
        yield from _measured(finished, context, rows, size)


def _contexts(finished: Finished) -> tuple[str, ...]:
    """Attributes that stand at a place in the picture, the label aside."""
    regions = {m.parameters["region"] for m in finished.measurements if m.measure == "relevance_mass"}
    names = dict.fromkeys(name for grouping in finished.groupings for name in grouping.attributes)
    return tuple(name for name in names if finished.places.get(name) in regions and name != finished.label)


class _Drop(NamedTuple):
    """In one class, pictures with one value of the context against those with the others."""

    place: int  # keeps the order of the groups where two are equally clear
    worst: Attributes
    best: Attributes | None  # None: all other values together
    value: float  # share of right answers less than that of the others
    low: float
    high: float
    p: float
    adjusted: float = 1.0

    def disparity(self) -> Disparity:
        return Disparity(
            attribute=attribute_name(self.worst),
            kind="difference",
            value=self.value,
            low=self.low,
            high=self.high,
            worst=self.worst,
            best=self.best,
            p_value=self.p,
            p_method=CLOSED_FORM,
            p_adjusted=self.adjusted,
        )


def _drops(finished: Finished, context: str) -> list[_Drop]:
    """Every value of the context in every class, where it and the others have enough people. Of two values the one
    with fewer right answers: the other comparison is the same."""
    wrong = finished.values("wrong_label_rate")
    grouping = _crossed(finished, context)
    classes = [key[finished.label] for key in grouping.keys]
    counts = np.isfinite(wrong) & grouping.stated[grouping.codes]
    drops: list[_Drop] = []
    for name in dict.fromkeys(c for c in classes if c is not None):
        own = np.array([c == name for c in classes])
        rows = np.flatnonzero(counts & own[grouping.codes])
        present, codes = np.unique(grouping.codes[rows], return_inverse=True)
        if len(present) < 2:
            continue
        contrasts = against_rest(codes, finished.subjects[rows], wrong[rows], len(present))
        least = max(finished.options.min_subjects, 2)
        kept = np.flatnonzero((contrasts.subjects >= least).all(axis=0))
        if len(present) == 2:
            kept = kept[np.argsort(-contrasts.mean[0, kept], kind="stable")][:1]
        if len(kept):
            pairs = contrasts.take(kept).pairs(finished.options.alpha)
            apart, p = pairs.differences(together=False), pairs.p_values()[0]
            figures = np.stack([apart.value[0], apart.low[0], apart.high[0], p], axis=1).tolist()
            for k, numbers in zip(kept.tolist(), figures, strict=True):
                best = grouping.keys[present[1 - k]] if len(present) == 2 else None
                drops.append(_Drop(len(drops), grouping.keys[present[k]], best, *numbers))
    return drops


def _crossed(finished: Finished, context: str) -> Grouping:
    return make_groupings(finished.table, ((finished.label, context),))[0]


def _measured(finished: Finished, context: str, rows: Sequence[_Drop], size: int) -> Iterator[Measurement | Skipped]:
    """The table of a context: its cells with their right answers, and what of the maps lies on its region."""
    summary = Summary((_crossed(finished, context),), finished.subjects, finished.label, finished.options)
    wrong = finished.values("wrong_label_rate")[:, None]
    right, skipped = summary.of(1 - wrong, [dataclasses.replace(_RIGHT, parameters={"context": context})])
    disparities = tuple(row.disparity() for row in rows if row.value > 0)
    listed = _listed(right[0], [row.worst[finished.label] for row in rows], finished.label)
    for m in right:
        yield dataclasses.replace(_only(m, listed), disparities=disparities, searched=size)
    yield from (s for s in skipped if s.attribute is None)
    maps = [
        m
        for m in finished.measurements
        if m.parameters.get("region") == finished.places[context]
        and m.parameters.items() >= MAPS.items()
        and m.measure in _ON_IT
        and m.parameters["decisions"] in DECISIONS
    ]
    values = np.column_stack([finished.values(m.column) for m in maps])
    measures = [dataclasses.replace(_ON_IT[m.measure], parameters={**m.parameters, "context": context}) for m in maps]
    found, _ = summary.of(values, measures)
    yield from (dataclasses.replace(_only(m, listed), searched=size) for m in found)


def _listed(right: Measurement, clearest: Sequence[str | None], label: str) -> frozenset[str | None]:
    """The classes to list: all but where there are very many, then those that differ most clearly."""
    every = dict.fromkeys([*clearest, *(g.attributes[label] for g in right.by_group)])
    return frozenset(list(every)[:LISTED])


def _only(m: Measurement, classes: frozenset[str | None]) -> Measurement:
    """A measurement with the cells of these classes, and no comparison between classes."""
    kept = tuple(g for g in m.by_group if next(iter(g.attributes.values())) in classes)
    return dataclasses.replace(m, by_group=kept, disparities=(), pairs=())


_SOURCE = (
    "accuracy where the co-occurring attribute is absent, after the studies of co-occurring attributes in CelebA "
    "(lipstick without heavy make-up); the whole table, its intervals and the link to the map are our own"
)
_RIGHT = described(
    name=NAME,
    title="Right answers by context",
    family="search",
    unit="proportion",
    better="higher",
    definition="How often the answer is right for the pictures of each class with each value of the context: an "
    "attribute of which it is known in which region of the picture it stands. A class that is "
    "recognized less often where something is missing, or there, that has nothing to do with it may be recognized by "
    "it. Each p allows for all classes and contexts that were looked at.",
    formula="right answers / answers of the cell (class, context); difference: the cell against all others of its "
    "class; p by Holm over all classes and contexts",
    source=_SOURCE + "; Holm 1979",
    proportion=True,
)
_ON_IT = {
    "relevance_mass": described(
        name="context_mass",
        title="Relevance mass on the context",
        family="focus",
        unit="share",
        better="none",
        definition="The share of the map of the answer that lies on the context's region, by class and context; "
        "pictures without the region do not count. Decisions says which pictures count: all, or only those answered "
        "wrongly.",
        formula="relevance mass of the region, mean over the pictures of the cell (class, context)",
        source=_SOURCE,
        can_be_zero=True,
        diagnostic=True,
    ),
    "lift": described(
        name="context_lift",
        title="Lift on the context",
        family="focus",
        unit="ratio",
        better="none",
        definition="The relevance mass on the context's region divided by the share of the picture that it covers, by "
        "class and context: 1 means no preference for it.",
        formula="lift of the region, mean over the pictures of the cell (class, context)",
        source=_SOURCE,
        can_be_zero=True,
        diagnostic=True,
    ),
}
