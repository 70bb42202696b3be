"""Who is compared: groups made from attributes, intersections of several, and whose picture each image is.

Nothing is dropped: a value that is not stated is a group of its own, shown last, that takes no part in gaps.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from audit.errors import UsageError
from audit.result import Attributes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MAX_GROUPS = 100  # compared with one another: the studentized-range table ends there
MOST_STRATA = 27  # to compare groups within: as many as three thirds of three picture qualities
MAX_VALUES = 1_000  # of one attribute: beyond that it is an identifier or a bare number, not a group

# "0-14", "60+", "<18", "≥ 60", "-5": a number at the start, and whether what comes before it means "below".
_NUMBER = re.compile(r"\s*-?\d+(?:\.\d+)?\s*")
_NUMBERED = re.compile(r"\s*([<≤>≥]?)=?\s*(-?\d+(?:\.\d+)?)")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grouping:
    """The groups of one attribute, or of several taken together, that occur in the probe set."""

    name: str  # "skin", "gender*skin"
    attributes: tuple[str, ...]
    keys: tuple[Attributes, ...]  # in display order
    codes: NDArray[np.int64]  # [N] into keys
    stated: NDArray[np.bool_]  # [G]: every attribute has a value


def make_groupings(table: pd.DataFrame, groupings: tuple[tuple[str, ...], ...]) -> tuple[Grouping, ...]:
    """Groups for each tuple of attribute names, from columns `attribute.NAME` of strings (None: not stated).

    Values that all begin with a number stand in the order of the number, others in alphabetical order, "not stated"
    last; an intersection keeps the order of its attributes as typed.

    Raises:
        UsageError: an attribute with more than 1,000 values.
    """
    used = dict.fromkeys(name for names in groupings for name in names)
    columns = {name: _values(table, name) for name in used}
    return tuple(_grouping(names, columns) for names in groupings)


def check_strata(table: pd.DataFrame) -> None:
    """Whether the values of some attributes, a column each by name, make few enough strata to compare groups within.

    Raises:
        UsageError: they make more than 27.
    """
    strata = table.dropna().drop_duplicates()
    if len(strata) <= MOST_STRATA:
        return
    widest = max(strata, key=lambda name: strata[name].nunique())
    number = all(_NUMBER.fullmatch(str(value)) for value in strata[widest])
    raise UsageError(
        f"{'*'.join(map(str, strata))} makes {len(strata):,} strata",
        allowed=f"at most {MOST_STRATA}",
        where="--within",
        hint=f"Cut the number into bands in the run: --band {widest}=0,18,30,45,60"
        if number
        else "Take an attribute with fewer values",
    )


def subject_codes(table: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each image's subject [N]. An image without one is its own subject."""
    import numpy as np
    import pandas as pd

    rows = np.arange(len(table), dtype=np.int64)
    if "subject" not in table:
        return rows
    names = table["subject"]
    codes, known = pd.factorize(names.where(names.isna(), names.astype(str)), sort=True)
    return np.where(codes >= 0, codes, len(known) + rows).astype(np.int64)


def _values(table: pd.DataFrame, name: str) -> tuple[NDArray[np.int64], tuple[str | None, ...]]:
    """Codes [N] of one attribute and its values in display order."""
    import numpy as np
    import pandas as pd

    column = table[f"attribute.{name}"]
    codes, found = pd.factorize(column.where(column.isna(), column.astype(str)))
    if len(found) > MAX_VALUES:
        raise UsageError(
            f"the attribute {name} has {len(found):,} values",
            allowed=f"at most {MAX_VALUES:,}",
            hint=f"Cut a number into bands with --band {name}=…, or group by another column",
        )
    ordered = display_order([str(v) for v in found])
    place = {value: i for i, value in enumerate(ordered)}
    # A missing value has code -1 and so takes the last place.
    places = np.array([*(place[str(v)] for v in found), len(ordered)], dtype=np.int64)
    return places[codes], (*ordered, None)


def display_order(values: list[str]) -> list[str]:
    """By the number they begin with when all do, otherwise alphabetically without regard to case."""
    numbers = [_NUMBERED.match(v) for v in values]
    if all(numbers):
        below = {"<": -1, "≤": -1, "": 0, ">": 1, "≥": 1}
        key = {v: (float(m[2]), below[m[1]], v) for v, m in zip(values, numbers, strict=True) if m}
        return sorted(values, key=key.__getitem__)
    return sorted(values, key=lambda v: (v.casefold(), v))


def is_ordered(values: list[str]) -> bool:
    """Whether all values begin with a number, so that they have an order."""
    return all(_NUMBERED.match(v) for v in values)


def _grouping(names: tuple[str, ...], columns: dict[str, tuple[NDArray[np.int64], tuple[str | None, ...]]]) -> Grouping:
    import numpy as np

    sizes = tuple(len(columns[n][1]) for n in names)
    mixed = np.ravel_multi_index(tuple(columns[n][0] for n in names), sizes)
    occurring, codes = np.unique(mixed, return_inverse=True)
    places = np.unravel_index(occurring, sizes)
    keys = tuple(
        {n: columns[n][1][i] for n, i in zip(names, place, strict=True)} for place in zip(*places, strict=True)
    )
    return Grouping(
        name="*".join(names),
        attributes=names,
        keys=keys,
        codes=codes.astype(np.int64),
        stated=np.array([None not in key.values() for key in keys], dtype=np.bool_),
    )
