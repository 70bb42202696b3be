"""Audit results made by hand, as a run would leave them: for the reports, which never see a model."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audit.groups import make_groupings, subject_codes
from audit.result import (
    Attributes,
    AuditResult,
    DifferenceMap,
    Disparity,
    Estimate,
    Family,
    GroupEstimate,
    MeanMap,
    Measurement,
    Pair,
    Skipped,
    Stratum,
    Trust,
    TrustCurves,
    TrustLevel,
    Within,
)
from audit.summary import Options, summarise
from audit.trust.deletion import Parts
from audit.trust.verdict import judged
from tests.support.figures import a_measure, a_table

LAYERS = ("/conv1/Relu", "/block1/Relu", "/block2/Relu", "/block3/Relu", "/block4/Relu", "/head/Relu")
REDUCTIONS = ("max_of_channel_mean", "mean_of_channel_max", "mean")
REGIONS = ("face", "eyes", "mouth", "hair")
Z, ZS = 1.96, 2.75  # one comparison; many at once
FEWEST = 30
HEADLINE = ("failure_rate", "wrong_label_rate")

# women and men are wrong alike, black women are not: (images, wrong)
FACES = {
    ("female", "asian"): (190, 12),
    ("female", "black"): (180, 35),
    ("female", "white"): (204, 11),
    ("male", "asian"): (196, 25),
    ("male", "black"): (206, 7),
    ("male", "white"): (194, 30),
    ("female", None): (12, 2),
    ("male", "indian"): (14, 1),
}


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one cell of the probe set gave: mean and standard deviation of a value over n images."""

    n: int
    mean: float
    sd: float | None = None  # None: a proportion


def measurement(
    measure: str,
    cells: Mapping[tuple[str | None, ...], Seen],
    names: Sequence[str],
    *,
    intersections: Sequence[tuple[str, ...]] = (),
    **fields: Any,
) -> Measurement:
    """A measurement over cells of the crossed attributes `names`, for each attribute and the given intersections."""
    groups: list[GroupEstimate] = []
    disparities: list[Disparity] = []
    pairs: list[Pair] = []
    for attribute in [*((n,) for n in names), *intersections]:
        places = [names.index(a) for a in attribute]
        keys = dict.fromkeys(tuple(k[p] for p in places) for k in cells)
        made = [
            _group(
                dict(zip(attribute, key, strict=True)),
                [s for k, s in cells.items() if tuple(k[p] for p in places) == key],
            )
            for key in keys
        ]
        groups += made
        disparities += _disparities("*".join(attribute), made, fields.get("better", "lower"))
        pairs += _pairs("*".join(attribute), made)
    plain = {
        "title": measure.replace("_", " ").capitalize(),
        "parameters": {},
        "family": "rates",
        "unit": "proportion",
        "better": "lower",
        "definition": f"What {measure} is, in a sentence.",
        "formula": "sum of x / n",
        "source": "Written for the tests",
        "diagnostic": False,
    }
    overall = _group({}, list(cells.values()))
    return Measurement(
        measure=measure,
        **{**plain, **fields},
        overall=Estimate(**{f: getattr(overall, f) for f in ("value", "low", "high", "n", "subjects")}),
        by_group=tuple(groups),
        disparities=tuple(disparities),
        pairs=tuple(pairs),
    )


def faces() -> AuditResult:
    """Gender by race, with a gap that only the intersection shows, in rates, activations and focus."""
    rates = _face_rates(FACES)
    activations = [_strength(layer, place, reduction) for place, layer in enumerate(LAYERS) for reduction in REDUCTIONS]
    focus = [_focus(measure, region) for measure in ("relevance_mass", "lift") for region in REGIONS]
    quality = [
        _quality(*row) for row in (("brightness", "level", 130), ("contrast", "level", 45), ("pixels", "px", 1e5))
    ]
    base = _result(
        measurements=(*rates, *activations, *focus, *quality),
        names=("gender", "race"),
        cells={k: n for k, (n, _) in FACES.items()},
        intersections=[("gender", "race")],
    )
    skips = (
        Skipped(measure="selection_rate", reason="no positive class is named; say --positive CLASS"),
        *(
            Skipped(measure="relevance_mass", parameters={"region": r}, reason="no picture has this region")
            for r in ("brows", "jaw", "nose", "background")
        ),
    )
    notes = (
        "Nothing says how to feed the model: pixels were scaled to 0..1, and the labels taken in alphabetical order.",
    )
    model = {**base.model, **_layers()}
    return dataclasses.replace(
        base, skipped=skips, notes=notes, mean_maps=_maps(), difference_maps=_differences(), trust=trust(), model=model
    )


def trust(same: float = 0.16, deletion: float = 0.081, insertion: float = 0.092, *, wide: float = 0.05) -> Trust:
    """Maps that were checked: likeness with all weights drawn anew, and gains over a random order."""

    def estimate(value: float) -> Estimate:
        return Estimate(value=value, low=value - wide, high=value + wide, n=32, subjects=32)

    levels = [(1, 0.33), (16, (0.33 + same) / 2), (31, same)]
    return judged(
        tuple(
            TrustLevel(layers=n, of=31, draws=8, likeness=estimate(value), correlation=estimate(value / 4), blank=0)
            for n, value in levels
        ),
        Parts(
            deletion=estimate(deletion),
            insertion=estimate(insertion),
            curves=TrustCurves(
                shares=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
                deletion=(0.91, 0.72, 0.62, 0.49, 0.43, 0.44),
                insertion=(0.44, 0.58, 0.78, 0.82, 0.85, 0.91),
                random=(0.91, 0.77, 0.71, 0.6, 0.49, 0.44),
            ),
        ),
        cam="cam",
        images=32,
        cells=49,
    )


def equal_faces() -> AuditResult:
    """The same probe set and a model that is wrong alike about everybody: nothing planted."""
    cells = {k: (n, round(n * 0.1)) for k, (n, _) in FACES.items()}
    return _result(
        measurements=tuple(_face_rates(cells)),
        names=("gender", "race"),
        cells={k: n for k, (n, _) in cells.items()},
        intersections=[("gender", "race")],
    )


def fifteen(lower: float = 0.5, seed: int = 0) -> AuditResult:
    """Five pictures of five people of each race, through the audit's own figures; black people move the last layer
    less by the share `lower`."""
    races, genders = ["asian"] * 5 + ["black"] * 5 + ["white"] * 5, ["female", "male", "male"] * 5
    rng = np.random.default_rng(seed)
    measures, columns = [a_measure(title="Wrong-gender rate")], [(np.arange(15) % 7 == 0).astype(float)]
    for name, reduction in itertools.product(LAYERS, REDUCTIONS):
        measures.append(
            a_measure(
                "activation_strength", title="Activation strength", family="activations", unit="activation",
                better="none", proportion=False, parameters={"layer": name, "reduction": reduction},
            )
        )  # fmt: skip
        weak = lower if name == LAYERS[-1] else 0.0
        columns.append(rng.normal(1, 0.15, 15).clip(0.2) * np.where(np.array(races) == "black", 1 - weak, 1.0))
    measures.append(a_measure("brightness", title="Brightness", family="quality", better="none", proportion=False))
    columns.append(rng.normal(120, 20, 15))
    table = a_table(gender=genders, race=races)
    groupings = make_groupings(table, (("gender",), ("race",)))
    found, skipped = summarise(
        np.stack(columns, axis=1), measures, groupings, subject_codes(table), "gender", Options()
    )
    cells = {
        (g, r): sum(pair == (g, r) for pair in zip(genders, races, strict=True)) for g in set(genders) for r in races
    }
    base = _result(measurements=found, names=("gender", "race"), cells=cells)
    return dataclasses.replace(base, skipped=skipped, model={**base.model, **_layers()})


def digits() -> AuditResult:
    """Ten classes, three colors; one color is misread more often."""
    wrong = {"red": 0.012, "green": 0.01, "blue": 0.05}
    cells = {(str(d), c): Seen(100, wrong[c]) for d in range(10) for c in wrong}
    measured = measurement("wrong_label_rate", cells, ("digit", "color"), title="Wrong-label rate")
    base = _result(
        measurements=(measured,),
        names=("digit", "color"),
        cells={k: s.n for k, s in cells.items()},
        label="digit",
        classes=[str(d) for d in range(10)],
    )
    return dataclasses.replace(base, model={**base.model, "file": "digits.onnx"})


def bare() -> AuditResult:
    """Nothing but one rate without groups, and a record as short as it can be."""
    overall = Estimate(value=0.0, low=0.0, high=0.04, n=90, subjects=90)
    measured = measurement("wrong_label_rate", {("a",): Seen(90, 0.0)}, ("kind",))
    plain = dataclasses.replace(measured, overall=overall, by_group=(), disparities=(), pairs=())
    return AuditResult(
        model={"file": "m.onnx"}, probe={}, settings={}, measurements=(plain,), skipped=(), tool={}, run={}
    )


HOSTILE = (
    "<script>alert(1)</script>",
    "=1+1",
    "日本\u202e語",
    "a\x07b\x00c",
    '$x_1$ #image("/etc/passwd") | *b* [c](d)',
    "\udcff",
)


def hostile() -> AuditResult:
    """Names that would be markup, formulas, control characters or undrawable, wherever a name can stand."""
    cells = {(name, other): Seen(60, 0.1 + 0.1 * place) for place, name in enumerate(HOSTILE) for other in ("-2", "@x")}
    names = ("<b>kind</b>", "=cmd|' /C calc'!A0")
    measured = measurement(
        "wrong_label_rate", cells, names, title="<img src=x onerror=alert(1)>", definition=HOSTILE[0]
    )
    strengths = [
        measurement(
            "activation_strength",
            {k: Seen(s.n, 1 - s.mean, 0.2) for k, s in cells.items()},
            names,
            family="activations",
            unit="level",
            better="none",
            parameters={"layer": name, "reduction": "mean"},
        )
        for name in HOSTILE[:3]
    ]
    base = _result(
        measurements=(measured, *strengths),
        names=names,
        cells={k: s.n for k, s in cells.items()},
        label=names[0],
        classes=list(HOSTILE),
    )
    model = {**base.model, "file": f"{HOSTILE[0]}.onnx", "facts": {HOSTILE[3]: HOSTILE[4]}}
    skips = (Skipped(measure=HOSTILE[1], reason=HOSTILE[0], parameters={HOSTILE[2]: HOSTILE[3]}),)
    return dataclasses.replace(base, model=model, skipped=skips, notes=HOSTILE)


def verdict() -> dict[str, Any]:
    """A verdict block with a rule of each kind of outcome."""
    rule = {
        "measure": "wrong_label_rate",
        "title": "Wrong-gender rate",
        "parameters": {},
        "attribute": "race",
        "kind": "difference",
        "min": None,
        "max": 0.05,
        "value": 0.02,
        "low": 0.0,
        "high": 0.04,
        "basis": "engineering",
        "reason": "release requirement",
    }
    return {
        "status": "fail",
        "rules": [
            {**rule, "id": "gap-by-race", "status": "pass", "explanation": "The whole interval is within the bound."},
            {**rule, "id": "gap-crossed", "attribute": "gender*race", "status": "fail", "value": 0.16, "low": 0.07,
             "high": 0.22, "explanation": "The whole interval is beyond 0.05."},
            {**rule, "id": "overall", "attribute": None, "kind": "value", "status": "inconclusive", "value": 0.1,
             "low": 0.04, "high": 0.12, "explanation": "About 900 subjects would settle it."},
            {**rule, "id": "auc", "measure": "auc", "status": "not judged", "value": None, "low": None, "high": None,
             "explanation": "auc is not in the record."},
        ],
    }  # fmt: skip


def adjusted(result: AuditResult) -> AuditResult:
    """The same with adjusted p and families: Holm for the two headline rates, Benjamini-Hochberg within the others."""
    families: list[Family] = []
    new: dict[tuple[str, tuple[str, str]], float] = {}
    for name in dict.fromkeys(map(_family, result.measurements)):
        members = [m for m in result.measurements if _family(m) == name]
        rows = [(m.column, d) for m in members for d in (*m.disparities, *m.within) if d.kind == "difference"]
        tests = [(column, _compared(d), d.p_value) for column, d in rows if d.p_value is not None]
        order = sorted(range(len(tests)), key=lambda k: tests[k][2])
        held = 0.0
        for place, k in enumerate(order):
            held = max(held, min(1.0, (len(tests) - place) * tests[k][2]))
            new[tests[k][:2]] = held
        if name != "headline":
            held = 1.0
            for place in range(len(order), 0, -1):
                held = min(held, len(tests) / place * tests[order[place - 1]][2])
                new[tests[order[place - 1]][:2]] = held
        if tests:
            method = "Holm" if name == "headline" else "Benjamini-Hochberg"
            measures = tuple(dict.fromkeys(m.measure for m in members))
            families.append(Family(name=name, method=method, measures=measures, size=len(tests)))
    measured = tuple(
        dataclasses.replace(
            m,
            disparities=tuple(
                dataclasses.replace(d, p_adjusted=new.get((m.column, _compared(d)))) for d in m.disparities
            ),
            within=tuple(dataclasses.replace(w, p_adjusted=new.get((m.column, _compared(w)))) for w in m.within),
        )
        for m in result.measurements
    )
    return dataclasses.replace(result, measurements=measured, families=tuple(families))


def _family(measurement: Measurement) -> str:
    return "headline" if measurement.measure in HEADLINE else measurement.family


def _compared(row: Disparity | Within) -> tuple[str, str]:
    return (row.attribute, row.by if isinstance(row, Within) else "")


def _face_rates(cells: Mapping[tuple[str | None, ...], tuple[int, int]]) -> list[Measurement]:
    wrong = {k: Seen(n, w / n) for k, (n, w) in cells.items()}
    right = {k: Seen(s.n, 1 - s.mean) for k, s in wrong.items()}
    crossed = {"intersections": [("gender", "race")]}
    none = {k: Seen(s.n, 0.0) for k, s in wrong.items()}
    sure = {k: Seen(s.n, 0.9 - s.mean / 2, 0.1) for k, s in wrong.items()}
    names = ("gender", "race")
    return [
        measurement("failure_rate", none, names, **crossed),
        dataclasses.replace(
            measurement("wrong_label_rate", wrong, names, title="Wrong-gender rate", **crossed),
            within=(gender_within_race(cells),),
        ),
        measurement("unbiased_rate", right, names, better="higher", **crossed),
        measurement("confidence", sure, names, family="scores", better="none", **crossed),
        measurement("brier_score", wrong, names, family="scores", **crossed),
    ]


def _strength(layer: str, place: int, reduction: str) -> Measurement:
    scale = {"max_of_channel_mean": 1.0, "mean_of_channel_max": 2.8, "mean": 0.2}[reduction]
    fade = place / (len(LAYERS) - 1)

    def level(key: tuple[str | None, ...]) -> float:
        return 1 - (0.3 * fade if key == ("female", "black") else 0.1 * fade if key[0] == "female" else 0.02 * place)

    return _continuous(
        "activation_strength", lambda k: Seen(FACES[k][0], scale * level(k), 0.15 * scale), "activations", "level",
        {"layer": layer, "reduction": reduction},
    )  # fmt: skip


def _focus(measure: str, region: str) -> Measurement:
    share = {"face": 0.7, "eyes": 0.2, "mouth": 0.15, "hair": 0.12}[region]
    over = 1.0 if measure == "relevance_mass" else 1 / 0.4

    def level(key: tuple[str | None, ...]) -> float:
        return share * over * (0.75 if key == ("female", "black") and region == "face" else 1.0)

    parameters = {"cam": "cam", "region": region, "target": "predicted", "decisions": "all"}
    unit = "share" if measure == "relevance_mass" else "ratio"
    return _continuous(measure, lambda k: Seen(FACES[k][0], level(k), 0.15 * over), "focus", unit, parameters)


def _quality(measure: str, unit: str, middle: float) -> Measurement:
    def level(key: tuple[str | None, ...]) -> float:
        return middle * (0.8 if key[1] == "black" and measure == "brightness" else 1.0)

    return _continuous(measure, lambda k: Seen(FACES[k][0], level(k), 0.2 * middle), "quality", unit, {})


def _continuous(
    measure: str,
    seen: Callable[[tuple[str | None, ...]], Seen],
    family: str,
    unit: str,
    parameters: Mapping[str, str],
) -> Measurement:
    return measurement(
        measure,
        {k: seen(k) for k in FACES},
        ("gender", "race"),
        intersections=[("gender", "race")],
        family=family,
        unit=unit,
        better="none",
        parameters=dict(parameters),
        diagnostic=True,
    )


def _maps(size: int = 7) -> tuple[MeanMap, ...]:
    """A bump in the middle; for black women it lies higher up."""
    grid = np.arange(size)

    def bump(row: float) -> np.ndarray:
        spread = np.exp(-((grid[:, None] - row) ** 2 + (grid[None, :] - 3) ** 2) / 4)
        return spread / spread.sum()

    made = []
    for attribute in (("gender",), ("race",), ("gender", "race")):
        places = [("gender", "race").index(a) for a in attribute]
        keys = list(dict.fromkeys(tuple(k[p] for p in places) for k in FACES))
        sums, counts = np.zeros((len(keys), 3, size, size)), np.zeros((len(keys), 3), dtype=np.int64)
        for cell, (n, wrong) in FACES.items():
            at = keys.index(tuple(cell[p] for p in places))
            parts = np.array([wrong, n - wrong, 0])
            counts[at] += parts
            sums[at] += parts[:, None, None] * bump(1.5 if cell == ("female", "black") else 3)
        groups = tuple(dict(zip(attribute, k, strict=True)) for k in keys)
        made.append(
            MeanMap(
                cam="cam", target="predicted", attribute="*".join(attribute), groups=groups, sums=sums, counts=counts
            )
        )
    return tuple(made)


def _differences() -> tuple[DifferenceMap, ...]:
    """As a run would have it of `_maps`: black women's maps differ, from those of other women, above and below."""
    made = []
    for maps in _maps():
        crossed = "*" in maps.attribute
        known = [g for g, key in enumerate(maps.groups) if None not in key.values()]
        enough = [g for g in known if maps.counts[g].sum() >= FEWEST]
        for g in known:
            key = maps.groups[g]
            others = [o for o in enough if o != g and (not crossed or maps.groups[o]["gender"] == key["gender"])]
            mean, rest = maps.mean(g), maps.sums[others].sum(axis=(0, 1)) / maps.counts[others].sum()
            assert mean is not None
            tested = g in enough
            p_cells = np.where(np.abs(mean - rest) > 0.012, 1 / 2001, 0.5)
            p = float(p_cells.min())
            n, rest_n = int(maps.counts[g].sum()), int(maps.counts[others].sum())
            made.append(
                DifferenceMap(
                    cam="cam",
                    target="predicted",
                    attribute=maps.attribute,
                    group=key,
                    against="same label" if crossed else "others",
                    n=n,
                    subjects=n,
                    rest_n=rest_n,
                    rest_subjects=rest_n,
                    indicative=not tested,
                    p_value=p if tested else None,
                    p_adjusted=min(1.0, 3 * p) if tested else None,
                    mean=mean,
                    rest=rest,
                    p_cells=p_cells if tested else None,
                )
            )
    return tuple(made)


def _layers() -> dict[str, Any]:
    return {
        "layers": [
            {"name": name, "shape": [2 ** (4 + place), 56 >> place, 56 >> place], "depth": (place + 1) / 7,
             "tapped": True, "clipped_at_zero": place == 5}
            for place, name in enumerate(LAYERS)
        ]
    }  # fmt: skip


def _result(
    *,
    measurements: tuple[Measurement, ...],
    names: Sequence[str],
    cells: Mapping[tuple[str | None, ...], int],
    intersections: Sequence[tuple[str, ...]] = (),
    label: str | None = None,
    classes: Sequence[str] = ("female", "male"),
) -> AuditResult:
    images = sum(cells.values())
    counted = []
    for attribute in [*((n,) for n in names), *intersections]:
        places = [names.index(a) for a in attribute]
        for key in dict.fromkeys(tuple(k[p] for p in places) for k in cells):
            n = sum(c for k, c in cells.items() if tuple(k[p] for p in places) == key)
            counted.append({"attributes": dict(zip(attribute, key, strict=True)), "images": n, "subjects": n - n // 50})
    made = AuditResult(
        model={
            "file": "gender.onnx",
            "sha256": "5f" * 32,
            "format": "onnx",
            "task": "classification",
            "classes": list(classes),
            "input": {
                "size": [112, 112],
                "color": "rgb",
                "scale": 255.0,
                "mean": [0.0, 0.0, 0.0],
                "std": [1.0, 1.0, 1.0],
            },
            "facts": {"share_female": 0.5},
            "layers": [],
        },
        probe={
            "manifest_sha256": "a1" * 32,
            "images_sha256": "b2" * 32,
            "images": images,
            "unreadable": 3,
            "subjects": images - images // 50,
            "label": label or names[0],
            "attributes": list(names),
            "cells": counted,
        },
        settings={"alpha": 0.05, "min_subjects": FEWEST, "seed": 0},
        measurements=measurements,
        skipped=(),
        tool={"name": "bias-audit", "version": "0.1.0"},
        run={
            "started": "2026-03-04T05:06:07+00:00",
            "seconds": 12.3,
            "images_per_second": 96.7,
            "device": "cpu",
            "provider": "CPUExecutionProvider",
            "versions": {"numpy": "2.4.0"},
        },
        files={"records.parquet": "sha256 " + "c3" * 32},
    )
    return adjusted(made)


def gender_within_race(cells: Mapping[tuple[str | None, ...], tuple[int, int]] = FACES) -> Within:
    """Women against men among the people of each race with enough of both, and over these races together."""
    strata: list[Stratum] = []
    total, weights = 0.0, 0.0
    for race in dict.fromkeys(key[1] for key in cells):
        both = [cells.get((gender, race)) for gender in ("female", "male")]
        if race is None or any(cell is None or cell[0] < FEWEST for cell in both):
            continue
        (n, x), (m, y) = (cell for cell in both if cell is not None)
        gap = x / n - y / m
        error = math.sqrt(x / n * (1 - x / n) / n + y / m * (1 - y / m) / m)
        women, men = {"gender": "female"}, {"gender": "male"}
        strata.append(
            Stratum(
                attributes={"race": race},
                value=abs(gap),
                low=max(0.0, abs(gap) - ZS * error),
                high=abs(gap) + Z * error,
                p_value=_p(gap, error),
                worst=women if gap > 0 else men,
                best=men if gap > 0 else women,
                n=n + m,
                subjects=n + m - (n + m) // 50,
            )
        )
        weight = n * m / (n + m)
        total, weights = total + weight * gap, weights + weight
    gap, error = total / weights, math.sqrt(0.1 * 0.9 / weights)
    used = sum(s.n for s in strata)
    return Within(
        attribute="gender",
        by="race",
        kind="difference",
        value=abs(gap),
        low=max(0.0, abs(gap) - ZS * error),
        high=abs(gap) + Z * error,
        worst=strata[0].worst,
        best=strata[0].best,
        comparable=used / sum(n for (_, race), (n, _) in cells.items() if race is not None),
        strata=tuple(strata),
        left_out=({"race": "indian"},),
        p_value=_p(gap, error),
        p_method="closed form",
    )


def _group(attributes: Attributes, seen: Sequence[Seen]) -> GroupEstimate:
    n = sum(s.n for s in seen)
    mean = sum(s.n * s.mean for s in seen) / n
    error = _error(mean, n, seen[0].sd)
    low, high = mean - Z * error, mean + Z * error
    if seen[0].sd is None:
        middle, width = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n), Z / (1 + Z**2 / n)
        width *= math.sqrt(mean * (1 - mean) / n + Z**2 / (4 * n**2))
        low, high = max(0.0, middle - width), min(1.0, middle + width)
    subjects = n - n // 50
    return GroupEstimate(
        attributes=attributes, value=mean, low=low, high=high, n=n, subjects=subjects, indicative=subjects < FEWEST
    )


def _error(mean: float, n: int, sd: float | None) -> float:
    return math.sqrt((mean * (1 - mean) + 0.25 / n) / n) if sd is None else sd / math.sqrt(n)


def _half(group: GroupEstimate) -> float:
    return (group.high - group.low) / 2 / Z  # type: ignore[operator]


def _firm(groups: Iterable[GroupEstimate]) -> list[GroupEstimate]:
    return [g for g in groups if not g.indicative and None not in g.attributes.values()]


def _disparities(attribute: str, groups: Sequence[GroupEstimate], better: str) -> list[Disparity]:
    firm = _firm(groups)
    used = firm if len(firm) > 1 else [g for g in groups if None not in g.attributes.values()]
    if len(used) < 2:
        return []
    small, large = min(used, key=lambda g: g.value or 0.0), max(used, key=lambda g: g.value or 0.0)
    gap, error = large.value - small.value, math.hypot(_half(small), _half(large))  # type: ignore[operator]
    tested = len(firm) > 1
    shared = {
        "attribute": attribute,
        "worst": (small if better == "higher" else large).attributes,
        "best": (large if better == "higher" else small).attributes,
        "left_out": tuple(g.attributes for g in groups if g.indicative and None not in g.attributes.values()),
        "descriptive": not tested,
        "p_value": _p(gap, error) if tested else None,
        "p_method": "closed form" if tested else None,
    }
    plain = Disparity(kind="difference", value=gap, low=max(0.0, gap - ZS * error), high=gap + Z * error, **shared)
    if not small.value or not large.value:
        note = None if large.value else "both are zero"
        return [
            plain,
            Disparity(kind="ratio", value=0.0 if large.value else None, low=0.0, high=1.0, note=note, **shared),
        ]
    ratio = small.value / large.value
    spread = math.hypot(_half(small) / small.value, _half(large) / large.value)
    low, high = ratio * math.exp(-Z * spread), min(1.0, ratio * math.exp(ZS * spread))
    return [
        plain,
        Disparity(kind="ratio", value=ratio, low=low, high=high, **shared),
        *(Disparity(kind=kind, **numbers, **shared) for kind, numbers in _overall_kinds(used, spread)),
    ]


def _overall_kinds(groups: Sequence[GroupEstimate], spread: float) -> Iterator[tuple[str, dict[str, float]]]:
    """Largest over geometric mean, and Gini, of the groups' values."""
    values = [g.value or 0.0 for g in groups]
    most = max(0.0, math.log(max(values)) - sum(map(math.log, values)) / len(values))
    low, high = max(0.0, most - ZS * spread / 2), most + ZS * spread / 2
    yield "max_geomean", {"value": math.exp(most), "low": math.exp(low), "high": math.exp(high)}
    apart = sum(abs(a - b) for a, b in itertools.combinations(values, 2)) / ((len(values) - 1) * sum(values))
    yield "gini", {"value": apart, "low": max(0.0, apart - ZS * spread / 4), "high": apart + ZS * spread / 4}


def _p(gap: float, error: float) -> float:
    """Under 0.05 exactly where the interval at `ZS` does not hold zero."""
    return math.erfc(abs(gap) / error * Z / ZS / math.sqrt(2)) if gap else 1.0


def _pairs(attribute: str, groups: Sequence[GroupEstimate]) -> list[Pair]:
    made = []
    for first, second in itertools.combinations(_firm(groups)[:12], 2):
        gap, error = first.value - second.value, ZS * math.hypot(_half(first), _half(second))  # type: ignore[operator]
        small, large = sorted((first.value or 0.0, second.value or 0.0))
        ratio = small / large if small else None
        spread = ZS * math.hypot(_half(first) / large, _half(second) / large) if large else 0.0
        made.append(
            Pair(
                attribute=attribute,
                first=first.attributes,
                second=second.attributes,
                difference=gap,
                difference_low=gap - error,
                difference_high=gap + error,
                ratio=ratio,
                ratio_low=ratio * math.exp(-spread) if ratio else None,
                ratio_high=min(1.0, ratio * math.exp(spread)) if ratio else None,
                p_value=_p(gap, error / ZS),
            )
        )
    return made
