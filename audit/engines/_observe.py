"""One batch through the model, the task, the CAM and the measures: everything big is dropped at the end of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engines import Plan, Shard
from audit.features import MAPS, Feature, small
from audit.measures import Observed
from audit.probes import Batch
from audit.result import MeanMap
from audit.runtimes import Capture
from audit.tasks import Outcome, class_numbers


def observe(plan: Plan, batch: Batch) -> Shard:
    """The records and tallies of one batch. Unreadable images get a row without a single value."""
    if len(batch.rows) == 0:
        return _assemble(plan, batch, None, np.empty((0, len(plan.measures))), (), ())
    capture = plan.model.run(batch.images, list(plan.probe.table["path"].to_numpy()[batch.rows]))
    outcome = _outcome(plan, capture)
    labels = class_numbers(plan.probe.table["label"].to_numpy()[batch.rows], plan.output.classes)
    asked = {"predicted": outcome.decisions, "true": labels}
    targets = {name: asked[name] for name in plan.targets}
    rivals = {name: _rivals(outcome.scores, own) for name, own in targets.items()} if plan.rivals else {}
    named = {f"rival of {name}": own for name, own in rivals.items()}
    every = _maps(plan, capture, batch.images, targets | named)
    maps = {name: every[name] for name in targets if every}
    observed = Observed(
        labels=labels,
        decisions=outcome.decisions,
        scores=outcome.scores,
        strengths=capture.strengths,
        maps=maps,
        regions=batch.regions,
        quality=batch.quality,
        rivals={name: every[f"rival of {name}"] for name in rivals if every},
        evidence=_evidence(plan, capture, batch.images, outcome.decisions),
    )
    values = np.empty((len(plan.measures), len(labels)))
    for place, measure in enumerate(plan.measures):
        values[place] = measure.compute(observed)
    shares = {t: _shares(own, batch.alignment) for t, own in maps.items()} if plan.mean_maps else {}
    tallies = _mean_maps(plan, batch, shares, _sides(labels, outcome.decisions))
    return _assemble(plan, batch, outcome, values.T, tallies, _features(plan, batch, shares))


def _outcome(plan: Plan, capture: Capture) -> Outcome:
    """What the task reads off the outputs; what a model says of itself stands before it."""
    read = plan.task.decide(capture.outputs, plan.output)
    decisions = read.decisions if capture.decisions is None else capture.decisions
    said = capture.reasons or (None,) * len(decisions)
    reasons = (
        None if d >= 0 else own or other for d, own, other in zip(decisions.tolist(), said, read.reasons, strict=True)
    )
    return Outcome(scores=read.scores, decisions=decisions, reasons=tuple(reasons))


def _maps(
    plan: Plan, capture: Capture, images: NDArray[Any], targets: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.float32]]:
    """Maps [B, h, w] for each of several targets, clipped at 0, NaN where an image has no such target."""
    if plan.mapper is None or capture.activation is None:
        return {}
    wanted, place = _columns(np.stack(list(targets.values())))
    made = [np.maximum(m, 0) for m in plan.mapper.maps_of(plan.model, capture, images, list(wanted))]
    maps: dict[str, NDArray[np.float32]] = {}
    for name, at in zip(targets, place, strict=True):
        if (at == at[:1]).all():
            maps[name] = made[int(at[0]) if len(at) else 0]
        else:
            maps[name] = np.stack(made)[at, np.arange(len(at))]
    return maps


def _columns(targets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Targets [T, B] as few columns [J, B], each image's classes once, and which column [T, B] is whose.

    Decisions are mostly right and two classes have but two maps, and a map can cost a pass.
    """
    every = np.arange(targets.shape[1])
    place, filled = np.zeros_like(targets), np.ones(targets.shape[1], dtype=np.int64)
    columns = [targets[0].copy()]
    for t in range(1, len(targets)):
        place[t] = filled
        for j, column in enumerate(columns):
            place[t][(column == targets[t]) & (j < filled)] = j
        new = place[t] == filled
        if (filled[new] == len(columns)).any():
            columns.append(targets[0].copy())
        for j in np.unique(filled[new]).tolist():
            here = every[new & (filled == j)]
            columns[j][here] = targets[t][here]
        filled = filled + new
    return np.stack(columns), place


def _rivals(scores: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The likeliest class beside each image's target, [B]; -1 where there is no target or no score."""
    known = (targets >= 0) & ~np.isnan(scores).any(axis=1)
    others = np.where(known[:, None], scores, 0.0)
    np.put_along_axis(others, np.maximum(targets, 0)[:, None], -np.inf, axis=1)
    return np.where(known, others.argmax(axis=1), -1)


def _evidence(plan: Plan, capture: Capture, images: NDArray[Any], decisions: NDArray[np.int64]) -> Any:
    if plan.evidence is None or capture.activation is None:
        return None
    return plan.evidence.maps(plan.model, capture, images, decisions)


def _sides(labels: NDArray[np.int64], decisions: NDArray[np.int64]) -> NDArray[np.int64]:
    """A mean map's second axis, [B]: wrong 0, right 1, neither 2."""
    return np.where((labels < 0) | (decisions < 0), 2, (labels == decisions).astype(np.int64))


def _shares(maps: NDArray[np.float32], alignment: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Each image's shares of relevance [B, h, w], faces lying over each other; NaN where there is no map."""
    seen = maps if alignment is None else _aligned(maps, alignment)
    total = seen.sum(axis=(1, 2), dtype=np.float64)
    counts = np.isfinite(total) & (total > 0)
    shares = np.full(seen.shape, np.nan)
    # Whole multiples of 2^-32 add up exactly in any order: batches and interruptions change no digit of a sum.
    shares[counts] = np.round(seen[counts].astype(np.float64) / total[counts, None, None] * 2.0**32) / 2.0**32
    return shares


def _features(plan: Plan, batch: Batch, shares: dict[str, NDArray[np.float64]]) -> tuple[Feature, ...]:
    """The maps of the predicted class of those images that are in the sample."""
    if "predicted" not in shares:
        return ()
    own = shares["predicted"]
    kept = np.isin(batch.rows, plan.sample) & np.isfinite(own).all(axis=(1, 2))
    return (Feature(name=MAPS, rows=batch.rows[kept], values=small(own[kept])),)


def _mean_maps(
    plan: Plan, batch: Batch, shares: dict[str, NDArray[np.float64]], sides: NDArray[np.int64]
) -> tuple[MeanMap, ...]:
    """Sums by group of each image's share of relevance, for every target and grouping."""
    tallies = []
    for target, own in shares.items():
        counts = np.isfinite(own).all(axis=(1, 2))
        side = sides[counts]
        for grouping in plan.groupings:
            group = grouping.codes[batch.rows[counts]]
            size = len(grouping.keys)
            sums = np.zeros((size, 3, *own.shape[1:]))
            number = np.zeros((size, 3), dtype=np.int64)
            np.add.at(sums, (group, side), own[counts])
            np.add.at(number, (group, side), 1)
            cam = plan.mapper.method.name if plan.mapper else ""
            tallies.append(
                MeanMap(cam=cam, target=target, attribute=grouping.name, groups=grouping.keys, sums=sums, counts=number)
            )
    return tuple(tallies)


def _aligned(maps: NDArray[np.float32], transforms: NDArray[np.float64]) -> NDArray[np.float32]:
    """Maps [B, h, w] seen in the aligned square, on as many cells: read off bilinearly at each cell's middle, 0 outside
    of the picture, NaN without landmarks."""
    count, height, width = maps.shape
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    square = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    place = np.nan_to_num(transforms, nan=-9.0) @ square * np.array([[width], [height]]) - 0.5  # [B, 2, cells]
    inside = ((place > -0.5) & (place < np.array([[width], [height]]) - 0.5)).all(axis=1)
    place = np.clip(place, 0, np.array([[width], [height]]) - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.array([[width], [height]]) - 1)
    part = place - low
    each = np.arange(count)[:, None]
    top = maps[each, low[:, 1], low[:, 0]] * (1 - part[:, 0]) + maps[each, low[:, 1], high[:, 0]] * part[:, 0]
    bottom = maps[each, high[:, 1], low[:, 0]] * (1 - part[:, 0]) + maps[each, high[:, 1], high[:, 0]] * part[:, 0]
    seen = np.where(inside, top * (1 - part[:, 1]) + bottom * part[:, 1], 0)
    seen[np.isnan(transforms).any(axis=(1, 2))] = np.nan
    return seen.reshape(count, height, width).astype(np.float32)


def _assemble(
    plan: Plan,
    batch: Batch,
    outcome: Outcome | None,
    values: NDArray[np.float64],
    tallies: tuple[MeanMap, ...],
    features: tuple[Feature, ...],
) -> Shard:
    unread = dict(batch.unreadable)
    rows = np.array(sorted([*batch.rows.tolist(), *unread]), dtype=np.int64)
    place = {int(row): i for i, row in enumerate(batch.rows)}
    at = np.array([place.get(int(row), -1) for row in rows], dtype=np.int64)
    seen = at >= 0

    classes = plan.output.classes
    decisions = np.full(len(rows), -1, dtype=np.int64)
    scores = np.full((len(rows), len(classes)), np.nan)
    spread = np.full((len(rows), len(plan.measures)), np.nan)
    reasons: list[str | None] = [unread.get(int(row)) for row in rows]
    if outcome is not None:
        decisions[seen] = outcome.decisions[at[seen]]
        scores[seen] = outcome.scores[at[seen]]
        spread[seen] = values[at[seen]]
        reasons = [outcome.reasons[i] if i >= 0 else reason for i, reason in zip(at, reasons, strict=True)]

    table = {name: plan.probe.table[name].to_numpy()[rows] for name in plan.probe.table.columns}
    nothing = np.full(len(rows), None)
    hashes = [
        batch.sha256[i] if i >= 0 else batch.unreadable_sha256.get(row)
        for i, row in zip(at, rows.tolist(), strict=True)
    ]
    records = {
        "path": table["path"],
        "image_sha256": np.array(hashes, dtype=object),
        "subject": table.get("subject", nothing),
        "status": np.where(seen, np.where(decisions >= 0, "ok", "failed"), "unreadable").astype(object),
        "reason": np.array(reasons, dtype=object),
        "label": table["label"],
        "decision": np.array([*classes, None], dtype=object)[decisions],  # -1 is the last
    }
    records |= {f"score.{name}": scores[:, k] for k, name in enumerate(classes)}
    records |= {name: cells for name, cells in table.items() if name.startswith("attribute.")}
    return Shard(rows=rows, records=records, values=spread, mean_maps=tallies, features=features)
