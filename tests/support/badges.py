"""The networks of examples/planted_badge.py, and what an audit says of each."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import audit
from audit.demo.probe_set import Picture, balanced_pictures
from audit.result import AuditResult
from tests.support.threads import one_thread

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "planted_badge.py"


def example() -> ModuleType:
    """The example as a module; it needs torch."""
    spec = importlib.util.spec_from_file_location("planted_badge", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


@dataclasses.dataclass(frozen=True)
class Planted:
    """What the audit of one network says."""

    correlation: float
    result: AuditResult

    def cell(self, measure: str, gender: str, badge: str, decisions: str = "all") -> float:
        """A value of the table of gender and badge; NaN where there is none."""
        wanted = {"gender": gender, "badge": badge}
        for m in self.result.all(measure):
            if m.parameters.get("decisions", "all") == decisions:
                found = next((g.value for g in m.by_group if g.attributes == wanted), None)
                return float("nan") if found is None else found
        raise KeyError(measure)


def audited(folder: Path, *, seed: int, people: int = 90, correlations: Sequence[float] = ()) -> list[Planted]:
    """Train a network for each correlation and audit it on one probe set."""
    planted = example()
    learned: list[Picture] = list(balanced_pictures(subjects_per_cell=people, pictures=2, seed=9_000_001 + seed))
    seen = balanced_pictures(subjects_per_cell=40, pictures=2, seed=1)
    probe = planted.write_probe(folder / "probe", seen, seed=1)
    found = []
    # The same weights wherever it runs.
    with one_thread(), contextlib.redirect_stdout(io.StringIO()):
        for correlation in correlations or planted.CORRELATIONS:
            model = planted.write_model(folder, learned, correlation, seed)
            found.append(Planted(correlation, audit.run_audit(model, probe=probe)))
    return found
