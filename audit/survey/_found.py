"""What a survey finds, as plain values: rows of `probe.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from audit.result import Attributes

LISTED = 50  # rows of a kind that are listed; all are counted


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """The cells of several attributes taken together. `thin`: occupied, by fewer people than a comparison needs."""

    attribute: str  # "gender*skin"
    cells: int
    empty: int
    thin: int
    listed: tuple[Attributes, ...]  # empty ones


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A column with empty cells."""

    column: str
    role: str  # "label", "subject", "attribute"
    images: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    path: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """A subject with several values, each with how many pictures have it, and some of the pictures."""

    subject: str
    values: Mapping[str, int]
    paths: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A column that has one value for most subjects, and the subjects for which it has several."""

    column: str
    role: str  # "label", "attribute"
    several: int  # subjects with more than one value
    subjects: int  # subjects with at least two pictures that state one
    listed: tuple[Contradiction, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CopySet:
    """Pictures that are one picture. `differs` names the columns in which they are told apart all the same: then one
    of their rows is wrong. `likeness`: the least correlation of fine detail between neighbors, 1 for equal pixels."""

    kind: str  # "same file", "same pixels", "near copy"
    images: int
    paths: tuple[str, ...]
    subjects: tuple[str, ...]  # as far as stated, those of `paths`
    differs: tuple[str, ...]
    likeness: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Copies:
    """Sets of copies: those whose rows differ first, then the largest.

    `sets` and `extra` (pictures beyond the first of each set) are by kind. `threshold` is the correlation of detail
    from which two pictures count as near copies here: higher where the pictures of a set are alike anyhow.
    """

    sets: Mapping[str, int]
    extra: Mapping[str, int]
    contradicting: int  # sets whose rows differ in subject or label
    images_contradicting: int
    threshold: float
    alike: bool  # pictures of different people resemble each other so much that only close copies can be told
    listed: tuple[CopySet, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tie:
    """The pair of values that an association rests on most: the share of pictures with `first` that have `second`,
    and the share among all others. `leaning`, where the second column's values are numbers in order: whether
    pictures with `first` have lower or higher ones."""

    first: str
    second: str
    share: float
    elsewhere: float
    leaning: str | None  # "lower", "higher"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Association:
    """How much two columns hang together. `left_out`: values of too few subjects to take part."""

    first: str
    second: str
    v: float | None  # Cramér's V, corrected for bias: 0 independent, 1 each follows from the other
    p_value: float | None
    p_adjusted: float | None  # Benjamini-Hochberg over all pairs of columns
    images: int
    subjects: int
    tie: Tie | None
    left_out: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What an audit of this set can find and show between the groups of one attribute, at one base rate of error.

    Gaps are what is found with 80 % power: None where not even 100 % wrong would stand out. `to_find` and `to_pass`
    are subjects that each group needs: to find `points`, and to show that a gap is within `points` when there is none.
    """

    attribute: str
    groups: int  # with enough subjects to be compared
    left_out: int
    fewest: int  # subjects of the smallest and the largest of those groups
    most: int
    rate: float
    icc: float  # assumed likeness of the mistakes on pictures of one person
    worst_gap: float | None
    worst: tuple[Attributes, Attributes] | None
    best_gap: float | None
    best: tuple[Attributes, Attributes] | None
    points: float
    to_find: int
    to_pass: int
