"""Activations over depth: the ratio with its interval and p, and what fifteen images may and may not say."""

from __future__ import annotations

import dataclasses
import functools
import re

import pytest

import reports
from audit.result import AuditResult, Disparity, Family
from audit.statistics import _arrangements
from reports import _few_images as few_images
from reports._activations import activations
from reports._differences import differences
from reports._document import Block, Finding, Section, Table
from reports._findings import findings
from reports._reading import Reading
from tests.support import results


@functools.cache
def fifteen() -> AuditResult:
    return results.fifteen()


def by(result: AuditResult, attribute: str) -> Section:
    section = activations(Reading(result))
    assert section is not None
    return next(s for s in section.sections if s.title == f"By {attribute}")


def words(blocks: tuple[Block, ...]) -> str:
    return " ".join(str(getattr(b, "text", "")) for b in blocks)


def table(section: Section, start: str) -> Table:
    return next(b for b in section.blocks if isinstance(b, Table) and b.caption.startswith(start))


def cautions(result: AuditResult) -> list[Finding]:
    return [f for f in findings(Reading(result)) if f.topic == "Activations" and f.level == "caution"]


def adjusted(p: float, p_adjusted: float) -> AuditResult:
    """The faces, with a p and an adjusted one on every activation."""
    base = results.faces()

    def tested(d: Disparity) -> Disparity:
        return dataclasses.replace(d, p_value=p, p_method="closed form", p_adjusted=p_adjusted)

    measured = tuple(
        dataclasses.replace(m, disparities=tuple(map(tested, m.disparities))) if m.family == "activations" else m
        for m in base.measurements
    )
    family = Family(name="activations", method="Benjamini-Hochberg", measures=("activation_strength",), size=54)
    return dataclasses.replace(base, measurements=measured, families=(family,))


def test_ratio_stands_with_interval_p_and_adjusted_p_at_every_layer_and_reduction() -> None:
    ratios = table(by(adjusted(0.012, 0.034), "race"), "Activation ratio")

    assert [c.name for c in ratios.columns] == [
        "Layer", "max of channel mean", "p", "mean", "p", "mean of channel max", "p",
    ]  # fmt: skip
    assert len(ratios.rows) == len(results.LAYERS)
    assert re.fullmatch(r"0\.\d+ to [\d.]+", ratios.rows[-1][1].sub)
    assert (ratios.rows[-1][2].text, ratios.rows[-1][2].sub) == ("0.0120", "adjusted 0.0340")


def test_without_any_p_there_is_no_column_for_it() -> None:
    bare = results.faces()
    plain = tuple(
        dataclasses.replace(m, disparities=tuple(dataclasses.replace(d, p_value=None) for d in m.disparities))
        for m in bare.measurements
    )
    ratios = table(by(dataclasses.replace(bare, measurements=plain), "race"), "Activation ratio")

    assert "p" not in [c.name for c in ratios.columns]


def test_the_family_of_the_adjusted_p_is_named_with_its_size() -> None:
    section = activations(Reading(adjusted(0.012, 0.034)))

    assert section is not None
    assert "Adjusted p: by Benjamini-Hochberg over the 54 tests of Activation strength." in words(section.blocks)


def test_pictures_and_errors_stand_beside_the_ratio_of_the_same_attribute() -> None:
    section = by(results.faces(), "race")
    captions = [b.caption for b in section.blocks if isinstance(b, Table)]

    assert captions == [
        "Activation ratio Λ by race, with 95\u00a0% intervals",
        "Deepest layer looked at, by race, and the errors",
        "The pictures themselves by race",
    ]
    assert [row[0].text for row in table(section, "The pictures").rows] == ["Brightness", "Contrast", "Pixels"]


def test_one_drawing_an_attribute_has_curves_and_ratio() -> None:
    pictures = [b for b in by(results.faces(), "race").blocks if b.kind == "picture"]

    assert len(pictures) == 1
    assert str(getattr(pictures[0], "caption", "")).endswith(
        "Below: the activation ratio Λ with its 95\u00a0% interval."
    )
    assert "ratio Λ" in str(getattr(pictures[0], "svg", ""))


def test_fifteen_images_get_a_p_no_verdict_and_the_quantile_in_plain_words() -> None:
    text = words(by(fifteen(), "race").blocks)

    assert "so there is a p and no verdict. At the deepest layer Λ is 0." in text
    assert "(permutation over all 126,126 ways to deal 15 subjects out to the groups)" in text
    assert re.search(
        r"If the groups did not differ, 95\u00a0% of the time these images would give a ratio above 0\.\d\d", text
    )


def test_fifteen_images_say_what_so_few_can_show() -> None:
    text = words(by(results.fifteen(lower=0.0), "race").blocks)

    assert re.search(r"vary by about 1\d\u00a0% of their mean", text)
    assert "In simulations of 3 groups of 5 subjects that vary by 20\u00a0%" in text
    assert re.search(r"20\u00a0% lower in 3\d, 30\u00a0% lower in [67]\d", text)


def test_the_ratio_of_fifteen_images_has_no_interval_but_what_chance_gives() -> None:
    ratios = table(by(fifteen(), "race"), "Activation ratio")

    assert all(" to " not in cell.sub for row in ratios.rows for cell in row)
    assert ratios.rows[-1][1].sub.startswith("by chance above 0.")
    assert "these images would give a ratio above this 95\u00a0% of the time" in ratios.note


def test_many_p_by_permutation_are_said_to_be_many() -> None:
    section = activations(Reading(fifteen()))

    assert section is not None
    assert "there are 36 of them below (attributes × layers × reductions): on average 1.8" in words(section.blocks)


def test_a_group_of_fifteen_images_that_stands_out_is_a_caution_without_direction() -> None:
    (finding,) = cautions(fifteen())
    details = " ".join(finding.details)

    assert re.match(
        r"With only 15 images, activation at the deepest layer looked at differs by race: the smallest group's is "
        r"0\.\d\d of the largest group's \(ratio Λ; p 0\.\d{4}; by chance above 0\.\d\d\)\. Nothing is judged by it\.",
        finding.sentence,
    )
    assert "not which one it fails" in details
    assert "one of 2 such p at this layer, adjusted for nothing" in details
    assert re.search(r"Wrong-gender rate of the two: .*\(5 images\), .*\(5 images\)\.", details)


def test_fifteen_images_that_do_not_stand_out_are_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrangements, "EXACT", 0)  # 2,000 draws are quicker
    said = [cautions(results.fifteen(lower=0.0, seed=seed)) for seed in range(12)]
    quiet = [f for (f,) in said if "does not differ by more than chance can explain, by" in f.sentence]

    assert len(quiet) >= 8  # two attributes each: one in ten stands out by chance
    assert all(
        re.search(r"Λ; p 0\.\d+; by chance above 0\.\d\d\)\. Nothing is judged by it\.$", f.sentence) for f in quiet
    )
    assert all(any(d.startswith("What so few images can show: ") for d in f.details) for f in quiet)
    assert not any("says that the model represents the groups differently" in d for f in quiet for d in f.details)


@pytest.mark.parametrize("lower", [0.0, 0.5])
def test_what_fifteen_images_show_is_told_on_a_terminal(lower: float) -> None:
    told = reports.headlines(results.fifteen(lower=lower))

    assert sum("with only 15 images, activation at the deepest layer" in line for line in told) == 1


def test_what_fifteen_images_cannot_show_is_not_said_of_many() -> None:
    base = results.fifteen(lower=0.0)
    many = tuple(
        dataclasses.replace(m, by_group=tuple(dataclasses.replace(g, n=100) for g in m.by_group))
        for m in base.measurements
    )

    assert cautions(dataclasses.replace(base, measurements=many)) == []


def test_rows_that_only_describe_claim_no_p_and_leave_nobody_out() -> None:
    section = differences(Reading(fifteen()))
    notes = [b.note for b in section.blocks if isinstance(b, Table)]

    assert notes[0].startswith("Descriptive only: fewer than two groups have enough subjects")
    assert not any("Left out" in note or "share the p" in note for note in notes)


def test_nothing_about_fifteen_images_is_clear() -> None:
    assert {f.level for f in findings(Reading(fifteen()))} <= {"caution", "none"}


def test_a_group_of_one_is_said_to_be_why_there_is_no_p() -> None:
    base = fifteen()
    why = "no p: a group has only one subject, so how much its subjects differ is not known"
    measured = tuple(
        dataclasses.replace(
            m,
            disparities=tuple(
                dataclasses.replace(d, p_value=None, p_method=None, null_quantile=None, note=why) for d in m.disparities
            ),
        )
        for m in base.measurements
    )
    without = dataclasses.replace(base, measurements=measured)

    assert f"Too few subjects a group for an interval ({why})." in words(by(without, "race").blocks)
    assert cautions(without) == []


def test_what_does_not_survive_the_adjustment_is_said_so_in_the_finding() -> None:
    def details(result: AuditResult) -> str:
        return " ".join(next(f for f in findings(Reading(result)) if f.topic == "Activations").details)

    assert "it does not survive the adjustment" in details(adjusted(0.01, 0.2))
    assert "it does not survive the adjustment" not in details(adjusted(0.0001, 0.004))


@pytest.mark.parametrize("form", ["html", "md", "pdf"])
def test_every_format_shows_fifteen_images(form: str) -> None:
    assert len(reports.render(fifteen(), None, form)) > 1000


def group(value: float, spread: float, subjects: int) -> results.GroupEstimate:
    from scipy import stats

    margin = stats.t.ppf(0.975, subjects - 1) * spread * value / subjects**0.5
    return results.GroupEstimate(
        value=value, low=value - margin, high=value + margin, n=subjects, subjects=subjects,
        attributes={"skin": "a"}, indicative=True,
    )  # fmt: skip


def test_variation_is_had_back_from_the_intervals() -> None:
    groups = [group(1.0, 0.2, 5), group(3.0, 0.2, 7)]

    assert few_images.coefficient_of_variation(groups, 0.05) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        pytest.param([group(1, 0.2, 5)] * 3, "3 groups of 5 subjects that vary by 20\u00a0%", id="as simulated"),
        pytest.param([group(1, 0.12, 9)] * 4, "3 groups of 5 subjects that vary by 20\u00a0%", id="between rows"),
        pytest.param([group(1, 0.1, 29)] * 9, "5 groups of 20 subjects that vary by 10\u00a0%", id="beyond the table"),
        pytest.param([group(1, 0.1, 2)] * 3, "in so many of 100 runs, at best: 10", id="smaller than simulated"),
        pytest.param([group(1, 0.9, 5)] * 3, "That is more than was simulated (50\u00a0%)", id="wilder than simulated"),
    ],
)
def test_the_row_is_the_nearest_that_does_not_promise_too_much(groups: list[results.GroupEstimate], said: str) -> None:
    assert said in few_images.seen(groups, 0.05)


def test_without_a_spread_nothing_is_said() -> None:
    lonely = results.GroupEstimate(
        value=1.0, low=None, high=None, n=1, subjects=1, attributes={"skin": "a"}, indicative=True
    )

    assert few_images.seen([lonely, lonely], 0.05) == ""
