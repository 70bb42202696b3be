"""What a model's output means. A task is one plug-in file; this version audits classification."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from audit.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OutputSpec:
    """How to read a model's output: the settings and what the file says, brought together."""

    classes: tuple[str, ...]
    final: str | None  # "softmax", "log_softmax", "sigmoid", "probabilities" or None: logits
    threshold: float = 0.5  # two-class models: class 1 where its probability is at least this
    abstain_below: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the model said of a batch: one row an image.

    `scores` are probabilities [B, K], NaN in a row whose output is not finite. `decisions` index the classes,
    -1 where there is no answer; `reasons` says why (None where there is one).
    """

    scores: NDArray[np.float64]
    decisions: NDArray[np.int64]
    reasons: tuple[str | None, ...]


class Task(Protocol):
    """Turns outputs into decisions."""

    def columns(self, shape: tuple[int | None, ...]) -> int:
        """How many classes an output of this shape tells apart (one sigmoid output: 2). Raises ModelError."""

    def decide(self, outputs: NDArray[np.floating[Any]], spec: OutputSpec) -> Outcome:
        """Outputs [B, K'] to an Outcome over K classes."""


TASKS: Registry[Task] = Registry(__name__, "task")


def class_numbers(names: Iterable[str | None], classes: Sequence[str]) -> NDArray[np.int64]:
    """The index of each name among the classes, -1 where it is none."""
    import numpy as np

    number = {name: k for k, name in enumerate(classes)}
    return np.array([-1 if name is None else number.get(name, -1) for name in names], dtype=np.int64)
