from __future__ import annotations

import dataclasses
import functools
import re

import pytest

from reports._document import Document, Section
from reports._view import status, view
from tests.support import results

MAKERS = [results.faces, results.equal_faces, results.digits, results.bare, results.hostile]


@functools.cache
def faces() -> Document:
    return view(results.faces(), None)


def words(section: Section) -> str:
    return " ".join(str(getattr(b, "text", b)) for s in section.every() for b in s.blocks)


def test_sections_stand_in_the_promised_order() -> None:
    ids = [s.id for s in view(results.faces(), results.verdict()).sections]

    assert ids == [
        *(
            "summary",
            "tested",
            "coverage",
            "rates",
            "differences",
            "comparable",
            "activations",
            "focus",
            "trust",
            "quality",
            "policy",
        ),
        *("skipped", "reading", "method", "limits", "record"),
    ]


def test_notes_then_verdict_then_findings_open_the_report() -> None:
    kinds = [b.kind for b in view(results.faces(), results.verdict()).sections[0].blocks]

    assert kinds[:5] == ["callout", "status", "text", "text", "finding"]


def test_a_record_with_nothing_but_one_rate_still_makes_a_report() -> None:
    ids = [s.id for s in view(results.bare(), None).sections]

    assert ids == ["summary", "tested", "coverage", "rates", "differences", "reading", "method", "limits", "record"]


@pytest.mark.parametrize("make", MAKERS)
def test_names_in_the_document_are_unique(make: object) -> None:
    document = view(make(), None)  # type: ignore[operator]
    names = [s.id for s in document.every()]
    names += [b.name for s in document.every() for b in s.blocks if b.kind == "picture"]  # type: ignore[union-attr]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("make", [results.faces, results.equal_faces, results.digits])
def test_a_report_makes_no_promise_it_cannot_keep(make: object) -> None:
    text = " ".join(words(s) for s in view(make(), results.verdict()).sections)  # type: ignore[operator]
    text = re.sub(r"unbiased.rate", "", text, flags=re.IGNORECASE)

    assert not re.search(r"\b(fair|unbiased|compliant|certified)\b", text, re.IGNORECASE)


def test_every_measure_has_definition_formula_and_source_in_the_method() -> None:
    result = results.faces()
    method = next(s for s in view(result, None).sections if s.id == "method")

    assert all(m.definition in words(method) and m.source in words(method) for m in result.measurements)


def test_skipped_measures_of_one_reason_share_a_row() -> None:
    section = next(s for s in faces().sections if s.id == "skipped")
    rows = section.blocks[0].rows  # type: ignore[union-attr]

    assert [(r[0].text, r[0].sub) for r in rows] == [
        ("selection_rate", ""),
        ("relevance_mass", "4 variants, the first: region = brows"),
    ]


def test_indicative_groups_are_marked_and_explained() -> None:
    rates = next(s for s in faces().sections if s.id == "rates")
    table = next(b for s in rates.sections if s.title == "By race" for b in s.blocks if b.kind == "table")
    small = next(row[0] for row in table.rows if row[0].text == "indian")  # type: ignore[union-attr]

    assert (small.sub, "fewer than 30 subjects" in table.note) == ("indicative", True)  # type: ignore[union-attr]


def test_unreadable_pictures_are_counted_apart() -> None:
    coverage = next(s for s in faces().sections if s.id == "coverage")

    assert "3 pictures could not be read" in words(coverage)


def test_the_verdict_counts_its_rules_by_outcome() -> None:
    said = status(results.verdict())

    assert (said.status, said.sentence) == (
        "fail",
        "Of 4 rules: 1 passed (gap-by-race), 1 failed (gap-crossed), 1 inconclusive (overall) and 1 not judged (auc).",
    )


def labeled(female: int, male: int) -> str:
    result = results.faces()
    cells = [
        {"attributes": {"gender": k}, "images": n, "subjects": n} for k, n in {"female": female, "male": male}.items()
    ]
    probe = {**result.probe, "cells": cells}
    return words(view(dataclasses.replace(result, probe=probe), None).sections[0])


def test_unbalanced_labels_are_set_against_a_model_that_always_says_the_same() -> None:
    said = "a model that always answers “male” would be wrong about 20.0\u00a0% of these pictures"

    assert (said in labeled(200, 800), "unbalanced" in labeled(450, 550), "unbalanced" in labeled(0, 0)) == (
        True,
        False,
        False,
    )


def test_without_a_policy_nothing_is_decided() -> None:
    assert status(None).sentence == "No policy was judged: this report describes and does not decide."


def test_chance_is_said_in_the_gates_words() -> None:
    said = status({"status": "not judged", "reason": "chance", "explanation": "No better than chance.", "rules": []})

    assert said.sentence == "No better than chance."


def test_many_attributes_keep_the_drawings_under_two_dozen() -> None:
    cells = {tuple(f"{a}{k % 2}" for a in "abcdefghij"): results.Seen(100, 0.1 + 0.01 * k) for k in range(4)}
    measured = results.measurement("wrong_label_rate", cells, tuple("abcdefghij"))
    result = dataclasses.replace(results.bare(), measurements=(measured,))
    pictures = [b for s in view(result, None).every() for b in s.blocks if b.kind == "picture"]

    assert len(pictures) == 6 + 1  # and the example in how to read
