"""Who is adjusted with whom."""

from __future__ import annotations

import dataclasses

import pytest

from audit.families import adjusted
from audit.result import PICTURE_QUALITY, Disparity, Estimate, Family, Measurement, Within
from tests.support.slow_statistics import benjamini_hochberg, holm

NONE = Estimate(value=None, low=None, high=None, n=0, subjects=0)


def row(attribute: str, p: float | None, **fields: object) -> Disparity:
    plain = {"kind": "difference", "value": 0.1, "low": 0.0, "high": 0.2, "worst": None, "best": None}
    method = None if p is None else "closed form"
    return Disparity(**{"attribute": attribute, "p_value": p, "p_method": method, **plain, **fields})


WITHIN = Within(
    attribute="skin", by="age", kind="difference", value=0.1, low=0.0, high=0.2, worst=None, best=None,
    comparable=1.0, p_value=0.3, p_method="closed form",
)  # fmt: skip


def measured(measure: str, *rows: Disparity, family: str = "rates", **fields: object) -> Measurement:
    words = dict.fromkeys(("title", "unit", "better", "definition", "formula", "source"), "")
    return Measurement(
        measure=measure,
        family=family,
        parameters={},
        diagnostic=False,
        overall=NONE,
        disparities=rows,
        **words,
        **fields,
    )


def of(found: tuple[Measurement, ...]) -> list[list[float | None]]:
    return [[r.p_adjusted for r in (*m.disparities, *m.within)] for m in found]


def test_headline_is_both_error_rates_over_attributes_intersections_and_strata() -> None:
    measurements = [
        measured("right_answer_rate", row("skin", 0.001)),
        measured("failure_rate", row("skin", 0.02), row("gender", 1.0)),
        measured("wrong_label_rate", row("skin", 0.01), row("gender*skin", 0.004), within=(WITHIN,)),
    ]
    found, families = adjusted(measurements)
    first = holm([0.02, 1.0, 0.01, 0.004, 0.3])

    assert of(found) == [[0.001], pytest.approx(first[:2]), pytest.approx(first[2:])]
    assert families == (
        Family(name="headline", method="Holm", measures=("failure_rate", "wrong_label_rate"), size=5),
        Family(name="rates", method="Benjamini-Hochberg", measures=("right_answer_rate",), size=1),
    )


def test_other_families_stand_each_by_themselves() -> None:
    ps = [0.01, 0.04, 0.03]
    layers = [measured("activation_strength", row("skin", p), family="activations") for p in ps]
    found, families = adjusted([*layers, measured("brightness", row("skin", 0.02), family="quality")])

    assert [p for [p] in of(found)] == pytest.approx([*benjamini_hochberg(ps), 0.02])
    assert [(f.name, f.size, f.measures) for f in families] == [
        ("activations", 3, ("activation_strength",)),
        ("quality", 1, ("brightness",)),
    ]


def test_kinds_of_one_attribute_are_one_test() -> None:
    kinds = ("difference", "ratio", "max_geomean", "gini")
    found, families = adjusted(
        [measured("failure_rate", *(row("skin", 0.02, kind=k) for k in kinds), row("gender", 0.5))]
    )

    assert families[0].size == 2
    assert of(found) == [[0.04] * 4 + [0.5]]


def test_permutation_p_and_missing_p_stay_out() -> None:
    drawn = row("skin", 0.0005, p_method="permutation")
    found, families = adjusted([measured("activation_strength", drawn, row("gender", None), family="activations")])

    assert of(found) == [[None, None]]
    assert families == ()


def test_what_brings_its_own_adjustment_keeps_it() -> None:
    own = row("skin", 0.01, p_adjusted=0.7)
    searched = measured("worst_group", row("skin", 0.01), family="search")
    found, families = adjusted([measured("wrong_label_rate", own, row("gender", 0.2)), searched])

    assert of(found) == [[0.7, 0.2], [None]]
    assert [(f.name, f.size) for f in families] == [("headline", 1)]
    assert found[1] is searched


def test_nothing_else_of_a_measurement_changes() -> None:
    before = measured("wrong_label_rate", row("skin", 0.01))
    (after,), _ = adjusted([before])

    assert dataclasses.replace(after, disparities=before.disparities) == before


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_rate_that_nobody_or_everybody_has_takes_no_room_in_the_family(value: float) -> None:
    always = dataclasses.replace(NONE, value=value, low=0.0, high=1.0, n=90, subjects=90)
    nothing = dataclasses.replace(
        measured("failure_rate", row("skin", 1.0), row("gender", 1.0), scale="proportion"), overall=always
    )
    found, families = adjusted([nothing, measured("wrong_label_rate", row("skin", 0.01), row("gender", 0.04))])

    assert of(found) == [[1.0, 1.0], pytest.approx(holm([0.01, 0.04]))]
    assert [(f.measures, f.size) for f in families] == [(("wrong_label_rate",), 2)]


def test_gaps_among_like_pictures_are_adjusted_among_themselves() -> None:
    checks = tuple(
        dataclasses.replace(WITHIN, by=PICTURE_QUALITY, attribute=a, p_value=p) for a, p in (("x", 0.01), ("y", 0.03))
    )
    found, families = adjusted([measured("wrong_label_rate", row("x", 0.02), row("y", 0.04), within=checks)])

    assert of(found) == [pytest.approx([*holm([0.02, 0.04]), *holm([0.01, 0.03])])]
    assert [(f.name, f.by, f.size) for f in families] == [("headline", None, 2), ("headline", PICTURE_QUALITY, 2)]
