"""Which pictures the maps are checked on: one a person, every group about as often as every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.engines import Plan


def filled(plan: Plan) -> int:
    """Pictures to run at once: whole batches of a model that takes no others."""
    fixed = plan.model.batch
    return plan.batch_size if fixed is None else fixed * max(1, plan.batch_size // fixed)


def draw(
    groupings: Sequence[NDArray[np.int64]],
    subjects: NDArray[np.int64],
    eligible: NDArray[np.bool_],
    size: int,
    seed: int,
) -> NDArray[np.int64]:
    """At most `size` rows, ascending.

    One picture of each subject is drawn by chance. Of those the next is always one whose groups, over all groupings,
    have been drawn least so far, in shares of what each group of its grouping would have; chance decides between equal
    ones.

    Args:
        groupings: for each attribute the group of every row, [N].
        subjects: [N] whose picture each is.
        eligible: [N] whether it can be drawn.
        size: how many.
        seed: of the drawing.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(np.flatnonzero(eligible))
    _, first = np.unique(subjects[shuffled], return_index=True)
    left = shuffled[np.sort(first)]  # in random order, one a subject
    columns = [codes[left] for codes in groupings]
    drawn = [np.zeros(int(codes.max()) + 1 if len(codes) else 1) for codes in groupings]
    open_ = np.ones(len(left), dtype=bool)
    taken = []
    for _ in range(min(size, len(left))):
        crowded = sum((counts[codes] * len(counts) for counts, codes in zip(drawn, columns, strict=True)), np.zeros(1))
        at = int(np.argmin(np.where(open_, crowded, np.inf)))
        open_[at] = False
        taken.append(int(left[at]))
        for counts, codes in zip(drawn, columns, strict=True):
            counts[codes[at]] += 1
    return np.array(sorted(taken), dtype=np.int64)
