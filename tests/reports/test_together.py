"""Things that go together: the report connects answers and map where both speak, and claims nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from audit.result import NOT_SUPPORTED, Trust
from reports._findings import findings
from reports._reading import Reading
from reports._together import NOT_MORE, TOO_FEW, TOPIC, together
from tests.analyses.test_co_occurrence import with_badge
from tests.support.analyzed import analyzed


def reading(drop: float, lift: float, *, worn_by_wrong: bool = False) -> Reading:
    """A table of people with a badge; where it is, the map holds `lift` times what its size would give it."""
    table: dict[str, Any] = with_badge(2, drop)
    table["focus"] = {key: column * (lift / 4.5) for key, column in table["focus"].items()}
    if worn_by_wrong:  # the badge is what misleads, and few are misled
        table["attributes"] = {"badge": [{"yes": "no", "no": "yes"}[b] for b in table["attributes"]["badge"]]}
        few = {k: np.where(np.arange(600) < 60, c, np.nan) for k, c in table["focus"].items()}
        table["focus"] = few
    return Reading(analyzed(**table))


def section(told: Reading) -> list[str]:
    found = together(told)
    assert found is not None
    return [str(getattr(block, "text", "")) for block in found.blocks]


def connected(told: Reading) -> list[str]:
    return [f.sentence for f in findings(told) if f.topic == TOPIC]


def test_answers_and_map_together_are_a_finding() -> None:
    (sentence,) = connected(reading(0.3, 4.5))

    assert sentence.startswith("Without badge, women are judged rightly ")
    assert " of the map lies on the region “badge”, " in sentence
    assert sentence.endswith("times what its size would give it: the model may rely on it.")


@pytest.mark.parametrize(("drop", "lift"), [(0.0, 4.5), (0.3, 0.5), (0.0, 0.5)])
def test_either_alone_is_none(drop: float, lift: float) -> None:
    told = reading(drop, lift)

    assert connected(told) == []
    assert not any("may rely on it" in text for text in section(told))


def test_a_drop_that_the_map_does_not_show_is_told_so_in_its_section() -> None:
    assert any(NOT_MORE in text for text in section(reading(0.3, 0.5)))


def test_too_few_maps_are_not_taken_for_a_map_that_shows_nothing() -> None:
    told = section(reading(0.3, 4.5, worn_by_wrong=True))

    assert any(TOO_FEW in text for text in told)
    assert not any(NOT_MORE in text for text in told)


def test_without_a_drop_the_section_says_that_there_is_none() -> None:
    assert any("No group is clearly recognized more or less often" in text for text in section(reading(0.0, 4.5)))


def test_a_map_that_is_not_supported_makes_it_a_caution() -> None:
    told = reading(0.3, 4.5)
    state = Trust(
        state=NOT_SUPPORTED,
        because="it stays the same when what the network has learned is wiped out",
        cam="cam",
        target="predicted",
        images=32,
        subjects=32,
        cells=49,
        checks=(),
    )
    result = dataclasses.replace(told.result, trust=state)

    (found,) = (f for f in findings(Reading(result)) if f.topic == TOPIC)
    assert found.level == "caution"


def test_a_record_without_contexts_has_no_such_section() -> None:
    table = {**with_badge(1), "focus": None}

    assert together(Reading(analyzed(**table))) is None
