"""Whatever is registered keeps the contract of a measure: a new file is tested the day it lands."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from audit.measures import DECISIONS, MEASURES, TARGETS, Context, Measure, plan
from audit.result import Skipped
from tests.support.observed import context, layer, some

CONTEXTS = {
    "everything": context(),
    "no positive class": context(positive=None),
    "no map": context(cam=None, cam_missing="the head is not a pool and a linear layer"),
    "no regions": context(regions=()),
    "maps of one class only": context(rivals_missing="the map of Eigen-CAM is the same for every class"),
    "no exact head": context(evidence_missing="the head is not a pool and a linear layer"),
    "no layers": context(layers=(), layers_missing="the file has no names inside"),
    "nothing but outputs": context(
        positive=None, layers=(), layers_missing="a table", regions=(), cam=None, cam_missing="a table of predictions"
    ),
    "ten classes": context(label="digit", classes=tuple("0123456789"), positive=None),
    "hostile names": context(
        classes=("<b>", "=1+1"), regions=("a,b=c]", "ö"), layers=(layer("/x[0]/=,"), layer("b,a"))
    ),
}
PROMISED = {
    "failure_rate", "wrong_label_rate", "unbiased_rate", "selection_rate", "false_positive_rate", "false_negative_rate",
    "true_positive_rate", "true_negative_rate", "confidence", "brier_score", "activation_strength", "relevance_mass",
    "relevance_rank", "pointing_game", "region_iou", "attention_iou", "lift", "entropy", "spread", "center_x",
    "center_y", "class_overlap", "evidence_for", "evidence_against", "brightness", "contrast", "sharpness", "pixels",
}  # fmt: skip
FAMILIES = {"rates", "scores", "activations", "focus", "quality"}

everywhere = pytest.mark.parametrize("known", CONTEXTS.values(), ids=CONTEXTS.keys())


def fields(measure: Measure) -> dict[str, str]:
    return {f: getattr(measure, f) for f in ("title", "unit", "definition", "formula", "source")}


def test_the_folder_is_the_registry() -> None:
    assert set(MEASURES.names()) >= {"activation_strength", "focus", "quality", "rates", "scores"}


@everywhere
def test_every_promised_name_is_planned_or_skipped(known: Context) -> None:
    measures, skipped = plan(known)

    assert {m.name for m in measures} | {s.measure for s in skipped} >= PROMISED


@everywhere
def test_a_name_is_not_both_planned_and_skipped(known: Context) -> None:
    measures, skipped = plan(known)

    assert {m.column for m in measures} & {s.measure for s in skipped} == set()


@everywhere
def test_columns_are_unique(known: Context) -> None:
    columns = [m.column for m in plan(known)[0]]

    assert sorted(set(columns)) == sorted(columns)


@everywhere
def test_every_field_that_the_report_prints_is_filled(known: Context) -> None:
    wanting = [(m.column, f) for m in plan(known)[0] for f, text in fields(m).items() if not text.strip()]

    assert wanting == []


@everywhere
def test_texts_fit_the_report(known: Context) -> None:
    long = [(m.name, f) for m in plan(known)[0] for f, text in fields(m).items() if len(text) > 900]

    assert long == []


@everywhere
def test_definitions_are_sentences(known: Context) -> None:
    odd = {m.name for m in plan(known)[0] if not (m.definition[0].isupper() and m.definition.endswith("."))}

    assert odd == set()


@everywhere
def test_families_and_directions_are_known_words(known: Context) -> None:
    odd = [m.name for m in plan(known)[0] if m.family not in FAMILIES or m.better not in ("lower", "higher", "none")]

    assert odd == []


@everywhere
def test_a_measurement_reads_the_same_whatever_its_parameters(known: Context) -> None:
    """The report prints one definition a name: the first."""
    said: dict[str, set[tuple[str, ...]]] = {}
    for measure in plan(known)[0]:
        said.setdefault(measure.name, set()).add(tuple(fields(measure).values()))

    assert [name for name, texts in said.items() if len(texts) > 1] == []


@everywhere
def test_skipped_measures_say_why(known: Context) -> None:
    skipped = plan(known)[1]

    assert all(isinstance(s, Skipped) and s.reason.strip() for s in skipped)


@everywhere
@pytest.mark.parametrize("batch", [0, 1, 40])
def test_values_are_float64_one_an_image_and_never_infinite(known: Context, batch: int) -> None:
    observed = some(known, batch)
    for measure in plan(known)[0]:
        found = measure.compute(observed)

        assert (found.dtype.name, found.shape) == ("float64", (batch,)), measure.column
        assert not np.isinf(found).any(), measure.column


@everywhere
def test_proportions_are_0_1_or_missing(known: Context) -> None:
    observed = some(known, 60)
    found = {m.column: m.compute(observed) for m in plan(known)[0] if m.proportion}

    assert all(set(v[~np.isnan(v)]) <= {0.0, 1.0} for v in found.values())


@everywhere
def test_values_are_what_non_negative_says(known: Context) -> None:
    observed = some(known, 60)

    assert [m.column for m in plan(known)[0] if m.non_negative and (m.compute(observed) < 0).any()] == []


@everywhere
def test_an_image_has_the_same_values_in_any_batch(known: Context) -> None:
    """Nothing leaks from one image to the next, whatever the batch size."""
    whole = some(known, 12, seed=3)
    measures = plan(known)[0]
    together = np.column_stack([m.compute(whole) for m in measures])
    alone = []
    for i in range(12):
        part = type(whole)(
            labels=whole.labels[i : i + 1],
            decisions=whole.decisions[i : i + 1],
            scores=whole.scores[i : i + 1],
            strengths={k: v[i : i + 1] for k, v in whole.strengths.items()},
            maps={k: v[i : i + 1] for k, v in whole.maps.items()},
            regions={k: v[i : i + 1] for k, v in whole.regions.items()},
            quality={k: v[i : i + 1] for k, v in whole.quality.items()},
            rivals={k: v[i : i + 1] for k, v in whole.rivals.items()},
            evidence=whole.evidence[i : i + 1] if whole.evidence is not None else None,
        )
        alone.append([m.compute(part)[0] for m in measures])

    np.testing.assert_allclose(np.array(alone), together, rtol=1e-5, atol=1e-6)


@everywhere
def test_measuring_changes_nothing_that_was_seen(known: Context) -> None:
    observed, untouched = some(known, 20), some(known, 20)
    for measure in plan(known)[0]:
        measure.compute(observed)

    for name in ("strengths", "maps", "regions", "quality"):
        for key, array in getattr(untouched, name).items():
            np.testing.assert_array_equal(getattr(observed, name)[key], array)


@everywhere
def test_the_plan_can_be_sent_to_another_process(known: Context) -> None:
    measures = plan(known)[0]
    sent = pickle.loads(pickle.dumps(measures))
    observed = some(known, 10)

    for here, there in zip(measures, sent, strict=True):
        np.testing.assert_array_equal(here.compute(observed), there.compute(observed))


@everywhere
def test_the_first_of_a_focus_measure_is_the_predicted_class_over_all_decisions(known: Context) -> None:
    first: dict[str, Measure] = {}
    for measure in plan(known)[0]:
        if measure.family == "focus":
            first.setdefault(measure.name, measure)

    assert all((m.parameters["target"], m.parameters["decisions"]) == ("predicted", "all") for m in first.values())


def test_focus_parameters_are_exactly_the_promised_ones() -> None:
    focus = [m for m in plan(context())[0] if m.family == "focus"]
    by_region = {"cam", "region", "target", "decisions"}
    alone = {"entropy", "spread", "center_x", "center_y", "class_overlap"}
    variants: dict[str, set[tuple[str, str]]] = {}
    for m in focus:
        variants.setdefault(m.name, set()).add((m.parameters["target"], m.parameters["decisions"]))

    assert all(set(m.parameters) == by_region - ({"region"} if m.name in alone else set()) for m in focus)
    for name, found in variants.items():
        assert found == {(t, d) for t in (TARGETS[:1] if "evidence" in name else TARGETS) for d in DECISIONS}
