"""A measure turns what was seen of an image into one number, NaN where the image does not count.

Everything after that (means by group, intervals, disparities, gate, report) is written once, for all measures.
A plug-in file registers a *family*: a function that is asked once, before the first batch, which measures it
can give for this model and probe set, and yields a `Measure` for each, or a `Skipped` with the reason.
No measure reads the settings or opens a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audit.registry import Registry
from audit.result import Skipped, column_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Layer

TARGETS = ("predicted", "true")
DECISIONS = ("all", "right", "wrong")
QUALITY = ("brightness", "contrast", "sharpness", "pixels")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What is known before the first batch."""

    label: str
    classes: tuple[str, ...]
    positive: int | None
    layers: tuple[Layer, ...]  # the layers that are tapped
    layers_missing: str | None  # why there are none
    regions: tuple[str, ...]
    cam: str | None  # the chosen method's name
    cam_missing: str | None  # why there is none
    rivals_missing: str | None = None  # why maps of two classes can't be compared; None: they can
    evidence_missing: str | None = None  # why evidence can't be had in logits; None: it can
    scores_missing: str | None = None  # why the model gives no probabilities; None: it does
    asked_elsewhere: bool = False  # the model's answers stand in a table, which can lack some


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen of a batch of B images. Dropped as soon as the measures have their numbers.

    `maps[target]` is float32 [B, h, w] on the CAM layer's own grid, clipped at 0; a row is NaN where there is no such
    map (no answer). `rivals[target]` is the same of the likeliest class beside the target. `evidence` [B, h, w] is
    signed: what each cell adds to the decision's logit over the mean of the other classes', times the number of cells.
    `regions[name]` is float32 [B, H, W] on the input grid, NaN where an image lacks the region.
    """

    labels: NDArray[np.int64]  # [B], -1 where not stated
    decisions: NDArray[np.int64]  # [B], -1 where there is no answer
    scores: NDArray[np.float64]  # [B, K], NaN where not finite
    strengths: Mapping[tuple[str, str], NDArray[np.float64]]
    maps: Mapping[str, NDArray[np.float32]]
    regions: Mapping[str, NDArray[np.float32]]
    quality: Mapping[str, NDArray[np.float64]]
    rivals: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    evidence: NDArray[np.float32] | None = None
    shared: dict[Any, Any] = dataclasses.field(default_factory=dict)  # a family's work that its measures share

    def of(self, rows: NDArray[np.int64]) -> Observed:
        """What was seen of some of the images."""

        def each(arrays: Mapping[Any, NDArray[Any]]) -> dict[Any, NDArray[Any]]:
            return {name: array[rows] for name, array in arrays.items()}

        return Observed(
            labels=self.labels[rows],
            decisions=self.decisions[rows],
            scores=self.scores[rows],
            strengths=each(self.strengths),
            maps=each(self.maps),
            regions=each(self.regions),
            quality=each(self.quality),
            rivals=each(self.rivals),
            evidence=None if self.evidence is None else self.evidence[rows],
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One number an image.

    `definition` is one or two plain sentences, `formula` the exact rule, `source` where it comes from; all three are
    printed in the report. `unit` is "proportion", "share", "ratio", "px", "level", "bits" or such; `better` is
    "lower", "higher" or "none". `non_negative` is false where values can be zero or below on purpose (statistics
    page, section 2). `diagnostic` measures never gate by default. `not_within_label` says why the measure means
    nothing for groups made from the label itself, or is None. `absent` is what is said where no image counts.
    """

    name: str
    title: str
    family: str  # "rates", "scores", "activations", "focus", "quality"
    unit: str
    better: str
    definition: str
    formula: str
    source: str
    compute: Callable[[Observed], NDArray[np.float64]]
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    proportion: bool = False  # values are 0, 1 or NaN
    non_negative: bool = True
    can_be_zero: bool = False  # an image's value can be 0, as a squared error's can
    diagnostic: bool = False
    not_within_label: str | None = None
    absent: str = "no image counts for this measure"

    @property
    def scale(self) -> str:
        """What an image's value can be, in the record's words: "proportion", "positive", "non-negative", "any"."""
        if self.proportion:
            return "proportion"
        return "any" if not self.non_negative else "non-negative" if self.can_be_zero else "positive"

    @property
    def column(self) -> str:
        """`MEASURE[param=value,…]`, the name of its column in records.parquet."""
        return column_name(self.name, self.parameters)


Family = Callable[[Context], Iterator[Measure | Skipped]]

MEASURES: Registry[Family] = Registry(__name__, "measure")


def plan(context: Context) -> tuple[tuple[Measure, ...], tuple[Skipped, ...]]:
    """Every measure that can be had, and every one that can't with the reason, in a fixed order."""
    order = {"rates": 0, "scores": 1, "activations": 2, "focus": 3, "quality": 4}
    found = [item for _, family in MEASURES.items() for item in family(context)]
    measures = [item for item in found if isinstance(item, Measure)]
    measures.sort(key=lambda m: order.get(m.family, len(order)))  # stable: a family keeps its own order
    return tuple(measures), tuple(item for item in found if isinstance(item, Skipped))
