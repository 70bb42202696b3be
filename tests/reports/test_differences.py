"""Tables of differences and pairs, and what is said about p beneath them."""

from __future__ import annotations

import dataclasses

import pytest

from audit.result import AuditResult, Family
from reports._differences import differences
from reports._document import Section, Table
from reports._reading import Reading
from tests.support import results


def section(result: AuditResult | None = None) -> Section:
    return differences(Reading(result or results.faces()))


def tables(found: Section) -> dict[str, Table]:
    return {b.caption: b for s in found.every() for b in s.blocks if isinstance(b, Table)}


def words(found: Section) -> str:
    return " ".join(getattr(b, "text", "") for s in found.every() for b in s.blocks)


def many(groups: int, wrong: float = 0.1, worst: float = 0.1) -> AuditResult:
    """One rate over so many groups, the first as wrong as said."""
    cells = {(f"g{k:02}",): results.Seen(200, worst if k == 0 else wrong) for k in range(groups)}
    measured = results.measurement("wrong_label_rate", cells, ("kind",))
    return results.adjusted(dataclasses.replace(results.bare(), measurements=(measured,)))


def test_a_difference_stands_with_its_p_and_the_adjusted_one() -> None:
    rows = tables(section())["Differences and ratios between groups, rates and scores"].rows
    row = next(r for r in rows if [c.text for c in r[:2]] == ["Wrong-gender rate", "gender × race"])

    assert [(c.text, c.sub) for c in row[2:]] == [
        ("16.0 points", "7.2 to 22.4"),
        ("0.17", "0.08 to 0.55"),
        ("female · black", "19.4\u00a0%"),
        ("male · black", "3.4\u00a0%"),
        ("0.0004", "adjusted 0.0027"),
    ]


def test_headline_rates_are_shown_where_groups_differ_at_all_and_unclear_others_fold() -> None:
    table = tables(section())["Differences and ratios between groups, rates and scores"]
    head = [r for r in table.rows if r[0].text in ("Failure rate", "Wrong-gender rate")]

    assert table.folded is not None
    assert [r[1].text for r in head] == ["gender", "race", "gender × race"]
    assert {r[4].text for r in table.folded.rows if r[0].text == "Failure rate"} == {"all alike"}
    assert table.folded.paper == "Not shown here: 9 more comparisons, none of them clear; see tables/disparities.csv."


def test_families_are_named_with_method_and_size() -> None:
    assert (
        "Adjusted p: by Holm over the 7 tests of Failure rate and Wrong-gender rate; by Benjamini-Hochberg over the 3 "
        "tests of Unbiased rate; by Benjamini-Hochberg over the 6 tests of Confidence and Brier score. Intervals and "
        "verdicts hold for one comparison each and are not adjusted over the measures"
    ) in words(section())


def test_whose_p_it_is_is_said_once() -> None:
    assert words(section()).count("It is the difference's p") == 1


def test_a_clear_interval_with_an_adjusted_p_that_is_not_small_is_named() -> None:
    result = results.faces()
    errors = result["wrong_label_rate"].measurement
    gaps = tuple(dataclasses.replace(d, p_adjusted=0.061) for d in errors.disparities)
    changed = dataclasses.replace(errors, disparities=gaps)
    measured = tuple(changed if m.measure == errors.measure else m for m in result.measurements)

    said = (
        "Clear by the interval, yet not below 0.05 after the adjustment: Wrong-gender rate by gender × race (0.0610)."
    )
    assert said in words(section(dataclasses.replace(result, measurements=measured)))
    assert "yet not below" not in words(section())


def test_a_record_without_p_has_no_column_for_it_and_no_words() -> None:
    result = results.faces()
    bare = tuple(
        dataclasses.replace(
            m,
            disparities=tuple(dataclasses.replace(d, p_value=None, p_adjusted=None) for d in m.disparities),
        )
        for m in result.measurements
    )
    found = section(dataclasses.replace(result, measurements=bare, families=()))

    assert "p" not in [c.name for c in next(iter(tables(found).values())).columns]
    assert "Adjusted p" not in words(found)


def test_the_other_two_summaries_are_shown_for_the_headline_rates() -> None:
    table = tables(section())["Two more summaries of the same groups"]

    assert [(c.text, c.sub) for c in table.rows[2]] == [
        ("Wrong-gender rate", ""),
        ("gender × race", ""),
        ("2.23", "1.25 to 3.96"),
        ("0.37", "0.09 to 0.66"),
    ]
    assert {r[0].text for r in table.rows} == {"Wrong-gender rate"}  # nothing failed, so there is nothing to compare


def test_every_pair_of_few_groups_is_shown() -> None:
    table = tables(section())["Wrong-gender rate: pairs by race"]

    assert (len(table.rows), table.folded) == (3, None)


def test_pairs_are_turned_so_that_the_larger_group_stands_first() -> None:
    table = tables(section())["Wrong-gender rate: pairs by race"]
    row = next(r for r in table.rows if {r[0].text, r[1].text} == {"asian", "black"})

    assert [c.text for c in row[:3]] == ["black", "asian", "1.3 points"]
    assert row[2].sub == "\u22124.7 to 7.3"


def test_of_many_pairs_the_clear_ones_are_shown_and_the_rest_are_folded() -> None:
    found = tables(section(many(12, worst=0.5)))
    table = found["Wrong label rate: pairs by kind"]

    assert table.folded is not None
    assert (len(table.rows), len(table.folded.rows)) == (11, 55)
    assert {r[0].text for r in table.rows} == {"g00"}
    assert table.folded.paper == "Not shown here: the other 55 of 66 pairs, none of them clear; see tables/pairs.csv."


def test_of_many_pairs_without_a_clear_one_a_few_are_shown() -> None:
    table = tables(section(many(12)))["Wrong label rate: pairs by kind"]

    assert table.folded is not None
    assert (len(table.rows), len(table.folded.rows)) == (3, 63)


def test_attributes_of_more_than_twelve_groups_have_no_pairs_and_that_is_said() -> None:
    result = many(13)
    measured = tuple(dataclasses.replace(m, pairs=()) for m in result.measurements)

    assert not any(
        "pairs by" in caption for caption in tables(section(dataclasses.replace(result, measurements=measured)))
    )


def test_right_answers_are_not_paired_again_where_everybody_got_one() -> None:
    table = tables(section())["Further rates and scores: the pairs that differ clearly"]

    assert {r[0].text for r in (*table.rows, *(table.folded.rows if table.folded else ()))} == {
        "Confidence",
        "Brier score",
    }


def test_only_clear_pairs_of_further_measures_are_listed() -> None:
    table = tables(section())["Further rates and scores: the pairs that differ clearly"]

    assert not any(r[3].sub.startswith(("\u2212", "0 ")) for r in table.rows)


@pytest.mark.parametrize("measures", [8, 20])
def test_a_family_of_many_measures_is_named_in_few_words(measures: int) -> None:
    result = results.faces()
    names = tuple(f"m{k}" for k in range(measures))
    extra = tuple(results.measurement(n, {("a",): results.Seen(90, 0.1)}, ("kind",), family="scores") for n in names)
    family = Family(name="scores", method="Benjamini-Hochberg", measures=("confidence", *names), size=99)
    changed = dataclasses.replace(result, measurements=(*result.measurements, *extra), families=(family,))

    assert f"99 tests of Confidence, M0, M1, M2, M3 and {measures - 4} more" in words(section(changed))


def test_why_a_pair_reaches_higher_among_all_pairs_is_said_at_the_pairs() -> None:
    inner = next(s for s in section().every() if s.id == "pairs")
    errors = results.faces()["wrong_label_rate"].measurement
    gap = errors.disparity("gender*race")
    pair = next(p for p in errors.pairs if {*map(str, (p.first, p.second))} == {str(gap.worst), str(gap.best)})
    ends = sorted(abs(x) for x in (pair.difference_low, pair.difference_high))

    assert "its upper end needs no allowance for the other pairs" in words(inner)
    assert ends[1] > gap.high
