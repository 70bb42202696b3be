"""Can the map be trusted? A second stage on a few pictures, after the pass over all of them.

Two questions, asked of the maps of the predicted class. Does the map change when the network's weights are drawn anew
(Adebayo et al. 2018)? One that does not says nothing about what the network has learned. And does taking away what
the map points at change the answer more than taking away anything else (Petsiuk et al. 2018)? If it does not, the
answer did not hang on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import AuditError
from audit.result import Skipped, Trust
from audit.trust._passes import BUDGET, OverBudget, Passes, cost, opening, padded
from audit.trust.deletion import PARTS, answers, curves
from audit.trust.randomization import levels
from audit.trust.sample import draw, filled
from audit.trust.verdict import judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.engines import Plan

__all__ = ["BUDGET", "MOST", "Sampled", "check_maps"]

MOST = 32  # pictures: 544 passes, which leaves room for the noise that networks with other weights are opened with
FEWEST = 8  # people: as many as there are draws of weights
FEWEST_CELLS = 9  # of a map: fewer can't be put into an order worth the name
_OTHERWISE = "--cam gradcam, where the model allows it, gives maps that can be checked"
_TORCH = "Grad-CAM can be checked, where the model allows it, and needs torch: pip install 'bias-audit[torch]'"


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
    except OverBudget:
        return _skipped(f"the maps took more than the {BUDGET} passes that there are; use another --cam"), passes.done
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
    eligible = np.flatnonzero(decisions >= 0)
    calls = _calls(plan, eligible[:1], decisions, subjects, passes)
    if isinstance(calls, Skipped):
        return calls
    fixed, left = plan.model.batch, passes.limit - passes.done
    fits = next(n for n in range(max(images, FEWEST), FEWEST - 1, -1) if n == FEWEST or cost(n, fixed, *calls) <= left)
    rows = draw([g.codes for g in plan.groupings], subjects, decisions >= 0, min(images, fits), seed)
    passes.expect(cost(len(rows), fixed, *calls))
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


class _Calls(NamedTuple):
    """What one batch of maps takes: runs of the network or of what is behind a layer, and how many of these the
    untouched model makes, too."""

    runs: int
    twice: int

    @classmethod
    def of(cls, runs: int, plan: Plan) -> _Calls:
        assert plan.mapper is not None  # noqa: S101 asked before
        more = plan.model.passes > 1
        return cls(runs, more * (runs if "forward" in plan.mapper.method.needs else 1))


def _calls(
    plan: Plan, rows: NDArray[np.int64], decisions: NDArray[np.int64], subjects: NDArray[np.int64], passes: Passes
) -> _Calls | Skipped:
    """What one batch of maps takes, seen on one picture; `Skipped` where the budget is too small for that.

    Leaves in `passes.limit` what the networks with other weights leave when they are opened.
    """
    assert plan.mapper is not None  # noqa: S101 asked before
    method, fixed, least = plan.mapper.method, plan.model.batch, _Calls.of(1, plan)
    passes.limit = BUDGET - opening(fixed)
    if cost(FEWEST, fixed, *least) > passes.limit:
        fitting = max(n for n in range(1, BUDGET) if cost(FEWEST, n, *least) + opening(n) <= BUDGET)
        return _skipped(
            f"the model takes no fewer than {fixed} pictures at once, too many for the {BUDGET} passes of this check; "
            f"export it with a free batch size, or one of at most {fitting}"
        )
    tail = "tail" in method.needs and plan.mapper.head is None
    if not (tail or "forward" in method.needs):
        return least
    if tail:  # a network with other weights runs it once more, to see that it gives the same
        passes.limit -= cost(MOST, fixed) - padded(PARTS * MOST, fixed)
    whole, one = passes.limit, padded(1, fixed)
    tries = (_Calls.of(n, plan) for n in range(BUDGET, 0, -1))
    most = next((sum(n) for n in tries if cost(FEWEST, fixed, *n) + sum(n) * one <= whole), 0)
    passes.limit = most * one
    try:
        _sampled(plan, rows, decisions, subjects, passes)
    except OverBudget:
        return _skipped(
            f"{method.title} needs more than {most} passes a map, too many for a check of {BUDGET}; "
            + (_OTHERWISE if importlib.util.find_spec("torch") else _TORCH)
        )
    passes.limit = whole
    return _Calls(max(1, (passes.done - passes.again) // one), passes.again // one)


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
    size = min(filled(plan), max(len(rows), 1))
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
