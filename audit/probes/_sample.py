"""A quick look: whole subjects, stratified by label, in a seeded order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw(labels: Sequence[str | None], subjects: Sequence[str | None], limit: int, seed: int) -> NDArray[np.int64]:
    """Ascending positions of at most `limit` images (more only where the first subject alone has more).

    Subjects stand in a random order within the label of their first image. Each gets the share of its label's
    images that lie before its middle, and subjects are taken by that share: every label then comes in proportion,
    and a smaller limit draws a subset of what a larger one draws.
    """
    own = [("", row) if subject is None else (subject, -1) for row, subject in enumerate(subjects)]
    number = {name: code for code, name in enumerate(dict.fromkeys(own))}
    code = np.array([number[name] for name in own], dtype=np.int64)
    _, first, sizes = np.unique(code, return_index=True, return_counts=True)

    order = np.random.default_rng(seed).permutation(len(sizes))
    strata = np.array([str(labels[row]) if labels[row] is not None else "" for row in first])
    share = np.empty(len(sizes))
    for stratum in np.unique(strata):
        members = order[strata[order] == stratum]
        upto = np.cumsum(sizes[members])
        share[members] = (upto - sizes[members] / 2) / upto[-1]
    taken = order[np.argsort(share[order], kind="stable")]
    count = max(1, int(np.searchsorted(np.cumsum(sizes[taken]), limit, side="right")))
    return np.flatnonzero(np.isin(code, taken[:count])).astype(np.int64)
