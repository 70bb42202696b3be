from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.measures import plan
from audit.runtimes import REDUCTIONS
from tests.support.observed import context, find, layer, seen, values

NAN = np.nan


def test_every_layer_and_reduction_is_a_measure_in_the_networks_order() -> None:
    found = [tuple(m.parameters.values()) for m in plan(context())[0] if m.name == "activation_strength"]

    assert found == [(name, reduction) for name in ("early", "late") for reduction in REDUCTIONS]


def test_a_vector_is_listed_once() -> None:
    vector = dataclasses.replace(layer("deep"), shape=(8,))
    found = [m for m in plan(context(layers=(layer("early"), vector)))[0] if m.name == "activation_strength"]

    assert [m.parameters["layer"] for m in found] == ["early"] * 3 + ["deep"]
    assert "A vector has one place" in found[0].definition
    assert "A vector has one place" not in find(context(), "activation_strength").definition


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_each_reads_its_own_reduction_of_its_own_layer(reduction: str) -> None:
    strengths = {
        (name, r): np.array([10.0 * i + j, 0.0])
        for i, name in enumerate(("early", "late"))
        for j, r in enumerate(REDUCTIONS)
    }
    found = values(context(), seen(strengths=strengths), "activation_strength", layer="late", reduction=reduction)

    assert found == [10.0 + REDUCTIONS.index(reduction), 0.0]


def test_a_strength_that_overflowed_does_not_count() -> None:
    strengths = {("early", "mean"): np.array([1.0, np.inf, NAN, -np.inf])}
    found = values(context(), seen(strengths=strengths), "activation_strength", layer="early", reduction="mean")

    assert found == pytest.approx([1, NAN, NAN, NAN], nan_ok=True)


def test_layers_that_had_to_be_clipped_are_named() -> None:
    assert find(context(), "activation_strength").definition.endswith(
        "Values below 0 were clipped at 0 first, in the layers that can have them: late."
    )


def test_nothing_is_said_of_clipping_where_nothing_was_clipped() -> None:
    known = context(layers=(layer("early"), layer("late")))

    assert "clipped" not in find(known, "activation_strength").definition


def test_without_layers_the_reason_is_the_models() -> None:
    skipped = plan(context(layers=(), layers_missing="frozen, so names are gone"))[1]

    assert [(s.measure, s.reason) for s in skipped] == [("activation_strength", "frozen, so names are gone")]


def test_it_is_diagnostic_and_takes_no_side() -> None:
    measure = find(context(), "activation_strength")

    assert (measure.diagnostic, measure.better) == (True, "none")
