from __future__ import annotations

import numpy as np
import pytest

from audit.measures import plan
from tests.support import slow_measures as slow
from tests.support.observed import context, find, seen, some, values

NAN = np.nan
RATES = (
    "failure_rate", "wrong_label_rate", "unbiased_rate", "selection_rate", "false_positive_rate",
    "false_negative_rate", "true_positive_rate", "true_negative_rate",
)  # fmt: skip
# Every combination of label and answer over two classes; -1: no label, no answer.
LABELS = np.repeat([-1, 0, 1], 3)
DECISIONS = np.tile([-1, 0, 1], 3)


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("positive", [0, 1])
def test_every_case_agrees_with_the_definition(name: str, positive: int) -> None:
    observed = seen(labels=LABELS, decisions=DECISIONS)
    cases = zip(LABELS.tolist(), DECISIONS.tolist(), strict=True)

    assert values(context(positive=positive), observed, name) == pytest.approx(
        [slow.rate(name, label, decision, positive) for label, decision in cases], nan_ok=True
    )


@pytest.mark.parametrize("name", RATES)
def test_one_of_many_classes_against_the_rest(name: str) -> None:
    known = context(classes=("a", "b", "c", "d"), positive=2)
    observed = some(known, 200, seed=5)
    cases = zip(observed.labels.tolist(), observed.decisions.tolist(), strict=True)

    assert values(known, observed, name) == pytest.approx(
        [slow.rate(name, label, decision, 2) for label, decision in cases], nan_ok=True
    )


def test_failures_count_images_without_a_label_too() -> None:
    found = values(context(), seen(labels=np.array([-1, -1, 0]), decisions=np.array([-1, 1, 0])), "failure_rate")

    assert found == [1, 0, 0]


def test_planted_mistakes_are_found() -> None:
    """Two in ten are given the other label."""
    labels = np.zeros(10, dtype=np.int64)
    decisions = np.array([1, 1, *[0] * 8])

    assert np.mean(values(context(), seen(labels=labels, decisions=decisions), "wrong_label_rate")) == 0.2


def test_a_faultless_model_makes_no_mistakes() -> None:
    labels = np.tile([0, 1], 5)

    assert np.mean(values(context(), seen(labels=labels, decisions=labels), "wrong_label_rate")) == 0


def test_failures_are_not_mistakes() -> None:
    found = values(context(), seen(labels=np.zeros(3, int), decisions=np.array([-1, -1, 1])), "wrong_label_rate")

    assert found == pytest.approx([NAN, NAN, 1], nan_ok=True)


def test_unbiased_rate_is_one_minus_failures_minus_wrong_answers_of_all() -> None:
    observed = some(context(), 500, seed=1)
    stated = observed.labels >= 0
    failed = np.array(values(context(), observed, "failure_rate"))[stated].mean()
    wrong = np.nansum(np.array(values(context(), observed, "wrong_label_rate"))[stated]) / stated.sum()

    assert np.nanmean(values(context(), observed, "unbiased_rate")) == pytest.approx(1 - failed - wrong)


def test_conditional_rates_add_up_in_pairs() -> None:
    observed = some(context(), 300, seed=2)
    true_positive, false_negative = (
        np.array(values(context(), observed, n)) for n in ("true_positive_rate", "false_negative_rate")
    )

    np.testing.assert_array_equal(true_positive + false_negative, np.where(np.isnan(true_positive), NAN, 1))


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("gender", "Wrong-gender rate"),
        ("Gender", "Wrong-gender rate"),
        ("sex", "Wrong-sex rate"),
        ("age_band", "Wrong-label rate"),
        ("label", "Wrong-label rate"),
    ],
)
def test_wrong_label_rate_is_titled_by_what_is_judged(label: str, title: str) -> None:
    assert find(context(label=label), "wrong_label_rate").title == title


def test_without_a_positive_class_five_rates_are_skipped_and_say_how_to_ask() -> None:
    skipped = {s.measure: s.reason for s in plan(context(positive=None))[1]}

    assert skipped == dict.fromkeys(
        RATES[3:],
        "no class is named as the positive one; ask for this rate with `--positive NAME`, "
        "where NAME is one of the model's classes",
    )


def test_with_a_positive_class_nothing_is_skipped() -> None:
    assert plan(context())[1] == ()


@pytest.mark.parametrize("name", RATES)
def test_only_selection_and_conditional_rates_are_refused_within_the_label(name: str) -> None:
    assert (find(context(), name).not_within_label is not None) == (name in RATES[3:])


def test_texts_name_the_positive_class() -> None:
    assert find(context(), "false_positive_rate").definition == (
        "Of the pictures with a stated label other than “female” that got an answer, the share answered “female”."
    )


def test_directions() -> None:
    better = {m.name: m.better for m in plan(context())[0] if m.family == "rates"}

    assert better == dict(
        zip(RATES, ("lower", "lower", "higher", "none", "lower", "lower", "higher", "higher"), strict=True)
    )


def test_the_unbiased_rate_says_that_its_definition_is_ours() -> None:
    assert "our own operational definition" in find(context(), "unbiased_rate").definition
