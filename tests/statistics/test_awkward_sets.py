"""Sets that leave little to say: each gets a number with its mark or a reason, never NaN and never a warning of numpy
(which is an error in these tests)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from audit.errors import UsageError
from audit.families import adjusted
from audit.groups import make_groupings
from audit.result import Measurement, Skipped
from tests.support.figures import a_table, figures

WHAT = [
    pytest.param({"proportion": True}, id="rate"),
    pytest.param({"proportion": False}, id="mean"),
    pytest.param({"proportion": False, "can_be_zero": True, "unit": "share"}, id="share"),
    pytest.param({"proportion": False, "non_negative": False}, id="signed"),
]
PEOPLE = np.repeat(np.arange(60), 2)
MIXED = np.tile([1.0, 0.0, 0.0, 0.0], 30)


def numbers(value: Any) -> Iterator[float]:
    """Every number of a record, however deep."""
    if dataclasses.is_dataclass(value):
        value = [getattr(value, f.name) for f in dataclasses.fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, float):
        yield value


def seen(values: Any, groups: Any, subjects: Any = PEOPLE, **what: Any) -> tuple[Measurement, tuple[Skipped, ...]]:
    """What came of it, with its families, once it is sure that every number is one."""
    found, skipped = figures(values, groups, subjects, **what)
    ((found, *_), _) = adjusted([found])
    for number in numbers(found):
        assert math.isfinite(number)
    for row in found.disparities:
        assert (row.p_value is None) is row.descriptive
        assert row.p_value is None or 1e-12 <= row.p_value <= row.p_adjusted <= 1
    return found, skipped


@pytest.mark.parametrize("what", WHAT)
def test_one_group_only(what: dict[str, Any]) -> None:
    found, skipped = seen(MIXED, ["a"] * 120, **what)

    assert found.disparities == ()
    assert [s.reason for s in skipped] == ["fewer than two groups of skin are stated, so there is nothing to compare"]


@pytest.mark.parametrize("what", WHAT)
def test_a_group_with_one_subject_is_shown_and_left_out(what: dict[str, Any]) -> None:
    names = np.where(PEOPLE == 0, "c", np.where(PEOPLE % 2, "a", "b"))
    found, _ = seen(MIXED, names, **what, min_subjects=2)
    alone = found.groups("skin")[2]

    assert (alone.value, alone.low, alone.subjects, alone.indicative) == (0.5, None, 1, True)
    assert all(d.left_out == ({"skin": "c"},) for d in found.disparities)


@pytest.mark.parametrize("what", WHAT)
def test_a_group_of_which_nobody_counts(what: dict[str, Any]) -> None:
    names = np.array(["a", "b", "c"])[PEOPLE % 3]
    found, _ = seen(np.where(names == "c", np.nan, MIXED), names, **what, min_subjects=10)

    assert (found.groups("skin")[2].value, found.groups("skin")[2].n) == (None, 0)
    assert found.disparity("skin").left_out == ({"skin": "c"},)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["nothing wrong", "all wrong"])
def test_everybody_alike(value: float, what: dict[str, Any]) -> None:
    found, _ = seen(np.full(120, value), np.array(["a", "b"])[PEOPLE % 2], **what)
    gap = found.disparity("skin")

    assert (gap.value, gap.low, gap.p_value, gap.worst) == (0.0, 0.0, 1.0, None)
    if what["proportion"] or what.get("unit") == "share":
        assert gap.high > 0.05  # nothing is certain


@pytest.mark.parametrize("what", WHAT)
def test_everybody_in_two_groups_of_an_attribute(what: dict[str, Any]) -> None:
    found, _ = seen(MIXED, ["a", "b"] * 60, **what)

    assert [g.subjects for g in found.groups("skin")] == [60, 60]
    assert found.disparity("skin").low is not None


@pytest.mark.parametrize("what", WHAT)
def test_one_person_has_nearly_all_pictures_of_a_group(what: dict[str, Any]) -> None:
    """Thirty people of whom one has a thousand pictures: hardly more than one effective subject."""
    subjects = [*[0] * 1000, *range(1, 31), *range(31, 71)]
    values = np.random.default_rng(0).integers(0, 2, len(subjects)).astype(float)
    found, _ = seen(values, ["a"] * 1030 + ["b"] * 40, subjects, **what)

    assert found.disparity("skin").low == 0.0


def test_five_thousand_values_of_an_attribute_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the attribute name has 5,000 values\. Allowed: at most 1,000"):
        make_groupings(a_table(name=[f"n{k}" for k in range(5000)]), (("name",),))


@pytest.mark.parametrize("what", WHAT)
def test_more_groups_than_can_be_compared_are_shown_and_skipped(what: dict[str, Any]) -> None:
    found, skipped = seen(np.tile(MIXED, 4), [f"g{k}" for k in np.repeat(np.arange(120), 4)], np.arange(480), **what)

    assert len(found.by_group) == 120
    assert found.disparities == ()
    assert [s.reason for s in skipped] == ["skin has 120 groups; at most 100 can be compared with one another"]
