"""Peak memory of a whole audit over many small pictures against that over few, each in a process of its own.

python -m tests.benchmarks.bench_memory --few 2000 --many 20000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks._probe import write_probe


def peak(folder: Path, model: Path, images: int) -> float:
    """MiB at the highest, of one `bias-audit` process."""
    probe = write_probe(folder / f"probe-{images}", images, side=32)
    command = [sys.executable, "-m", "audit", str(model), "--probe", str(probe), "--out", str(folder / f"out-{images}"),
               "--classes", "a,b", "--accept-chance", "-q", "--formats", "md"]  # fmt: skip
    done = subprocess.Popen(command)
    _, status, usage = os.wait4(done.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"the audit of {images} pictures ended in {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=2000)
    parser.add_argument("--many", type=int, default=20000)
    asked = parser.parse_args()
    from tests.support.onnx_networks import save, small_cnn

    with tempfile.TemporaryDirectory() as temporary:
        model = save(small_cnn(classes=2), Path(temporary) / "model.onnx")
        few, many = (peak(Path(temporary), model, n) for n in (asked.few, asked.many))
    sys.stdout.write(f"| {asked.few} | {few:.0f} MiB | {asked.many} | {many:.0f} MiB | **{many / few:.2f}** |\n")


if __name__ == "__main__":
    main()
