"""Planted is found and named; not planted is not."""

from __future__ import annotations

import dataclasses
import re

import pytest

from audit.result import AuditResult, Measurement, Pair
from reports._document import Finding
from reports._findings import findings
from reports._reading import Reading
from tests.support import results


def said(result: AuditResult, topic: str, level: str = "clear") -> list[Finding]:
    return [f for f in findings(Reading(result)) if f.topic == topic and f.level == level]


def test_the_gap_that_only_the_intersection_shows_is_the_first_sentence() -> None:
    first = findings(Reading(results.faces()))[0]

    assert first.sentence == "Of the black women 19 in 100 are called men; of the black men 3 in 100 are called women."


def test_the_contrast_to_women_and_men_overall_is_said() -> None:
    details = findings(Reading(results.faces()))[0].details

    assert (
        "Black women are misjudged far more often than black men (19 in 100 against 3 in 100), although women and men "
        "overall show no clear difference (10 and 10 in 100)."
    ) in details


def test_the_same_mistake_is_said_once() -> None:
    faces = results.faces()
    errors = faces["wrong_label_rate"].measurement
    white = {"gender": "female", "race": "white"}
    gaps = tuple(dataclasses.replace(d, best=white) if "*" in d.attribute else d for d in errors.disparities)
    women = dataclasses.replace(faces, measurements=(dataclasses.replace(errors, disparities=gaps),))

    assert said(women, "Wrong-gender rate")[0].sentence == (
        "Of the black women 19 in 100 are called men; of the white women 5 in 100."
    )


def test_the_contrast_is_found_without_pairs_when_the_extremes_share_the_rest() -> None:
    result = results.faces()
    bare = tuple(dataclasses.replace(m, pairs=()) for m in result.measurements)
    details = findings(Reading(dataclasses.replace(result, measurements=bare)))[0].details

    assert any("far more often than black men" in d for d in details)


def test_a_finding_says_what_it_rests_on() -> None:
    details = " ".join(findings(Reading(results.faces()))[0].details)

    assert re.search(
        r"16\.0 percentage points \(95\u00a0% interval [\d.]+ to [\d.]+\), from 180 images of 177", details
    )


def test_a_finding_carries_its_p_and_whom_it_is_adjusted_with() -> None:
    details = findings(Reading(results.faces()))[0].details

    assert "p 0.0004; adjusted by Holm over the 7 tests of Failure rate and Wrong-gender rate: 0.0027." in details


def test_a_finding_that_does_not_survive_the_adjustment_stays_and_says_so() -> None:
    first = findings(Reading(unadjusted(0.21)))[0]

    assert (first.level, first.sentence[:30]) == ("clear", "Of the black women 19 in 100 a")
    assert any(d.startswith("Clear by itself, but it does not survive the adjustment for many") for d in first.details)
    assert any(d.endswith("Wrong-gender rate: 0.21. That is not below 0.05.") for d in first.details)


def test_the_bound_of_the_adjusted_p_is_the_runs_own_level() -> None:
    result = unadjusted(0.07)
    wider = dataclasses.replace(result, settings={**result.settings, "alpha": 0.1})

    assert not any("does not survive" in d for d in findings(Reading(wider))[0].details)


def unadjusted(p: float) -> AuditResult:
    """The faces with another adjusted p for all wrong-gender rates."""
    result = results.faces()
    errors = result["wrong_label_rate"].measurement
    gaps = tuple(dataclasses.replace(d, p_adjusted=p) for d in errors.disparities)
    changed = dataclasses.replace(errors, disparities=gaps)
    measured = tuple(changed if m.measure == errors.measure else m for m in result.measurements)
    return dataclasses.replace(result, measurements=measured)


def test_the_clearest_selection_rate_is_one_sentence() -> None:
    cells = {("a", "x"): results.Seen(200, 0.3), ("a", "y"): results.Seen(200, 0.6), ("b", "x"): results.Seen(200, 0.5)}
    rate = results.measurement("selection_rate", cells, ("hair", "eyes"), better="none", title="Selection rate")
    base = results.bare()
    result = dataclasses.replace(base, model={**base.model, "positive": "female"}, measurements=(rate,))
    (finding,) = said(result, "Selection rate")

    assert finding.sentence == (
        "Of the images with eyes = y 60 in 100 are labeled “female”; of the images with eyes = x 40 in 100."
    )
    assert finding.details[0].startswith("Right and wrong answers count alike here")


def test_groups_too_small_to_take_part_are_named() -> None:
    details = findings(Reading(results.faces()))[0].details

    assert "Too small to take part, so only indicative: indian men." in details


def test_attributes_without_a_clear_difference_are_said_and_not_called_equal() -> None:
    (quiet,) = said(results.faces(), "Wrong-gender rate", "none")

    assert quiet.details[0].startswith("Women and men overall: 10 and 10 in 100, no clear difference; up to 3.5 points")


def test_activations_name_groups_with_interval_caveat_and_errors() -> None:
    (finding,) = said(results.faces(), "Activations")

    assert "for black women it is 0.78 of what it is for white women (95\u00a0% interval" in finding.sentence
    assert any("not which one it fails" in d for d in finding.details)
    assert any(d.startswith("Wrong-gender rate of the two: 19.4\u00a0% of the black women") for d in finding.details)


def test_focus_names_region_shares_and_caveat() -> None:
    finding, _ = said(results.faces(), "Focus")

    assert "52.5\u00a0% for black women" in finding.sentence
    assert "on the region “face”" in finding.sentence
    assert any("not why" in d for d in finding.details)


def test_groups_are_compared_among_those_of_one_label() -> None:
    (finding,) = said(results.faces(), "Activations")

    assert "men it is" not in finding.sentence.replace("women", "")
    assert finding.details[0].startswith("Compared here are two groups of the same gender, one of them the most misjud")


def without_the_most_misjudged(measurement: Measurement) -> Measurement:
    """No pair with black women is clear; white women against asian women is. Single attributes say nothing."""
    women = {"gender": "female", "race": "black"}
    low = {"difference": -0.1, "difference_low": -0.2, "ratio": 0.8, "ratio_low": 0.7, "ratio_high": 0.9}

    def of(p: Pair) -> Pair:
        if women in (p.first, p.second):
            return dataclasses.replace(p, difference=0.0, difference_low=-0.1, difference_high=0.1)
        both = {(g.get("gender"), g.get("race")) for g in (p.first, p.second)}
        clear = both == {("female", "asian"), ("female", "white")}
        return dataclasses.replace(p, **low, difference_high=-0.05) if clear else p

    crossed = tuple(d for d in measurement.disparities if "*" in d.attribute)
    return dataclasses.replace(measurement, pairs=tuple(map(of, measurement.pairs)), disparities=crossed)


@pytest.mark.parametrize(("topic", "measure"), [("Activations", "activation_strength"), ("Focus", "relevance_mass")])
def test_a_pair_without_the_most_misjudged_group_is_not_said_to_have_it(topic: str, measure: str) -> None:
    faces = results.faces()
    changed = (without_the_most_misjudged(m) if m.measure == measure else m for m in faces.measurements)
    found = said(dataclasses.replace(faces, measurements=tuple(changed)), topic)[0]

    assert "asian women" in found.sentence
    assert "black women" not in found.sentence
    assert found.details[0].startswith("Compared here are two groups of the same gender, because the model is made")
    assert found.details[0].endswith(
        "Black women, the most misjudged, differ clearly from no group of the same gender here."
    )


def test_a_region_with_the_most_misjudged_group_goes_before_a_clearer_one_without_it() -> None:
    faces = results.faces()
    face = faces["relevance_mass"].measurement
    other = dataclasses.replace(without_the_most_misjudged(face), parameters={**face.parameters, "region": "ears"})
    pairs = tuple(
        dataclasses.replace(p, difference_low=-0.9, difference_high=-0.5)
        if p.difference_high is not None and p.difference_high < 0
        else p
        for p in other.pairs
    )
    other = dataclasses.replace(other, pairs=pairs)
    finding, _ = said(dataclasses.replace(faces, measurements=(*faces.measurements, other)), "Focus")

    assert "region “face”" in finding.sentence
    assert "black women" in finding.sentence


def test_the_most_misjudged_group_goes_before_a_clearer_pair_without_it() -> None:
    faces = results.faces()
    errors, mass = faces["wrong_label_rate"].measurement, faces["relevance_mass"].measurement
    men = {"gender": "male", "race": "black"}
    pairs = tuple(
        dataclasses.replace(p, difference=0.69, difference_low=0.6, difference_high=0.75)
        if (p.first.get("gender"), p.second) == ("male", men)
        else p
        for p in mass.pairs
    )
    changed = dataclasses.replace(mass, pairs=pairs)
    finding, _ = said(dataclasses.replace(faces, measurements=(errors, changed)), "Focus")

    assert "for black women" in finding.sentence


def test_picture_quality_that_differs_is_a_caution() -> None:
    (finding,) = said(results.faces(), "Picture quality", "caution")

    assert finding.details == (
        "Brightness by race: 104 (black people) to 130 (asian people).",
        "Brightness by gender × race: 104 (black women) to 130 (asian women).",
    )


def test_of_picture_quality_only_intersections_that_a_finding_is_about_are_named() -> None:
    faces = results.faces()
    quality = dataclasses.replace(faces, measurements=tuple(m for m in faces.measurements if m.family == "quality"))
    (finding,) = said(quality, "Picture quality", "caution")

    assert finding.details == ("Brightness by race: 104 (black people) to 130 (asian people).",)


def test_picture_quality_that_does_not_survive_the_adjustment_is_not_said_to_differ() -> None:
    faces = results.faces()
    changed = []
    for m in faces.measurements:
        late = 0.065 if m.measure == "brightness" else None
        gaps = (dataclasses.replace(d, p_adjusted=late) if late and "*" in d.attribute else d for d in m.disparities)
        changed.append(dataclasses.replace(m, disparities=tuple(gaps)))
    (finding,) = said(dataclasses.replace(faces, measurements=tuple(changed)), "Picture quality", "caution")

    assert finding.sentence.startswith("The pictures themselves differ between the groups of race, which")
    assert finding.details == ("Brightness by race: 104 (black people) to 130 (asian people).",)


def test_without_a_planted_gap_nothing_is_called_clear() -> None:
    assert [f.level for f in findings(Reading(results.equal_faces()))] == ["none"]


def test_generic_labels_have_generic_words() -> None:
    sentence = said(results.digits(), "Wrong-label rate")[0].sentence

    assert sentence == (
        "Of the images with color = blue 5 in 100 are labeled wrongly; of the images with color = green 1 in 100."
    )


def test_a_record_with_one_rate_and_no_groups_has_no_findings() -> None:
    assert findings(Reading(results.bare())) == ()


def test_descriptive_gaps_are_never_findings() -> None:
    def describe(m: Measurement) -> Measurement:
        gaps = tuple(dataclasses.replace(d, descriptive=True) for d in m.disparities)
        return dataclasses.replace(m, disparities=gaps, pairs=(), within=())

    result = results.faces()
    measurements = tuple(map(describe, result.measurements))
    result = dataclasses.replace(result, measurements=measurements, difference_maps=())

    assert {f.level for f in findings(Reading(result))} == {"caution"}


@pytest.mark.parametrize("make", [results.faces, results.equal_faces, results.digits, results.hostile])
def test_no_value_above_zero_is_said_to_be_none(make: object) -> None:
    sentences = [s for f in findings(Reading(make())) for s in (f.sentence, *f.details)]  # type: ignore[operator]

    assert not any(re.search(r"\bnone\b", s) for s in sentences)
