from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from audit.errors import ModelError
from audit.tasks import TASKS, Outcome, OutputSpec

NAN = np.nan
TASK = TASKS.get("classification")
TWO = ("female", "male")
THREE = ("a", "b", "c")
logits = arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.floats(-80, 80, width=32))


def decide(outputs: Any, classes: tuple[str, ...] = TWO, final: str | None = None, **spec: float) -> Outcome:
    return TASK.decide(np.asarray(outputs, dtype=np.float32), OutputSpec(classes=classes, final=final, **spec))


def slow_softmax(row: list[float]) -> list[float]:
    powers = [math.exp(x) for x in row]
    return [p / sum(powers) for p in powers]


@given(logits)
def test_logits_become_probabilities_by_softmax(outputs: NDArray[np.float32]) -> None:
    expected = [slow_softmax(row) for row in outputs.tolist()]

    np.testing.assert_allclose(decide(outputs, THREE).scores, np.reshape(expected, (-1, 3)), atol=1e-12)


@given(logits)
def test_a_softmax_in_the_network_changes_nothing(outputs: NDArray[np.float32]) -> None:
    plain = decide(outputs, THREE)
    inside = decide(plain.scores, THREE, "softmax")
    logged = decide(np.log(np.maximum(plain.scores, 1e-30)), THREE, "log_softmax")

    np.testing.assert_allclose(inside.scores, plain.scores, atol=1e-6)
    np.testing.assert_allclose(logged.scores, plain.scores, atol=1e-5)


@given(arrays(np.float32, (4, 1), elements=st.floats(-1e4, 1e4, width=32)))
def test_one_logit_is_a_sigmoid_of_the_second_class(outputs: NDArray[np.float32]) -> None:
    positive = [1 / (1 + math.exp(-x)) if x > -700 else 0.0 for x in outputs[:, 0].tolist()]
    found = decide(outputs)

    np.testing.assert_allclose(found.scores[:, 1], positive, atol=1e-12)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1)


@pytest.mark.parametrize("final", ["sigmoid", "probabilities"])
def test_one_probability_is_that_of_the_second_class(final: str) -> None:
    found = decide([[0.25], [1.0]], final=final)

    assert (found.scores.tolist(), found.decisions.tolist()) == ([[0.75, 0.25], [0.0, 1.0]], [0, 1])


@pytest.mark.parametrize("outputs", [[[0.0]], [[1.5, 1.5]]], ids=["one logit", "two logits"])
def test_a_tie_goes_to_the_second_of_two_classes(outputs: list[list[float]]) -> None:
    assert decide(outputs).decisions.tolist() == [1]


def test_a_tie_of_more_classes_goes_to_the_first_of_the_largest() -> None:
    assert decide([[0, 3, 3], [1, 1, 1]], THREE).decisions.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, [1, 1, 1]), (0.25, [0, 1, 1]), (0.5, [0, 0, 1]), (1, [0, 0, 0])]
)
def test_the_threshold_moves_the_decision_of_two_classes(threshold: float, expected: list[int]) -> None:
    one = decide([[0.125], [0.25], [0.75]], final="sigmoid", threshold=threshold)
    two = decide([[0.875, 0.125], [0.75, 0.25], [0.25, 0.75]], final="softmax", threshold=threshold)

    assert one.decisions.tolist() == two.decisions.tolist() == expected


@given(arrays(np.float32, (6, 2), elements=st.floats(-30, 30, width=32)))
def test_half_is_the_larger_of_two(outputs: NDArray[np.float32]) -> None:
    found = decide(outputs)
    apart = np.abs(outputs[:, 0] - outputs[:, 1]) > 1e-5

    np.testing.assert_array_equal(found.decisions[apart], outputs.argmax(axis=1)[apart])


def test_the_threshold_means_nothing_for_more_classes() -> None:
    outputs = [[2, 1, 0], [0, 1, 2]]

    assert decide(outputs, THREE, threshold=0.99).decisions.tolist() == decide(outputs, THREE).decisions.tolist()


def test_one_sigmoid_a_class_is_shown_as_it_is_and_the_larger_wins() -> None:
    found = decide([[0.3, 0.4], [0.9, 0.8]], final="sigmoid")

    np.testing.assert_allclose(found.scores, [[0.3, 0.4], [0.9, 0.8]], atol=1e-7)
    assert found.decisions.tolist() == [1, 0]


def test_rounding_beyond_0_and_1_is_taken_back() -> None:
    assert decide([[-0.002, 1.004]], final="softmax").scores.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("final", ["softmax", "sigmoid", "probabilities", "log_softmax"])
def test_numbers_that_are_no_probabilities_are_refused(final: str) -> None:
    with pytest.raises(ModelError) as caught:
        decide([[0.5, 0.5], [-4.0, 3.5]], final=final)

    assert str(caught.value).startswith("the model's output was taken for probabilities, and it is none, got '")
    assert "Allowed: numbers from 0 to 1. Export the model so that" in str(caught.value)


def test_uncertain_images_get_no_answer() -> None:
    found = decide([[0.55, 0.45], [0.7, 0.3], [0.4, 0.6]], final="softmax", abstain_below=0.6)

    assert found.decisions.tolist() == [-1, 0, 1]
    assert found.reasons == ("abstained: the largest probability is under 0.6", None, None)
    assert np.isfinite(found.scores).all()


def test_without_a_bar_everybody_gets_an_answer() -> None:
    found = decide([[0.5, 0.5], [0.1, 0.1]], final="probabilities")

    assert (found.decisions >= 0).all()
    assert found.reasons == (None, None)


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("final", [None, "softmax", "log_softmax"])
def test_an_output_that_is_not_finite_is_no_answer_and_harms_no_other_image(bad: float, final: str | None) -> None:
    good = [[0.25, 0.75]] if final == "softmax" else [[-1.5, -0.25]]
    found = decide([[bad, 0.5], *good], final=final, abstain_below=0.4)

    assert found.decisions.tolist() == [-1, 1]
    assert found.reasons == ("the output is not finite", None)
    assert np.isnan(found.scores[0]).all()
    assert np.isfinite(found.scores[1]).all()


def test_an_empty_batch_stays_empty() -> None:
    found = decide(np.empty((0, 3)), THREE)

    assert (found.scores.shape, found.decisions.dtype.name, found.reasons) == ((0, 3), "int64", ())


def test_outputs_are_not_changed() -> None:
    outputs = np.array([[NAN, 1.0], [2.0, 3.0]], dtype=np.float32)
    before = outputs.copy()
    decide(outputs)

    np.testing.assert_array_equal(outputs, before)


@pytest.mark.parametrize(
    ("shape", "classes"), [((None, 2), 2), ((None, 1), 2), ((None,), 2), ((1, 10), 10), ((None, 1000), 1000)]
)
def test_columns_counts_the_classes(shape: tuple[int | None, ...], classes: int) -> None:
    assert TASK.columns(shape) == classes


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((None, 3, 224, 224), "?x3x224x224"), ((None, 4420, 2), "?x4420x2"), ((None, None), "?x?"), ((8, 0), "8x0"),
     ((), "a single number")],
)  # fmt: skip
def test_an_output_that_is_no_list_of_classes_is_refused(shape: tuple[int | None, ...], shown: str) -> None:
    with pytest.raises(ModelError) as caught:
        TASK.columns(shape)

    assert str(caught.value) == (
        f"the model's output is not one number a class, got '{shown}'. Allowed: a shape of pictures x classes, or "
        "pictures x 1 for one sigmoid output. A classifier is needed here; where the model has several outputs, choose "
        "one with --output NAME."
    )


def test_another_number_of_classes_than_named_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        decide([[1, 2, 3]], TWO)

    assert str(caught.value) == (
        "the model's output has another number of classes than are named, got '3'. Allowed: 2 (female, male)."
    )


def test_a_softmax_over_one_number_is_refused() -> None:
    with pytest.raises(ModelError, match="A softmax over a single number is always 1"):
        decide([[1.0]], final="softmax")


def test_a_last_step_that_is_not_known_is_refused() -> None:
    with pytest.raises(ModelError, match="Allowed: logits, softmax, sigmoid, probabilities, log_softmax"):
        decide([[1.0, 2.0]], final="softplus")
