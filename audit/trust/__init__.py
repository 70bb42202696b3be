"""Can the map be trusted? A second stage on a few pictures, after the pass over all of them.

Two questions, asked of the maps of the predicted class. Does the map change when the network's weights are drawn anew
(Adebayo et al. 2018)? One that does not says nothing about what the network has learned. And does taking away what
the map points at change the answer more than taking away anything else (Petsiuk et al. 2018)? If it does not, the
answer did not hang on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audit.errors import AuditError
from audit.result import Skipped, Trust
from audit.trust._passes import BUDGET, Passes
from audit.trust.deletion import STEPS, answers, curves
from audit.trust.randomization import SHARES, levels
from audit.trust.sample import draw
from audit.trust.verdict import judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.engines import Plan

__all__ = ["BUDGET", "MOST", "Sampled", "check_maps"]

EACH = 1 + len(SHARES) + 3 * STEPS + 1  # passes of one picture: its map, that of other weights, and parts taken away
MOST = 32  # pictures: 544 passes, which leaves room for the noise that networks with other weights are opened with
OPENING = 40  # passes of noise that the networks with other weights are opened with, at most
FEWEST = 8  # people: as many as there are draws of weights
FEWEST_CELLS = 9  # of a map: fewer can't be put into an order worth the name


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Sampled:
    """The pictures that the maps are checked on."""

    images: NDArray[Any]  # [n, …] as they are fed
    targets: NDArray[np.int64]  # [n] the predicted classes
    maps: NDArray[np.float32]  # [n, h, w] signed, of the network itself
    scores: NDArray[np.float64]  # [n] the probabilities of these classes
    subjects: NDArray[np.int64]  # [n]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[Any]) -> Sampled:
        return Sampled(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})


def check_maps(
    plan: Plan,
    *,
    decisions: NDArray[np.int64],
    subjects: NDArray[np.int64],
    images: int,
    seed: int,
    alpha: float,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Trust | Skipped, int]:
    """What became of both questions, and how many passes of single pictures that took.

    Args:
        plan: of the first stage, with its model prepared.
        decisions: [N] what the model answered, negative where nothing.
        subjects: [N] whose picture each is.
        images: how many to draw at most.
        seed: of the drawing.
        alpha: one minus the confidence level.
        progress: called with passes done and passes in all.
    """
    passes = Passes(progress)
    try:
        return _checked(plan, decisions, subjects, images, seed, alpha, passes), passes.done
    except MemoryError:
        return _skipped("the checks broke off: out of memory; try a smaller --batch-size"), passes.done
    except AuditError as error:  # the audit itself is done, and stands
        return _skipped(f"the checks broke off: {error.what}"), passes.done


def _checked(
    plan: Plan,
    decisions: NDArray[np.int64],
    subjects: NDArray[np.int64],
    images: int,
    seed: int,
    alpha: float,
    passes: Passes,
) -> Trust | Skipped:
    import numpy as np

    if plan.mapper is None:
        return _skipped("no class activation map can be had for this model")
    groups = [g.codes for g in plan.groupings]
    rows = draw(groups, subjects, decisions >= 0, images, seed)
    each = EACH
    if "forward" in plan.mapper.method.needs:  # such a map takes as many passes as it looks at changed pictures
        one = _sampled(plan, rows[:1], decisions, subjects, passes)
        each = EACH + (1 + len(SHARES)) * (max(passes.done, 1) - 1)
        fits = max(0, BUDGET - OPENING - passes.done) // each
        rows = draw(groups, subjects, decisions >= 0, min(images, fits), seed)
        if len(one) and fits < FEWEST:
            return _skipped(
                f"{plan.mapper.method.title} needs {passes.done:,} passes a map, too many for a check of "
                f"{1 + len(SHARES)} maps of each of {FEWEST} pictures in {BUDGET} passes; use --cam auto, or --cam "
                "gradcam where the model allows it, for maps that can be checked"
            )
    passes.expect(len(rows) * each)
    sampled = _sampled(plan, rows, decisions, subjects, passes)
    if len(sampled) < FEWEST:
        people = f"only {len(sampled)} people have a picture with an answer and a map"
        return _skipped(f"{people}, and {FEWEST} are needed to check the maps")
    cells = sampled.maps.shape[1] * sampled.maps.shape[2]
    if cells < FEWEST_CELLS:
        return _skipped(f"the map has only {cells} cells, too few to be put into an order")
    seen = answers(plan, sampled, seed, passes)
    answered = np.flatnonzero(np.isfinite(seen).all(axis=(1, 2)))
    if len(answered) < FEWEST:
        people = f"the model gives only {len(answered)} people's pictures an answer when parts of them are painted over"
        return _skipped(f"{people}, and {FEWEST} are needed to check the maps")
    sampled = sampled.take(answered)
    against = levels(plan, sampled, seed, alpha, passes)
    parts = curves(seen[answered], cells, sampled.subjects, alpha)
    return judged(against, parts, cam=plan.mapper.method.name, images=len(sampled), cells=cells)


def _skipped(reason: str) -> Skipped:
    return Skipped(measure="trust", reason=reason)


def _sampled(
    plan: Plan, rows: NDArray[np.int64], decisions: NDArray[np.int64], subjects: NDArray[np.int64], passes: Passes
) -> Sampled:
    """The pictures of these rows with their maps; those without a map are left out."""
    import numpy as np

    from audit.probes import batches

    assert plan.mapper is not None  # noqa: S101 asked before
    model = passes.counting(plan.model)
    pieces = []
    size = min(plan.batch_size, max(len(rows), 1))
    stream = batches(plan.probe, plan.input, rows, batch_size=size, workers=plan.workers, quality=False)
    with contextlib.closing(stream) as read:  # type: ignore[type-var]
        for batch in read:
            if not len(batch.rows):
                continue
            targets = decisions[batch.rows]
            capture = model.run(batch.images)
            scores = plan.task.decide(capture.outputs, plan.output).scores[np.arange(len(targets)), targets]
            maps = plan.mapper.maps(model, capture, batch.images, targets)
            pieces.append(
                Sampled(images=batch.images, targets=targets, maps=maps, scores=scores, subjects=subjects[batch.rows])
            )
    if not pieces:
        nothing = np.empty((0, 0, 0), dtype=np.float32)
        scores = np.empty(0)
        return Sampled(images=nothing, targets=rows[:0], maps=nothing, scores=scores, subjects=rows[:0])
    whole = Sampled(
        **{f.name: np.concatenate([getattr(p, f.name) for p in pieces]) for f in dataclasses.fields(Sampled)}
    )
    spread = whole.maps.max(axis=(1, 2)) - whole.maps.min(axis=(1, 2))  # NaN where there is no map
    return whole.take(np.flatnonzero(spread > 0))
