"""Add a measure: one function that says what it can give, and one that turns a batch into numbers.

In your own package, put the function in a module and name it in `pyproject.toml`, so that every run finds it:

    [project.entry-points."bias_audit.measures"]
    margin = "my_package.margin:margin"

Group values, intervals, disparities, the gate and the reports come by themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import audit
from audit.demo import write_demo
from audit.measures import MEASURES, Context, Measure, Observed
from audit.result import Skipped


@MEASURES.register("margin")
def margin(context: Context) -> Iterator[Measure | Skipped]:
    """How far ahead of the next class the chosen one is."""
    if len(context.classes) < 2:
        yield Skipped(measure="margin", reason="a margin needs at least two classes")
        return
    yield Measure(
        name="margin",
        title="Margin of the decision",
        family="scores",
        unit="proportion",
        better="none",
        definition="How much more probable the model finds its answer than the next best one.",
        formula="largest probability - second largest",
        source="defined in this example",
        compute=_margin,
    )


def _margin(observed: Observed) -> NDArray[np.float64]:
    ordered = np.sort(observed.scores, axis=1)
    return np.where(observed.decisions >= 0, ordered[:, -1] - ordered[:, -2], np.nan)


def main(folder: Path) -> None:
    model, probe = write_demo(folder / "demo")
    result = audit.run_audit(model, probe=probe, groups=["skin"], limit=120)
    print(result["margin"].by_group("skin").round(3))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
