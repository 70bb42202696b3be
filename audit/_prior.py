"""Pictures looked at before the run: what a CAM method that learns from a sample is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from audit.probes import ProbeSet, batches
from audit.tasks import class_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.inputs import InputSpec
    from audit.runtimes import Model

MOST = 64  # pictures a class
MOST_IN_ALL = 2_048  # of many classes fewer each, at least one
_TOGETHER = 16  # whatever the batch size of the run, so that it changes no figure


def sample_rows(probe: ProbeSet, classes: tuple[str, ...], seed: int) -> dict[int, NDArray[np.int64]]:
    """Rows by class number, of at most 64 pictures a class and 2,048 in all: one of each person in a random order, then
    a second."""
    import numpy as np

    labels = class_numbers(probe.table["label"], classes)
    subjects = probe.table["subject"].to_numpy() if "subject" in probe.table else np.full(len(probe), None)
    found, targets = {}, np.unique(labels[labels >= 0]).tolist()
    most = min(MOST, max(1, MOST_IN_ALL // max(1, len(targets))))
    for target in targets:
        rows = np.random.default_rng([seed, target]).permutation(np.flatnonzero(labels == target))
        seen: dict[object, int] = {}
        rounds = []
        for row in rows.tolist():
            who = subjects[row] if subjects[row] is not None else row
            rounds.append(seen.get(who, 0))
            seen[who] = rounds[-1] + 1
        found[target] = np.sort(rows[np.argsort(rounds, kind="stable")][:most]).astype(np.int64)
    return found


def sample_activations(
    model: Model, probe: ProbeSet, spec: InputSpec, rows: Mapping[int, NDArray[np.int64]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Class number and activations [n, C, h, w] at the CAM layer, class by class; pictures that can't be read are left
    out, and so is a class without any."""
    import numpy as np

    for target, some in rows.items():
        seen = []
        stream = batches(probe, spec, some, batch_size=_TOGETHER, workers=1, quality=False)
        with contextlib.closing(stream):  # type: ignore[type-var]
            for batch in stream:
                if len(batch.rows):
                    captured = model.run(batch.images).activation
                    assert captured is not None  # noqa: S101 the run is prepared with a CAM layer
                    seen.append(captured)
        if seen:
            yield target, np.concatenate(seen)
