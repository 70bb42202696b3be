"""What needs the model: a batch through the network, the task's rule and the maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engines import Plan
from audit.measures import Observed
from audit.probes import Batch
from audit.runtimes import Capture
from audit.tasks import Outcome, class_numbers


def look(plan: Plan, batch: Batch) -> tuple[Outcome, Observed] | None:
    """What the model answers, and what is seen of it. None where no image of the batch could be read."""
    if len(batch.rows) == 0:
        return None
    capture = plan.model.run(batch.images, list(plan.probe.table["path"].to_numpy()[batch.rows]))
    outcome = _outcome(plan, capture)
    labels = class_numbers(plan.probe.table["label"].to_numpy()[batch.rows], plan.output.classes)
    asked = {"predicted": outcome.decisions, "true": labels}
    targets = {name: asked[name] for name in plan.targets}
    rivals = {name: _rivals(outcome.scores, own) for name, own in targets.items()} if plan.rivals else {}
    named = {f"rival of {name}": own for name, own in rivals.items()}
    every = _maps(plan, capture, batch.images, targets | named)
    return outcome, Observed(
        labels=labels,
        decisions=outcome.decisions,
        scores=outcome.scores,
        strengths=capture.strengths,
        maps={name: every[name] for name in targets if every},
        regions=batch.regions,
        quality=batch.quality,
        rivals={name: every[f"rival of {name}"] for name in rivals if every},
        evidence=_evidence(plan, capture, batch.images, outcome.decisions),
    )


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
