"""Every task keeps the contract: scores, decisions and reasons for each image, whatever the batch."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.errors import ModelError
from audit.tasks import TASKS, OutputSpec, Task
from tests.support.fixtures import fixture_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What a model of the task gives for a few images, the last of them not finite; `odd` is no shape of the task."""

    values: NDArray[np.float32]
    spec: OutputSpec
    odd: tuple[int | None, ...]


OUTPUTS = {
    "classification": Outputs(
        values=np.array([[2, -1, 0], [0, 0, 0], [-3, 5, 1], [0.1, 0.2, 0.3], [1, np.nan, 0]], dtype=np.float32),
        spec=OutputSpec(classes=("a", "b", "c"), final=None, abstain_below=0.35),
        odd=(None, 3, 224, 224),
    )
}


@pytest.fixture(params=TASKS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def task(name: str) -> Task:
    return TASKS.get(name)


@pytest.fixture
def seen(name: str) -> Outputs:
    return fixture_of(
        name, OUTPUTS, kind="task", add="an Outputs of a few images to OUTPUTS in tests/contracts/test_tasks.py"
    )


def test_it_counts_the_classes_of_an_output(task: Task, seen: Outputs) -> None:
    assert task.columns((None, *seen.values.shape[1:])) == len(seen.spec.classes)


def test_an_output_of_another_shape_is_refused_in_one_line(task: Task, seen: Outputs) -> None:
    with pytest.raises(ModelError) as caught:
        task.columns(seen.odd)

    assert "\n" not in str(caught.value)


def test_every_image_has_scores_a_decision_and_a_reason_where_there_is_none(task: Task, seen: Outputs) -> None:
    found = task.decide(seen.values, seen.spec)
    scored = found.scores[np.isfinite(found.scores)]

    assert found.scores.shape == (len(seen.values), len(seen.spec.classes))
    assert (found.scores.dtype.name, found.decisions.dtype.name) == ("float64", "int64")
    assert set(found.decisions.tolist()) <= set(range(-1, len(seen.spec.classes)))
    assert [reason is None for reason in found.reasons] == (found.decisions >= 0).tolist()
    assert ((scored >= 0) & (scored <= 1)).all()


def test_an_output_that_is_not_finite_is_no_answer(task: Task, seen: Outputs) -> None:
    found = task.decide(seen.values, seen.spec)

    assert found.decisions[-1] == -1
    assert np.isnan(found.scores[-1]).all()


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_an_image_is_judged_alike_in_any_batch(task: Task, seen: Outputs, batch: int) -> None:
    whole, part = task.decide(seen.values, seen.spec), task.decide(seen.values[:batch], seen.spec)

    np.testing.assert_array_equal(part.scores, whole.scores[:batch])
    np.testing.assert_array_equal(part.decisions, whole.decisions[:batch])
    assert part.reasons == whole.reasons[:batch]


def test_outputs_are_left_as_they_were(task: Task, seen: Outputs) -> None:
    before = seen.values.copy()
    task.decide(seen.values, seen.spec)

    np.testing.assert_array_equal(seen.values, before)


def test_it_can_be_sent_to_another_process(task: Task, seen: Outputs) -> None:
    sent = pickle.loads(pickle.dumps(task))

    np.testing.assert_array_equal(
        sent.decide(seen.values, seen.spec).scores, task.decide(seen.values, seen.spec).scores
    )
