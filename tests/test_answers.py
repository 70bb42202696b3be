"""Decisions of a table that are no label: misspelled ones are refused, others are told of."""

from __future__ import annotations

import pytest

from audit._answers import words_without_label
from audit.errors import ModelError
from audit.runtimes import Answers


def decided(said: dict[str, int], scored: tuple[str, ...] = ()) -> Answers:
    return Answers(classes=tuple(sorted(said)), complete=False, scored=scored, decided=True, paths=(), said=said)


@pytest.mark.parametrize("word", ["femail", "Female", "FEMALE", "female ", "fmale"])
def test_a_word_close_to_a_label_is_refused(word: str) -> None:
    with pytest.raises(ModelError, match=r"close to one.*Did you mean female.*--classes female,male,"):
        words_without_label(decided({"male": 5, word: 1}), (), ["female", "male"])


def test_the_first_of_the_table_is_named() -> None:
    with pytest.raises(ModelError, match="got 'Male'"):
        words_without_label(decided({"Male": 1, "Female": 7}), (), ["female", "male"])


def test_many_classes_are_not_all_typed() -> None:
    labels = [f"name{chr(97 + k)}" for k in range(20)]
    with pytest.raises(ModelError, match="Say so with --classes if it is a class of its own"):
        words_without_label(decided({"Namea": 1}), (), labels)


@pytest.mark.parametrize(
    ("word", "label"), [("70-79", "20-29"), ("person_12", "person_13"), ("11", "1"), ("male", "female")]
)
def test_another_number_or_a_word_inside_a_word_is_another_class(word: str, label: str) -> None:
    assert f"{word} (3)" in words_without_label(decided({word: 3}), (), [label])[0]


def test_words_far_from_all_labels_are_counted() -> None:
    said = decided({"female": 3, "unsure": 1200, "?": 2})

    assert "unsure (1,200), ? (2). They" in words_without_label(said, (), ["female", "male"])[0]
    many = words_without_label(decided({f"x{k}": 1 for k in range(30)}), (), ["female"])[0]
    assert "x11 (1), … (30 in all). They" in many


def test_labels_stated_classes_and_no_labels_need_no_word() -> None:
    assert words_without_label(decided({"female": 3}), (), ["female", "male"]) == ()
    assert words_without_label(decided({"femail": 3}), ("female", "femail"), ["female"]) == ()
    assert words_without_label(decided({"femail": 3}), (), []) == ()


def test_columns_are_compared_by_case_only() -> None:
    labels = ["female", "male"]

    assert words_without_label(decided({"female": 3}, scored=("females", "age")), (), labels) == ()
    with pytest.raises(ModelError, match="the table's column is no label of the probe set, but close to one"):
        words_without_label(decided({"female": 3}, scored=("Male",)), (), labels)
