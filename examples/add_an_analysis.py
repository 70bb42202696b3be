"""Add an analysis: what is no mean of one number an image, computed from the finished table of all images.

In your own package, put the function in a module and name it in `pyproject.toml`, so that every run finds it:

    [project.entry-points."bias_audit.analyses"]
    balanced_accuracy = "my_package.balanced_accuracy:balanced_accuracy"

It says how its number follows from sums over people. Group values, intervals that leave out each person in turn,
disparities, the gate and the tables come by themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import audit
from audit.analyses import ANALYSES, Finished, described
from audit.demo import write_demo
from audit.result import Measurement, Skipped
from audit.statistics.estimates import Cells, Groups, Rates, divide
from audit.statistics.jackknife import jackknife, of_sums


@ANALYSES.register("balanced_accuracy")
def balanced_accuracy(finished: Finished) -> Iterator[Measurement | Skipped]:
    """The mean over the classes of how often each is recognized."""
    counts = (finished.labels >= 0) & (finished.decisions >= 0)
    if not counts.any():
        yield Skipped(measure="balanced_accuracy", reason="no picture has both a stated label and an answer")
        return
    is_class = counts[:, None] & (finished.labels[:, None] == np.arange(len(finished.classes)))
    statistic = Recall(is_class=is_class, right=is_class & (finished.labels == finished.decisions)[:, None])
    found, skipped = finished.summary.of_statistic(statistic, MEASURE)
    yield from found
    yield from skipped


class Recall:
    """What is asked of a statistic: the figures of the groups, and their intervals."""

    def __init__(self, is_class: NDArray[np.bool_], right: NDArray[np.bool_]) -> None:
        self.is_class, self.right = is_class, right  # [N, K] each

    def groups(self, cells: Cells) -> Groups:
        sums = cells.sums(np.hstack([self.right, self.is_class]).astype(np.float64))
        value, without = of_sums(cells, sums, _mean_recall)
        right, of_class = np.split(sums, 2, axis=1)
        people = cells.over_groups(np.hstack([of_class > 0, right < of_class]).astype(np.float64))
        of_rarest, ever_wrong = (part.min(axis=1) for part in np.split(people, 2, axis=1))
        counts = of_class.sum(axis=1)
        return jackknife(cells, value=value, without=without, counts=counts, kish=of_rarest, events=ever_wrong)

    def sample(self, groups: Groups, evidence: NDArray[np.bool_]) -> Rates:
        return Rates.of(groups, np.zeros_like(evidence))  # a share: Wilson's interval, no group helped by another


def _mean_recall(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    right, of_class = np.split(sums, 2, axis=1)
    return divide(right, of_class).mean(axis=1)


MEASURE = described(
    name="balanced_accuracy",
    title="Balanced accuracy",
    family="rates",
    unit="share",
    better="higher",
    definition="How often each class is recognized, on average over the classes.",
    formula="mean over classes of right answers / pictures of the class",
    source="defined in this example",
    not_within_label="a group made from the label itself holds one class only",
)


def main(folder: Path) -> None:
    model, probe = write_demo(folder / "demo")
    result = audit.run_audit(model, probe=probe, groups=["skin"], limit=120)
    print(result["balanced_accuracy"].by_group("skin").round(3))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
