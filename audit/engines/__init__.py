"""Where the passes over the images run. An engine is one file: it takes a plan and yields shards, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from audit.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.cams import Mapper
    from audit.features import Feature
    from audit.groups import Grouping
    from audit.inputs import InputSpec
    from audit.measures import Measure
    from audit.probes import ProbeSet
    from audit.result import MeanMap
    from audit.runtimes import Model
    from audit.tasks import OutputSpec, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a pass needs, decided before the first batch."""

    model: Model  # prepared
    probe: ProbeSet
    input: InputSpec
    task: Task
    output: OutputSpec
    measures: tuple[Measure, ...]
    mapper: Mapper | None  # None: there is no map
    evidence: Mapper | None  # signed maps in logits, where the head is exact
    rivals: bool  # maps of the likeliest other class are wanted, too
    targets: tuple[str, ...]
    regions: tuple[str, ...]
    groupings: tuple[Grouping, ...]
    mean_maps: bool  # pictures are aligned, so mean maps by group mean something
    sample: NDArray[np.int64]  # rows, ascending, whose features are kept
    batch_size: int
    workers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """What a run of consecutive rows gave: their rows of records.parquet, and the tallies' sums over them."""

    rows: NDArray[np.int64]
    records: Mapping[str, NDArray[Any]]  # `path` to `attribute.NAME`: text, None where there is none, and scores
    values: NDArray[np.float64]  # [rows, M]: one column a measure of the plan
    mean_maps: tuple[MeanMap, ...]
    features: tuple[Feature, ...] = ()  # of those rows that are in the sample and have one


class Engine(Protocol):
    """Runs a plan over the given rows."""

    def shards(self, plan: Plan, rows: NDArray[np.int64]) -> Generator[Shard]:
        """One shard a batch, in the order of `rows`; nothing outlives its batch."""


ENGINES: Registry[Engine] = Registry(__name__, "engine")
