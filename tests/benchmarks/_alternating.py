"""Several ways to do the same work over the same batches, timed in turn, so that a busy machine is busy for all."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Work = Callable[[Sequence[Any]], object]  # over all batches


def each(work: Callable[[Any], object]) -> Work:
    """One batch after the other."""
    return lambda batches: [work(batch) for batch in batches]


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds of one way, a number a repetition: on the clock, and of all processors together."""

    wall: list[float] = dataclasses.field(default_factory=list)
    processor: list[float] = dataclasses.field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    def against(self, other: Times) -> str:
        """`**1.04** (1.01 to 1.09) | 1.03`: the median ratio on the clock with its extremes, and that of processors."""
        wall = sorted(a / b for a, b in zip(self.wall, other.wall, strict=True))
        processor = statistics.median(a / b for a, b in zip(self.processor, other.processor, strict=True))
        return f"**{statistics.median(wall):.2f}** ({wall[0]:.2f} to {wall[-1]:.2f}) | {processor:.2f}"


def alternate(ways: Mapping[str, Work], batches: Sequence[Any], repetitions: int) -> dict[str, Times]:
    """Every way over the batches, each time beginning with another. The first round is not counted: it pays for guards
    and memory."""
    names, times = list(ways), {name: Times() for name in ways}
    for repetition in range(-1, repetitions):
        first = (repetition + 1) % len(names)
        for name in names[first:] + names[:first]:
            begun = time.perf_counter(), time.process_time()
            ways[name](batches)
            if repetition >= 0:
                times[name].wall.append(time.perf_counter() - begun[0])
                times[name].processor.append(time.process_time() - begun[1])
    return times
