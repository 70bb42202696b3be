"""The local engine: one process. Threads decode ahead of the model, and one measures what it has just seen."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from audit.engines import ENGINES, Plan, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.probes import Batch


class Local:
    """Batches in order, on this machine."""

    def shards(self, plan: Plan, rows: NDArray[np.int64]) -> Generator[Shard]:
        from audit.probes import batches

        stream = batches(
            plan.probe, plan.input, rows, batch_size=plan.batch_size, workers=plan.workers, regions=plan.regions
        )
        yield from in_step(plan, stream)


def in_step(plan: Plan, stream: Iterable[Batch]) -> Generator[Shard]:
    """A shard for each batch, in order: a batch is measured while the model sees the next one.

    A graphics card, or many cores, would wait for the measures longer than they take for the network.
    """
    from audit.engines._look import look
    from audit.engines._shard import shard_of

    with ThreadPoolExecutor(1, thread_name_prefix="measure") as measuring:
        behind: Future[Shard] | None = None
        try:
            for batch in stream:
                seen = look(plan, batch)
                if behind is not None:
                    yield behind.result()
                behind = measuring.submit(shard_of, plan, batch, seen)
        except Exception:
            if behind is not None:
                yield behind.result()  # what has been seen is not lost because of what comes after it
            raise
        if behind is not None:
            yield behind.result()


ENGINES.add("local", Local())
