"""From what was seen of a batch to its shard. Nothing here asks the model: it sees the next batch meanwhile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engines import Plan, Shard
from audit.features import MAPS, Feature, small
from audit.measures import Observed
from audit.probes import Batch
from audit.result import MeanMap
from audit.tasks import Outcome


def shard_of(plan: Plan, batch: Batch, seen: tuple[Outcome, Observed] | None) -> Shard:
    """The records and tallies of one batch. Unreadable images get a row without a single value."""
    if seen is None:
        return _assemble(plan, batch, None, np.empty((0, len(plan.measures))), (), ())
    outcome, observed = seen
    values = np.empty((len(plan.measures), len(observed.labels)))
    for place, measure in enumerate(plan.measures):
        values[place] = measure.compute(observed)
    shares = {t: _shares(own, batch.alignment) for t, own in observed.maps.items()} if plan.mean_maps else {}
    tallies = _mean_maps(plan, batch, shares, _sides(observed.labels, outcome.decisions))
    return _assemble(plan, batch, outcome, values.T, tallies, _features(plan, batch, shares))


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
