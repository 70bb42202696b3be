"""Tables of predictions in place of a model that can only be called elsewhere: `.csv`, `.parquet`.

A column `path` (or `file`, `image`, `filename`: relative to the probe folder), and `decision`, or one probability a
class called `score.CLASS` (as in records.parquet) or by the bare class name, or both: then the decisions stand and the
probabilities say how sure they were. Nothing inside the model can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.errors import ModelError, nearest
from audit.runtimes import RUNTIMES, Answers, Capture, Description, Model, Randomized, Request, TensorSpec
from audit.runtimes._prediction_table import read_predictions

CLOSED = "a table of predictions holds no activations: what happens inside the model can be seen in a model file only"
NOT_ASKED = "no prediction in the table"
NO_ANSWER = "the table gives no answer"

_OUTPUT = "predictions"
_ROUNDING = 0.01 + 1e-9  # of the sum of all probabilities


class PredictionTable:
    """An opened table. It looks at no picture: `run` looks up what the table says of it, by its path.

    A picture that the table lacks has no answer, and so has one with an empty decision or with no probability at all:
    leaving rows out makes a failure rate worse, never better.
    """

    format = "predictions"
    inputs: tuple[TensorSpec, ...] = ()
    batch: int | None = None
    provider = "no model: answers were read from a table"
    device = ""
    guard: float | None = None
    passes = 1
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: tuple[Path, ...] = (path,)
        self._table = read_predictions(path)
        self._codes: NDArray[np.int64] | None = None  # [N] into the classes asked for
        self._scores = np.empty((0, 0))  # [N, K]
        table, decided = self._table, self._table.codes is not None
        complete = not decided or table.prefixed
        self._answers = Answers(
            classes=tuple(table.scores) if complete else table.words,
            complete=complete,
            scored=table.filled() if decided else tuple(table.scores),
            decided=decided,
            paths=table.rows,
            said=table.counts(),
            place=table.place,
        )
        self.outputs: tuple[TensorSpec, ...] = (
            TensorSpec(name=_OUTPUT, shape=(None, len(self._answers.classes)), dtype="float64"),
        )

    def describe(self, shape: tuple[int, int, int, int]) -> Description:
        del shape
        return Description(
            inputs=self.inputs,
            outputs=self.outputs,
            layers=(),
            heads={},
            heads_missing={_OUTPUT: CLOSED},
            final={_OUTPUT: "probabilities"},
            gradients=CLOSED,
            closed=CLOSED,
            answers=self._answers,
        )

    def prepare(self, request: Request) -> None:
        """Bring decisions and probabilities into the order of the classes asked for. Raises ModelError: a decision that
        is none of them, a class without probabilities, a cell that is no number."""
        classes = request.classes or self._answers.classes
        self._codes = self._decisions(classes)
        missing = self._answers.scores_missing(classes)
        if missing is not None and self._codes is None:
            raise ModelError(
                "the table has no probability column for a class",
                value=next(name for name in classes if name not in self._table.scores),
                allowed=tuple(self._table.scores),
                where=self.path,
            )
        nothing = np.full((len(self._table.rows), len(classes)), np.nan)
        self._scores = self._table.probabilities(classes) if missing is None else nothing
        self.notes = tuple(_not_adding_up(self._scores))

    def _decisions(self, classes: tuple[str, ...]) -> NDArray[np.int64] | None:
        table = self._table
        if table.codes is None:
            return None
        number = {name: code for code, name in enumerate(classes)}
        for word in table.words:
            if word not in number:
                raise ModelError(
                    "the table holds a decision that is none of the classes",
                    value=word,
                    allowed=classes,
                    where=table.place(word),
                    hint=nearest(word, classes) or "Name all classes with --classes",
                )
        return np.array([*(number[word] for word in table.words), -1], dtype=np.int64)[table.codes]

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:
        del images
        rows = np.array([self._table.rows.get(path, -1) for path in paths], dtype=np.int64)
        asked = rows >= 0
        outputs = np.where(asked[:, None], self._scores[rows], np.nan)
        decisions = None if self._codes is None else np.where(asked, self._codes[rows], -1)
        silent = np.all(np.isnan(outputs), axis=1) if decisions is None else decisions < 0
        reasons = [NO_ANSWER if s else None for s in silent]
        reasons = [reason if a else NOT_ASKED for reason, a in zip(reasons, asked, strict=True)]
        return Capture(outputs=outputs, strengths={}, decisions=decisions, reasons=tuple(reasons))

    def randomized(self, share: float, seed: int) -> Randomized:
        """A table has no weights: ModelError."""
        del share, seed
        raise ModelError(CLOSED, where=self.path)

    def close(self) -> None:
        """Nothing is held open."""


def _not_adding_up(probabilities: NDArray[np.float64]) -> Iterator[str]:
    """A sentence where rows of [N, K] have all their probabilities and these are far from adding up to 1."""
    complete = probabilities[np.isfinite(probabilities).all(axis=1)]
    strange = int((np.abs(complete.sum(axis=1) - 1) > _ROUNDING).sum())
    if strange:
        yield (
            f"In {strange:,} of {len(probabilities):,} rows of the table the probabilities of all classes do not add "
            "up to 1. They are taken as they stand, as of a model with one sigmoid a class."
        )


class Tables:
    """Opens `.csv` and `.parquet`."""

    suffixes: tuple[str, ...] = (".csv", ".parquet")

    def open(self, path: Path, *, device: str, threads: int | None) -> Model:
        """Nothing is computed, so there is no device to choose."""
        del device, threads
        return PredictionTable(path)


RUNTIMES.add("predictions", Tables())
