"""Is a model better than guessing?"""

from __future__ import annotations

import numpy as np
import pytest

from audit.summary import chance


def a_model(seed: int, recalls: tuple[float, ...], people: int, pictures: int = 1):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), pictures)
    labels = subjects % len(recalls)
    wrong = (rng.random(len(labels)) > np.array(recalls)[labels]).astype(float)
    return wrong, labels, subjects


def test_a_coin_is_found_to_be_a_coin() -> None:
    recall, guessing = chance(*a_model(0, (0.5, 0.5), 200), 2)

    assert guessing
    assert recall.low < 0.5 < recall.high


def test_a_model_that_knows_something_is_not() -> None:
    recall, guessing = chance(*a_model(0, (0.8, 0.7), 200), 2)

    assert not guessing
    assert recall.low > 0.5


def test_always_the_same_answer_is_chance_although_nothing_varies() -> None:
    recall, guessing = chance(*a_model(0, (1.0, 0.0, 0.0), 120), 3)

    assert guessing
    assert recall.value == pytest.approx(1 / 3)


def test_a_model_that_is_always_wrong_is_no_better_than_chance() -> None:
    assert chance(*a_model(0, (0.05, 0.05), 200), 2)[1]


@pytest.mark.parametrize(("recall", "low", "high"), [(1.0, 0.94, 1.0), (0.0, 0.0, 0.06)], ids=["right", "wrong"])
def test_always_right_and_always_wrong_have_an_interval(recall: float, low: float, high: float) -> None:
    found, guessing = chance(*a_model(0, (recall, recall), 80), 2)

    assert found.value == recall
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert guessing is (recall == 0.0)


def test_two_people_of_a_rare_class_do_not_make_a_perfect_model_a_guesser() -> None:
    labels = np.array([0] * 40 + [1] * 2)
    found, guessing = chance(np.zeros(42), labels, np.arange(42), 2)

    assert not guessing
    assert 0.5 < found.low < 0.8  # of the rare class hardly anything is known


def test_one_perfect_class_adds_its_own_doubt() -> None:
    wrong, labels, subjects = a_model(3, (1.0, 0.7), 100)
    found, _ = chance(wrong, labels, subjects, 2)
    p = 1 - wrong[labels == 1].mean()
    unseen = 2.01**2 / (50 + 2.01**2)  # Wilson's upper limit of no error in 50
    reach = 2.01 * np.sqrt(p * (1 - p) / 49)

    assert found.low == pytest.approx(found.value - np.hypot(reach, unseen) / 2, abs=0.001)
    assert found.high == pytest.approx(found.value + reach / 2, abs=0.001)


def test_fewer_than_thirty_people_are_not_judged() -> None:
    recall, guessing = chance(*a_model(0, (0.5, 0.5), 29), 2)

    assert not guessing
    assert recall.low < 0.5 < recall.high


def test_many_pictures_of_few_people_do_not_make_it_surer() -> None:
    wrong, labels, subjects = a_model(4, (0.6, 0.6), 60)
    once = chance(wrong, labels, subjects, 2)[0]
    often = chance(np.repeat(wrong, 20), np.repeat(labels, 20), np.repeat(subjects, 20), 2)[0]

    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))


def test_interval_is_the_jackknife_over_people_in_both_classes() -> None:
    rng = np.random.default_rng(8)
    subjects, labels = rng.integers(0, 40, 300), rng.integers(0, 2, 300)
    wrong = (rng.random(300) < 0.3).astype(float)
    recall, _ = chance(wrong, labels, subjects, 2)

    def mean_recall(keep: np.ndarray) -> float:
        return float(np.mean([1 - wrong[keep & (labels == k)].mean() for k in (0, 1)]))

    left = np.array([mean_recall(subjects != s) for s in range(40)])
    se = np.sqrt(39 / 40 * ((left - mean_recall(subjects >= 0)) ** 2).sum())
    assert recall.value == pytest.approx(mean_recall(subjects >= 0))
    assert (recall.high - recall.low) / 2 == pytest.approx(2.0 * se, rel=0.03)


def test_images_without_answer_or_label_do_not_enter() -> None:
    wrong, labels, subjects = a_model(0, (0.8, 0.8), 100)
    plain = chance(wrong, labels, subjects, 2)
    extra = chance(np.append(wrong, [np.nan, 1.0]), np.append(labels, [0, -1]), np.append(subjects, [200, 201]), 2)

    assert extra == plain


def test_nothing_answered_has_no_recall() -> None:
    recall, guessing = chance(np.full(40, np.nan), np.zeros(40, dtype=int), np.arange(40), 2)

    assert (recall.value, recall.n, guessing) == (None, 0, False)


def test_a_class_with_one_person_does_not_switch_the_check_off() -> None:
    wrong, labels, subjects = a_model(0, (0.5, 0.5), 200)
    plain = chance(wrong, labels, subjects, 3)
    rare = chance(np.append(wrong, [0.0, 0.0]), np.append(labels, [2, 2]), np.append(subjects, [999, 999]), 3)

    assert rare == plain
    assert not chance(np.zeros(53), np.array([0] * 50 + [1] * 3), np.array([*range(50), 99, 99, 99]), 2)[1]
