"""What the report says of a difference that holds, vanishes, appears or turns round when like is compared with like."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from audit.result import PICTURE_QUALITY, AuditResult, Family, Stratum, Within
from reports import _comparable as comparable
from reports._document import Bullets, Table, Text
from reports._findings import findings
from reports._reading import Reading
from tests.support import results
from tests.support.audits import gap, measured, result

DARK, LIGHT = {"skin": "dark"}, {"skin": "light"}
CLEAR, UNCLEAR = gap(0.04, 0.10, 0.15), gap(0.0, 0.02, 0.06)


def row(low: float = 0.0, value: float = 0.03, high: float = 0.08, **fields: Any) -> Within:
    plain = {"by": PICTURE_QUALITY, "worst": DARK, "best": LIGHT, "comparable": 0.9, "p_value": 0.2}
    return Within(attribute="skin", kind="difference", value=value, low=low, high=high, **{**plain, **fields})


def stratum(low: float) -> Stratum:
    return Stratum(
        attributes={"age_band": "0-14"},
        value=0.2,
        low=low,
        high=0.3,
        p_value=0.01,
        worst=DARK,
        best=LIGHT,
        n=200,
        subjects=180,
    )


def audit_of(difference: Any, *rows: Within) -> AuditResult:
    return result(measured(disparities=(difference,), within=rows))


def said(difference: Any, *rows: Within) -> list[str]:
    section = comparable.comparable(Reading(audit_of(difference, *rows)))
    return [item for block in section.blocks if isinstance(block, Bullets) for item in block.items]


@pytest.mark.parametrize(
    ("difference", "within", "words"),
    [
        (CLEAR, row(0.02), "By skin the difference stays clear among pictures of like brightness, sharpness and size"),
        (CLEAR, row(), "is no longer clear among pictures of like"),
        (CLEAR, row(0.02, worst=LIGHT, best=DARK), "turns round"),
        (UNCLEAR, row(0.02), "a difference appears"),
        (UNCLEAR, row(by="age_band", strata=(stratum(0.1), stratum(0.0))), "but among people aged 0-14 one is"),
        (UNCLEAR, row(), "No clear difference before or after: skin (picture quality alike)."),
    ],
    ids=["stays", "vanishes", "turns round", "appears", "in one stratum", "none"],
)
def test_each_change_has_its_sentence(difference: Any, within: Within, words: str) -> None:
    (sentence,) = said(difference, within)

    assert words in sentence


@pytest.mark.parametrize(
    ("difference", "within"),
    [
        (CLEAR, row(0.02, p_adjusted=0.0752)),
        (CLEAR, row(0.02, worst=LIGHT, best=DARK, p_adjusted=0.0752)),
        (UNCLEAR, row(0.02, p_adjusted=0.0752)),
    ],
    ids=["stays", "turns round", "appears"],
)
def test_what_is_clear_by_its_interval_alone_says_so(difference: Any, within: Within) -> None:
    (sentence,) = said(difference, within)
    (surer,) = said(difference, dataclasses.replace(within, p_adjusted=0.03))
    doubt = "size, by its interval though not after allowing for many comparisons (adjusted p 0.0752): 3.0 points"

    assert doubt in sentence
    assert "many comparisons" not in surer


def test_the_two_groups_are_named_where_not_all_could_be_compared() -> None:
    (all_of_them,) = said(CLEAR, row(0.02))
    (some,) = said(CLEAR, row(0.02, note="not compared, for too few subjects in every stratum: medium"))

    assert "more often than" not in all_of_them
    assert "to 8.0), people with dark skin misjudged more often than people with light skin; over all" in some
    assert some.endswith(" Not all groups could be compared with each other.")


@pytest.mark.parametrize(
    "within",
    [row(0.02), row(by="age_band", strata=(stratum(0.1), stratum(0.0)))],
    ids=["appears", "in one stratum"],
)
def test_the_worse_group_is_named_first(within: Within) -> None:
    (sentence,) = said(UNCLEAR, within)

    assert ", people with dark skin misjudged more often than people with light skin" in sentence


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"measure": "failure_rate"}, "people with dark skin left without an answer more often than people with light"),
        (
            {"measure": "unbiased_rate", "better": "higher"},
            "worse for people with dark skin than for people with light",
        ),
        ({"measure": "activation_strength", "better": "none"}, "higher for people with dark skin than for people with"),
    ],
)
def test_other_measures_say_it_in_their_own_words(fields: dict[str, Any], words: str) -> None:
    measurement = measured(disparities=(UNCLEAR,), within=(row(0.02),), **fields)

    assert words in comparable.sentence(Reading(result(measurement)), measurement, measurement.within[0])


def test_what_vanishes_is_said_with_its_interval_and_how_much_is_comparable() -> None:
    (sentence,) = said(CLEAR, row(comparable=0.3))

    assert "3.0 points (95\u00a0% interval 0 to 8.0)" in sentence
    assert "over all pictures it is 10.0 points" in sentence
    assert sentence.startswith(
        "By skin only 30.0\u00a0% of the pictures can be compared with others of like brightness, sharpness and size, "
        "which says little about the rest. The difference is no longer clear among these: 3.0 points"
    )
    assert "gone" not in sentence


def test_where_few_are_comparable_nothing_is_said_to_stay_clear() -> None:
    (few,) = said(CLEAR, row(0.02, comparable=0.051, p_adjusted=0.19))
    (many,) = said(CLEAR, row(0.02, comparable=0.9, p_adjusted=0.19))

    assert few.startswith("By skin only 5.1\u00a0% of the pictures can be compared with")
    assert "stays" not in few
    assert "The difference is clear among these, by its interval though not after allowing for many" in few
    assert many.startswith("By skin the difference stays clear")
    assert "comparable" not in many


def test_changes_stand_before_what_stays() -> None:
    first, second = said(CLEAR, row(0.02), row(by="age_band"))

    assert "no longer clear" in first
    assert "stays clear" in second


def test_a_difference_that_appears_is_a_finding_and_one_that_vanishes_stands_under_its_own() -> None:
    new = findings(Reading(audit_of(UNCLEAR, row(0.02))))
    old = findings(Reading(audit_of(CLEAR, row())))

    assert any(f.level == "clear" and "appears" in f.sentence for f in new)
    assert any("no longer clear" in line for f in old for line in f.details)
    assert not any("no longer clear" in f.sentence for f in old)


def test_one_stratum_is_said_once_where_the_intersection_says_it() -> None:
    faces = results.faces()
    without = dataclasses.replace(
        faces,
        measurements=tuple(
            dataclasses.replace(m, disparities=tuple(d for d in m.disparities if d.attribute != "gender*race"))
            for m in faces.measurements
        ),
    )

    assert not any("among black people one is" in f.sentence for f in findings(Reading(faces)))
    assert any("among black people one is" in f.sentence for f in findings(Reading(without)))


def test_strata_have_a_table_each_and_the_ones_left_out_are_named() -> None:
    section = comparable.comparable(Reading(results.faces()))
    (table,) = [b for b in section.sections[0].blocks if isinstance(b, Table)]

    assert [r[0].text for r in table.rows] == ["asian", "black", "white"]
    assert table.note == "Strata without two groups of enough subjects: indian people."


def test_an_audit_without_strata_has_no_such_section() -> None:
    assert comparable.comparable(Reading(results.digits())) is None


def test_rates_stay_in_sight_in_a_long_table() -> None:
    rows = tuple(row(by=f"thing {k}") for k in range(9))
    rates = measured(disparities=(UNCLEAR,), within=rows)
    strength = dataclasses.replace(
        rates,
        measure="activation_strength",
        family="activations",
        within=tuple(row(0.02, by=f"t{k}") for k in range(9)),
    )
    section = comparable.comparable(Reading(result(rates, strength)))
    (table,) = [b for b in section.blocks if isinstance(b, Table)]

    assert [r[3].text for r in table.rows][:9] == [f"same thing {k}" for k in range(9)]
    assert table.folded.paper == "Not shown here: 6 more comparisons, 6 of them clear; see tables/within.csv."


def test_the_families_of_the_rows_are_named_with_their_size_and_quality_by_itself() -> None:
    rows = (row(p_adjusted=0.4), row(by="age_band", strata=(stratum(0.1),), p_adjusted=0.6))
    families = (
        Family(name="headline", method="Holm", measures=("wrong_label_rate",), size=5),
        Family(name="headline", method="Holm", measures=("wrong_label_rate",), size=2, by=PICTURE_QUALITY),
    )
    section = comparable.comparable(Reading(dataclasses.replace(audit_of(UNCLEAR, *rows), families=families)))
    words = [block.text for block in section.blocks if isinstance(block, Text)]
    title = audit_of(UNCLEAR).measurements[0].title

    whole = "Adjusted p within an attribute, together with the differences over all pictures"
    assert words[-2:] == [
        f"{whole}: by Holm over the 5 tests of {title}.",
        f"Adjusted p among pictures of like quality, in families of their own: by Holm over the 2 tests of {title}.",
    ]
