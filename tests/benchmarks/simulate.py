"""Are the intervals, the p and the verdicts worth what they promise? Everything that is claimed, simulated.

    python -m tests.benchmarks.simulate                       # writes the tables of docs/simulations.md
    python -m tests.benchmarks.simulate --runs 400 --only gate   # a quick look at some of it, printed

Every file `sim_*.py` beside this one gives rows by `rows(runs, seed)`: dicts with `claim`, `cell`, `bar`, `measured`,
`runs` and whatever else is worth knowing of the cell. `bar` is a number to be reached, "<= x" for one not to be passed,
or "x to y" for a range: met when no cell is beyond it by more than 3.1 standard errors. "< x" allows nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

from tests.benchmarks import _table

PAGE = Path(__file__).parents[2] / "docs" / "simulations.md"
RUNS, SEED = 4000, 0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def files(only: str = "") -> list[str]:
    """Names of the simulations, those that take longest first."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("sim_*.py") if only in p.stem)
    return sorted(names, key=lambda name: -getattr(_module(name), "WEIGHT", 1))


def simulated(name: str, runs: int, seed: int) -> tuple[str, list[dict[str, Any]], float]:
    """The rows of one file, and the seconds that they took."""
    begun = time.perf_counter()
    rows = _module(name).rows(runs, seed)
    return name, rows, time.perf_counter() - begun


def collected(names: list[str], runs: int, seed: int, jobs: int) -> list[dict[str, Any]]:
    """All rows, in the order of the files' names, whatever order they finished in."""
    done = {}
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(simulated, name, runs, seed) for name in names]):
            name, rows, seconds = future.result()
            done[name] = rows
            sys.stderr.write(f"{name}: {len(rows)} cells, {seconds:.0f} s\n")
    return [row for name in sorted(done) for row in done[name]]


def about(runs: int, seed: int, jobs: int, seconds: float) -> str:
    """What the tables were made with, as a sentence."""
    import numpy as np
    import scipy

    import audit

    return (
        f"Made on {date.today():%Y-%m-%d} by `python -m tests.benchmarks.simulate --runs {runs} --seed {seed} "  # noqa: DTZ011
        f"--jobs {jobs}` in {seconds / 60:.0f} minutes: bias-audit {audit.__version__}, Python "
        f"{platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}."
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"simulated audits a cell ({RUNS})")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="files whose name holds this; printed, nothing is written")
    parser.add_argument("--page", type=Path, default=PAGE, help="whose tables are written (docs/simulations.md)")
    asked = parser.parse_args(argv)
    names = files(asked.only)
    if not names:
        parser.error(f"no file sim_*{asked.only}*.py")
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # the processes are the threads
    begun = time.perf_counter()
    claims = _table.claims(collected(names, asked.runs, asked.seed, asked.jobs))
    summary, details = _table.summary(claims), _table.details(claims)
    sys.stdout.write(f"{summary}\n\n{details}\n")
    if not asked.only:
        made = about(asked.runs, asked.seed, asked.jobs, time.perf_counter() - begun)
        text = asked.page.read_text(encoding="utf-8")
        for mark, table in (("made", made), ("summary", summary), ("details", details)):
            text = _table.put(text, mark, table)
        asked.page.write_text(text, encoding="utf-8")
    return 0 if all(claim.met for claim in claims) else 1


def _module(name: str) -> Any:
    return importlib.import_module(f"tests.benchmarks.{name}")


if __name__ == "__main__":
    sys.exit(main())
