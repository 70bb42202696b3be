"""The local engine: one process, decoding threads ahead of the model."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from audit.engines import ENGINES, Plan, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Local:
    """Batches in order, on this machine."""

    def shards(self, plan: Plan, rows: NDArray[np.int64]) -> Generator[Shard]:
        from audit.engines._observe import observe
        from audit.probes import batches

        stream = batches(
            plan.probe, plan.input, rows, batch_size=plan.batch_size, workers=plan.workers, regions=plan.regions
        )
        for batch in stream:
            yield observe(plan, batch)


ENGINES.add("local", Local())
