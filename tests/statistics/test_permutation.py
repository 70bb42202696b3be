"""The 15-image mode: every arrangement where that can be, the level kept, and nothing that depends on names."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.groups import make_groupings, subject_codes
from audit.statistics import _arrangements, permutation
from audit.statistics._arrangements import Design
from audit.statistics.estimates import Cells
from audit.statistics.permutation import Permuted, permuted
from tests.support.figures import a_table
from tests.support.slow_permutation import slow_permutation

FIFTEEN = ["a"] * 5 + ["b"] * 5 + ["c"] * 5


def through(
    values: np.ndarray, groups: Sequence[str | None], subjects: Sequence[object] | None = None, **options: object
) -> list[Permuted | None]:
    """Columns of `values` [N, M] over one attribute."""
    table = a_table(subjects, skin=groups)
    (grouping,) = make_groupings(table, (("skin",),))
    cells = Cells(grouping.codes, subject_codes(table), len(grouping.keys))
    seen = np.isfinite(values)
    return permuted(cells, np.where(seen, values, 0.0), seen.astype(float), grouping.stated, **options)


def one(values: Sequence[float] | np.ndarray, *more: object, **options: object) -> Permuted | None:
    return through(np.asarray(values, dtype=float)[:, None], *more, **options)[0]  # type: ignore[arg-type]


def strengths(seed: int, n: int, cv: float = 0.2, runs: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.0, cv, (n, runs)).clip(0.01)


@st.composite
def handfuls(draw: st.DrawFn) -> tuple[list[float], list[str | None], list[int]]:
    """A few subjects with one to three pictures, in one group each, in several, or some of both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["between", "within", "mixed"]))
    names: list[str | None] = ["a", "b", "c"][: draw(st.integers(2, 3))]
    groups: list[str | None] = []
    subjects: list[int] = []
    for subject in range(draw(st.integers(2, 6 if kind == "between" else 3))):
        several = kind == "within" or (kind == "mixed" and rng.random() < 0.5)
        for group in names if several else [names[rng.integers(len(names))]]:
            pictures = int(rng.integers(1, 4)) if draw(st.booleans()) else 1
            groups += [group] * pictures
            subjects += [subject] * pictures
    values = rng.gamma(3.0, 1.0, len(groups))
    values[rng.random(len(groups)) < draw(st.sampled_from([0.0, 0.4]))] = 0.0
    if draw(st.booleans()):
        values[rng.integers(len(groups))] = np.nan
        groups[int(rng.integers(len(groups)))] = None
    return values.tolist(), groups, subjects


@settings(max_examples=150, deadline=None)
@given(handfuls())
def test_p_and_quantile_are_those_of_every_relabeling_one_by_one(probe) -> None:  # type: ignore[no-untyped-def]
    values, groups, subjects = probe
    found = one(*probe)
    counted = {g for g, v in zip(groups, values, strict=True) if g is not None and not np.isnan(v)}
    if len(counted) < 2:
        assert found is None
        return
    assert found is not None
    p, quantile = slow_permutation(values, groups, subjects)

    assert (found.p_value, found.null_quantile) == (
        p if p is None else pytest.approx(p, abs=1e-12),
        quantile if quantile is None else pytest.approx(quantile, rel=1e-9),
    )


def test_two_and_three_by_hand() -> None:
    found = one([1.0, 1.1, 2.0, 2.1, 2.2], ["a", "a", "b", "b", "b"])

    assert found is not None
    assert found.p_value == pytest.approx(0.1)
    assert found.null_quantile is None
    assert "all 10 ways to deal 5 subjects out to the groups, too few for a p below 0.05" in found.note


def test_three_groups_of_five_are_all_126126_arrangements() -> None:
    design = Design.of(np.repeat(np.arange(3), 5), np.arange(15))
    labels, exact = design.arrangements(0)

    assert (len(labels), exact, len(np.unique(labels, axis=0))) == (126_126, True, 126_126)
    assert (np.sort(labels, axis=1) == np.repeat(np.arange(3), 5)).all()


def test_five_groups_of_three_are_drawn_and_say_so() -> None:
    found = one(strengths(0, 15)[:, 0], [g for g in "abcde" for _ in range(3)])

    assert found is not None
    assert found.note == "permutation over 2,000 random ways to deal 15 subjects out to the groups"
    assert (found.p_value * 2001) % 1 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("cells", "ways"),
    [
        pytest.param(([0, 0, 1, 1, 1], [0, 1, 2, 3, 4]), 10, id="unequal groups"),
        pytest.param(([0, 0, 1, 1], [0, 1, 2, 3]), 3, id="equal groups stand for one another"),
        pytest.param(([0, 1] * 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]), 16, id="within subjects"),
        pytest.param(([0, 1, 2] * 3, [0, 0, 0, 1, 1, 1, 2, 2, 2]), 36, id="three groups within"),
        pytest.param(([0, 1, 0, 1, 1], [0, 0, 1, 2, 3]), 6, id="one subject in both"),
    ],
)
def test_arrangements_are_counted_and_all_different(cells: tuple[list[int], list[int]], ways: int) -> None:
    design = Design.of(*map(np.array, cells))
    labels, exact = design.arrangements(0)

    assert (design.count(), len(np.unique(labels, axis=0)), exact) == (ways, ways, True)


def test_drawing_gives_nearly_what_all_arrangements_give(monkeypatch: pytest.MonkeyPatch) -> None:
    values = strengths(1, 15, runs=20)
    every = through(values, FIFTEEN)
    monkeypatch.setattr(_arrangements, "EXACT", 0)
    drawn = through(values, FIFTEEN)

    assert [f.p_value for f in drawn if f] == pytest.approx([f.p_value for f in every if f], abs=0.04)
    assert [f.null_quantile for f in drawn if f] == pytest.approx([f.null_quantile for f in every if f], abs=0.02)


DESIGNS = {
    "all of three by five": (FIFTEEN, list(range(15))),
    "unequal, drawn": ([*FIFTEEN, *"aabbbd"[:5]], list(range(20))),
    "several pictures each": ([g for g in FIFTEEN for _ in range(2)], [s for s in range(15) for _ in range(2)]),
    "five by three, drawn": ([g for g in "abcde" for _ in range(3)], list(range(15))),
}


def same(a: Permuted | None, b: Permuted | None) -> bool:
    assert a is not None
    assert b is not None
    return (a.p_value, a.null_quantile, a.note) == (
        pytest.approx(b.p_value, abs=1e-12),
        pytest.approx(b.null_quantile, rel=1e-9),
        b.note,
    )


@pytest.mark.parametrize("design", DESIGNS)
def test_doubling_every_picture_changes_nothing(design: str) -> None:
    groups, subjects = DESIGNS[design]
    values = strengths(2, len(groups))[:, 0]

    assert same(one(values, groups, subjects), one(np.tile(values, 2), groups * 2, subjects * 2))


@pytest.mark.parametrize("design", DESIGNS)
def test_order_of_rows_names_of_subjects_and_of_groups_change_nothing(design: str) -> None:
    groups, subjects = DESIGNS[design]
    values = strengths(3, len(groups))[:, 0]
    order = np.random.default_rng(4).permutation(len(groups))
    turn = {"a": "z", "b": "y", "c": "x", "d": "w", "e": "v"}
    other = one(values[order], [turn[groups[i]] for i in order], [f"s{(7 * subjects[i]) % 31}" for i in order])

    assert same(one(values, groups, subjects), other)


def test_scale_changes_nothing() -> None:
    values = strengths(5, 20)[:, 0]
    groups = DESIGNS["unequal, drawn"][0]

    assert same(one(values, groups), one(1e-6 * values, groups))


def test_measures_do_not_see_one_another() -> None:
    values = strengths(6, 20, runs=4)
    values[3, 1] = np.nan
    groups = DESIGNS["unequal, drawn"][0]

    assert through(values, groups) == [one(column, groups) for column in values.T]


def test_the_seed_decides_what_is_drawn_and_nothing_else_does() -> None:
    values, groups = strengths(7, 20)[:, 0], DESIGNS["unequal, drawn"][0]

    assert one(values, groups, seed=1) == one(values, groups, seed=1)
    assert one(values, groups, seed=1) != one(values, groups, seed=2)


def test_a_group_far_below_the_others_has_the_smallest_p_there_is() -> None:
    values = strengths(8, 15, cv=0.05)[:, 0]
    found = one(values * np.where(np.array(FIFTEEN) == "b", 0.4, 1.0), FIFTEEN)

    assert found is not None
    # Its five are kept together by C(10, 5) / 2 of the arrangements, and none of them is further apart than these.
    assert found.p_value <= 126 / 126_126
    assert 0.4 < found.null_quantile < 0.8


def test_values_that_are_all_alike_show_nothing() -> None:
    found = one([0.3] * 15, FIFTEEN)

    assert found is not None
    assert (found.p_value, found.null_quantile) == (1.0, 1.0)


@pytest.mark.parametrize("n", [14, 15])
def test_groups_that_are_each_all_alike_and_differ_are_as_far_apart_as_can_be(n: int) -> None:
    found = one([1.0] * 5 + [1.1] * 5 + [1.2] * (n - 10), FIFTEEN[:n])

    assert found is not None
    assert found.p_value <= 0.01


def test_no_activation_anywhere_has_no_p_and_says_why() -> None:
    assert one(np.zeros(15), FIFTEEN) == Permuted(note="no p: the mean of every group is 0")


def test_a_group_that_never_moves_the_layer_is_further_off_than_any_other() -> None:
    found = one([*strengths(9, 8)[:, 0], *[0.0] * 6], FIFTEEN[:14])

    assert found is not None
    assert found.p_value < 0.03


def test_one_subject_alone_has_no_spread_so_there_is_no_p() -> None:
    found = one(strengths(10, 15)[:, 0], ["a", *["b"] * 7, *["c"] * 7])

    assert found is not None
    assert found.p_value is None
    assert "a group has only one subject" in found.note


def test_one_group_is_nothing_to_compare() -> None:
    assert one(strengths(11, 5)[:, 0], ["a"] * 5) is None
    assert one([1.0] * 5 + [np.nan] * 5, FIFTEEN[:10]) is None


def test_not_stated_takes_no_part() -> None:
    values = strengths(12, 20)[:, 0]

    assert one(values, [*FIFTEEN, *[None] * 5]) == one(values[:15], FIFTEEN)


def test_far_too_many_subjects_are_left_to_intervals() -> None:
    found = one(strengths(13, 3_100)[:, 0], ["a"] * 10 + ["b"] * 3_090)

    assert found is not None
    assert found.p_value is None
    assert "at most 3,000" in found.note


def test_the_stricter_the_level_the_lower_the_quantile() -> None:
    values = strengths(14, 15)[:, 0]
    strict, usual = one(values, FIFTEEN, alpha=0.01), one(values, FIFTEEN)

    assert strict.null_quantile < usual.null_quantile
    assert strict.p_value == usual.p_value


def test_eighteen_measures_of_fifteen_pictures_take_far_less_than_a_second() -> None:
    groups = [g for g in "abcde" for _ in range(3)]
    values = strengths(15, 15, runs=18)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        through(values, groups)
        took.append(time.perf_counter() - start)

    assert min(took) < 0.5


# How often it is wrong, and what it sees. Every column is a run; 2,000 draws in place of all, to be quick.

RUNS = 1_500
NOISE = 3 * np.sqrt(0.05 * 0.95 / RUNS)


def flagged(values: np.ndarray, groups: Sequence[str], subjects: Sequence[int] | None = None) -> float:
    found = through(values, groups, subjects)
    return float(np.mean([f is not None and f.p_value is not None and f.p_value < 0.05 for f in found]))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrangements, "EXACT", 0)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("cv", [0.1, 0.3])
@pytest.mark.parametrize("of", [5, 3])
def test_groups_that_are_alike_are_flagged_one_time_in_twenty(of: int, cv: float) -> None:
    groups = [g for g in "abcde"[: 15 // of] for _ in range(of)]

    assert flagged(strengths(20, 15, cv, RUNS), groups) == pytest.approx(0.05, abs=NOISE)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("lower", "share"), [(0.2, 0.33), (0.3, 0.72)])
def test_fifteen_pictures_see_what_the_statistics_page_says(lower: float, share: float) -> None:
    values = strengths(21, 15, 0.2, RUNS) * np.where(np.array(FIFTEEN) == "a", 1 - lower, 1.0)[:, None]

    assert flagged(values, FIFTEEN) == pytest.approx(share, abs=0.05)


@pytest.mark.usefixtures("drawn")
def test_unequal_groups_of_unequal_spread_are_not_taken_for_a_difference() -> None:
    groups = ["a"] * 10 + ["b"] * 100
    cv = np.where(np.array(groups) == "a", 0.3, 0.1)[:, None]
    values = (1 + cv * np.random.default_rng(22).standard_normal((110, 400))).clip(0.01)

    assert flagged(values, groups) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400) + 0.015


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("of", [2, 3, 4])
def test_cells_exchanged_within_subjects_keep_the_level(of: int, pictures: int) -> None:
    """Subjects differ, and so do their cells (one session each): pictures of a cell are nearly the same."""
    rng = np.random.default_rng(23)
    subjects = np.repeat(np.arange(8), of * pictures)
    groups = np.tile(np.repeat(list("abcd"[:of]), pictures), 8)
    cell = np.repeat(np.arange(8 * of), pictures)
    values = (
        1 + 0.2 * rng.standard_normal((8, RUNS))[subjects] + 0.15 * rng.standard_normal((8 * of, RUNS))[cell]
        + 0.05 * rng.standard_normal((len(cell), RUNS))
    ).clip(0.01)  # fmt: skip

    assert flagged(values, groups.tolist(), subjects.tolist()) == pytest.approx(0.05, abs=NOISE)


@pytest.mark.usefixtures("drawn")
def test_some_subjects_in_one_group_and_some_in_several_keep_the_level() -> None:
    rng = np.random.default_rng(24)
    groups = [*"aaaaabbbbcccccc", *"abacbcabc"]
    subjects = [*range(15), 15, 15, 16, 16, 17, 17, 18, 18, 18]
    values = 1 + 0.2 * rng.standard_normal((19, RUNS))[subjects] + 0.1 * rng.standard_normal((24, RUNS))

    assert flagged(values.clip(0.01), groups, subjects) == pytest.approx(0.05, abs=NOISE)


def test_pictures_of_a_subject_stay_together() -> None:
    """Five subjects a group with eight nearly equal pictures each are not 120 pieces of evidence."""
    rng = np.random.default_rng(25)
    subjects = np.repeat(np.arange(15), 8)
    values = 1 + 0.2 * rng.standard_normal((15, 60))[subjects] + 0.01 * rng.standard_normal((120, 60))

    assert flagged(values.clip(0.01), [FIFTEEN[s] for s in subjects], subjects.tolist()) <= 0.15


def test_constants_are_the_statistics_pages() -> None:
    assert (_arrangements.EXACT, _arrangements.DRAWS, permutation.METHOD) == (150_000, 2_000, "permutation")
