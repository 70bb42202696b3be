"""Difference maps: where the maps of one group differ from those of the others, from the finished table.

Each group of an attribute is compared with its other groups that have the evidence. Where the attribute holds the label
beside something else, groups are compared among those of the same label: the model is made to tell labels apart. Wrong
answers are compared with right ones among the answers of one class, since another class has another map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from audit.features import MAPS, Feature
from audit.groups import MAX_GROUPS, Grouping
from audit.result import Attributes, DifferenceMap, Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.analyses import Finished

MEASURE = "difference_map"
DECISION = "decision"  # the attribute whose groups are wrong answers, by class
MOST_CLASSES = 20  # whose wrong answers are looked at one by one; of more classes, all of them together


def difference_maps(
    features: tuple[Feature, ...], finished: Finished, cam: str
) -> tuple[tuple[DifferenceMap, ...], tuple[Skipped, ...]]:
    """Every comparison that the sample of maps allows, attribute by attribute, and why others can't be had."""
    maps = next((f for f in features if f.name == MAPS), None)
    if maps is None or len(maps.rows) == 0:
        return (), ()
    made: list[DifferenceMap] = []
    skipped: list[Skipped] = []
    for sides in _asked(maps, finished):
        if isinstance(sides, Skipped):
            skipped.append(sides)
        else:
            found = tuple(_compared(sides, maps, finished, cam))
            made += found
            if not found and sides.attribute != DECISION:
                few = (
                    f"no group has {finished.options.min_subjects} subjects with a map, so there is nothing to compare"
                )
                skipped.append(Skipped(measure=MEASURE, attribute=sides.attribute, reason=few))
    return _adjusted(made), tuple(skipped)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Sides:
    """A division of the sample into groups; those that are only compared with have no key."""

    attribute: str
    against: str
    keys: tuple[Attributes | None, ...]
    strata: tuple[object, ...]  # of each group
    codes: NDArray[np.int64]  # [n] into keys, -1: takes no part


def _asked(maps: Feature, finished: Finished) -> Iterator[_Sides | Skipped]:
    for grouping in finished.groupings:
        if len(grouping.keys) > MAX_GROUPS:
            reason = f"{len(grouping.keys)} groups; at most {MAX_GROUPS} can be compared"
            yield Skipped(measure=MEASURE, attribute=grouping.name, reason=reason)
        else:
            yield _by_group(grouping, maps, finished.label)
    yield _by_decision(maps, finished)


def _by_group(grouping: Grouping, maps: Feature, label: str) -> _Sides:
    import numpy as np

    crossed = len(grouping.attributes) > 1 and label in grouping.attributes
    codes = grouping.codes[maps.rows]
    return _Sides(
        attribute=grouping.name,
        against="same label" if crossed else "others",
        keys=grouping.keys,
        strata=tuple(key[label] if crossed else None for key in grouping.keys),
        codes=np.where(grouping.stated[codes], codes, -1),
    )


def _by_decision(maps: Feature, finished: Finished) -> _Sides:
    """Wrong answers of each class, then right ones."""
    import numpy as np

    labels, answers = finished.labels[maps.rows], finished.decisions[maps.rows]
    names = finished.classes if len(finished.classes) <= MOST_CLASSES else ("any",)
    of_class = answers if len(finished.classes) <= MOST_CLASSES else np.minimum(answers, 0)
    side = of_class + len(names) * (labels == answers)
    return _Sides(
        attribute=DECISION,
        against="right",
        keys=(*({DECISION: name} for name in names), *(None for _ in names)),
        strata=(*names, *names),
        codes=np.where((labels >= 0) & (answers >= 0), side, -1).astype(np.int64),
    )


def _compared(sides: _Sides, maps: Feature, finished: Finished, cam: str) -> Iterator[DifferenceMap]:
    import numpy as np

    from audit.statistics.estimates import Cells
    from audit.statistics.maximum import compared

    part = sides.codes >= 0
    if not part.any():
        return
    there, codes = np.unique(sides.codes[part], return_inverse=True)
    subjects = finished.subjects[maps.rows[part]]
    cells = Cells(codes.reshape(-1).astype(np.int64), subjects, len(there))
    people, images = np.bincount(cells.group), np.bincount(codes.reshape(-1))
    tested = people >= max(finished.options.min_subjects, 2)
    strata = _numbered([sides.strata[place] for place in there])
    shape = maps.values.shape[1:]
    values = maps.values[part].reshape(int(part.sum()), -1).astype(np.float64)
    found = compared(cells, values, tested, strata, seed=finished.options.seed)
    for place, key in enumerate(sides.keys[at] for at in there):
        if key is None or not np.isfinite(found.rest[place]).all():
            continue
        others = tested & (strata == strata[place]) & (np.arange(len(there)) != place)
        p = float(found.p[place])
        yield DifferenceMap(
            cam=cam,
            target="predicted",
            attribute=sides.attribute,
            group=key,
            against=sides.against,
            n=int(images[place]),
            subjects=int(people[place]),
            rest_n=int(images[others].sum()),
            rest_subjects=len(np.unique(cells.subject[others[cells.group]])),
            indicative=not tested[place],
            p_value=p if np.isfinite(p) else None,
            p_adjusted=None,
            mean=found.mean[place].reshape(shape),
            rest=found.rest[place].reshape(shape),
            p_cells=found.p_cells[place].reshape(shape) if np.isfinite(p) else None,
        )


def _numbered(names: Sequence[object]) -> NDArray[np.int64]:
    import numpy as np

    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], dtype=np.int64)


def _adjusted(made: Sequence[DifferenceMap]) -> tuple[DifferenceMap, ...]:
    """With p times the number of attributes with a test: within one, it is over all groups already."""
    tests = len({m.attribute for m in made if m.p_value is not None})
    return tuple(
        dataclasses.replace(m, p_adjusted=None if m.p_value is None else min(1.0, m.p_value * tests)) for m in made
    )
