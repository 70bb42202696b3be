"""Batches as the measures see them, and contexts to plan with."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.measures import QUALITY, TARGETS, Context, Measure, Observed, plan
from audit.runtimes import REDUCTIONS, Layer


def layer(name: str, *, non_negative: bool = True, depth: float = 0.5) -> Layer:
    return Layer(name=name, kind="relu", shape=(4, 7, 7), depth=depth, convolution=True, non_negative=non_negative)


def context(**changed: Any) -> Context:
    """Everything can be had: two layers, two regions, a CAM and a positive class."""
    full: dict[str, Any] = {
        "label": "gender",
        "classes": ("female", "male"),
        "positive": 0,
        "layers": (layer("early"), layer("late", non_negative=False)),
        "layers_missing": None,
        "regions": ("eyes", "mouth"),
        "cam": "gradcam",
        "cam_missing": None,
    }
    return Context(**{**full, **changed})


def seen(batch: int | None = None, **fields: Any) -> Observed:
    """A batch with only what a test is about; the rest is there and says nothing."""
    size = batch if batch is not None else len(next(itertools.chain(_arrays(fields), [()])))
    nothing: dict[str, Any] = {
        "labels": np.full(size, -1),
        "decisions": np.full(size, -1),
        "scores": np.full((size, 2), np.nan),
        "strengths": {},
        "maps": {},
        "regions": {},
        "quality": {},
    }
    return Observed(**{**nothing, **fields})


def _arrays(fields: Mapping[str, Any]) -> list[Any]:
    return [a for f in fields.values() for a in (f.values() if isinstance(f, dict) else [f])]


def some(context: Context, batch: int, *, seed: int = 0, side: int = 7, grid: int = 28) -> Observed:
    """A random batch with gaps of every kind: missing labels, no answers, maps and regions that are not there."""
    random = np.random.default_rng(seed)
    classes = len(context.classes)
    labels = random.integers(-1, classes, batch)
    decisions = random.integers(-1, classes, batch)
    scores = random.dirichlet(np.ones(classes), batch)
    scores[decisions < 0] = np.nan
    targets = dict(zip(TARGETS, (decisions, labels), strict=True))
    maps = {}
    for target in TARGETS if context.cam else ():
        made = np.maximum(random.normal(size=(batch, side, side)), 0).astype(np.float32)
        made[targets[target] < 0] = np.nan
        made[random.random(batch) < 0.1] = 0
        maps[target] = made
    regions = {}
    for name in context.regions:
        mask = random.random((batch, grid, grid), dtype=np.float32) * (random.random((batch, 1, 1)) > 0.1)
        mask[random.random(batch) < 0.1] = np.nan
        regions[name] = mask.astype(np.float32)
    rivals = {name: made[:, ::-1] for name, made in maps.items()}
    evidence = random.normal(size=(batch, side, side)).astype(np.float32)
    evidence[decisions < 0] = np.nan
    strengths = {(la.name, r): random.gamma(3.0, size=batch) for la in context.layers for r in REDUCTIONS}
    return Observed(
        labels=labels,
        decisions=decisions,
        scores=scores,
        strengths=strengths,
        maps=maps,
        regions=regions,
        quality={name: random.random(batch) for name in QUALITY},
        rivals=rivals,
        evidence=evidence if context.evidence_missing is None else None,
    )


def find(context: Context, name: str, **parameters: str) -> Measure:
    """The first planned measure of this name with these parameters among its own."""
    measures, _ = plan(context)
    return next(m for m in measures if m.name == name and parameters.items() <= dict(m.parameters).items())


def values(context: Context, observed: Observed, name: str, **parameters: str) -> list[float]:
    return [float(v) for v in find(context, name, **parameters).compute(observed)]


def block(side: int, rows: slice, columns: slice) -> NDArray[np.float32]:
    """1 in a rectangle of a square grid, 0 elsewhere."""
    cells = np.zeros((side, side), dtype=np.float32)
    cells[rows, columns] = 1
    return cells


def stack(*maps: NDArray[Any] | Sequence[Sequence[float]]) -> NDArray[np.float32]:
    return np.stack([np.asarray(m, dtype=np.float32) for m in maps])
