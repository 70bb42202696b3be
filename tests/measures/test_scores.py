from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audit.measures import Context
from tests.support import slow_measures as slow
from tests.support.observed import context, find, seen, some, values

NAN = np.nan
TEN = context(classes=tuple("0123456789"), positive=None)


def two(*positive: float) -> NDArray[np.float64]:
    return np.array([[1 - p, p] for p in positive])


@pytest.mark.parametrize("known", [context(), TEN], ids=["two classes", "ten classes"])
def test_brier_score_agrees_with_the_definition(known: Context) -> None:
    observed = some(known, 200)
    rows = zip(observed.labels.tolist(), observed.scores.tolist(), strict=True)

    assert values(known, observed, "brier_score") == pytest.approx(
        [slow.brier_score(label, scores) for label, scores in rows], nan_ok=True
    )


@given(p=st.floats(0, 1), label=st.integers(0, 1))
def test_brier_score_of_two_classes_is_the_squared_error_of_either(p: float, label: int) -> None:
    found = values(context(), seen(labels=np.array([label]), scores=two(p)), "brier_score")

    assert found == pytest.approx([(p - label) ** 2])


def test_brier_score_of_a_sure_model_is_0_when_right_and_1_when_wrong() -> None:
    found = values(context(), seen(labels=np.array([0, 1]), scores=two(0, 0)), "brier_score")

    assert found == [0, 1]


def test_brier_score_of_many_classes_is_2_when_sure_and_wrong() -> None:
    found = values(TEN, seen(labels=np.array([3]), scores=np.eye(10)[[7]]), "brier_score")

    assert found == [2]


def test_planted_uncertainty_is_found() -> None:
    unsure = values(context(), seen(labels=np.zeros(2, int), scores=two(0.5, 0.5)), "brier_score")

    assert unsure == [0.25, 0.25]


def test_brier_score_needs_a_label_and_finite_scores_but_no_answer() -> None:
    observed = seen(
        labels=np.array([-1, 0, 0]), decisions=np.array([0, -1, -1]), scores=np.array([[1, 0], [NAN, NAN], [0.6, 0.4]])
    )

    assert values(context(), observed, "brier_score") == pytest.approx([NAN, NAN, 0.16], nan_ok=True)


def test_confidence_is_the_largest_probability_of_those_answered() -> None:
    observed = seen(
        decisions=np.array([0, 1, -1, -1]), scores=np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5], [NAN] * 2])
    )

    assert values(context(), observed, "confidence") == pytest.approx([0.9, 0.7, NAN, NAN], nan_ok=True)


def test_confidence_counts_images_without_a_label() -> None:
    observed = seen(labels=np.array([-1]), decisions=np.array([1]), scores=two(0.8))

    assert values(context(), observed, "confidence") == [0.8]


def test_the_formula_states_the_convention() -> None:
    assert find(context(), "brier_score").formula.startswith("½ Σ over the two classes")
    assert find(TEN, "brier_score").formula.startswith("Σ over classes")
