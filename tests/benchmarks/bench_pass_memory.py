"""Peak memory of a pass that looks inside against that of a bare pass over batches of the same size.

    python -m tests.benchmarks.bench_pass_memory

Each in a process of its own, with its interpreter and libraries: three batches of 64 at 224 x 224. The audit's process
also decodes the pictures, as an audit does. Prints rows of a Markdown table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

BATCHES = 3


def bare(path: Path, form: str, size: int) -> None:
    """Nothing is imported here that a bare pass does not need."""
    import numpy as np

    images = np.random.default_rng(0).standard_normal((size, 3, 224, 224), dtype=np.float32)
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for _ in range(BATCHES):
            session.run(None, {session.get_inputs()[0].name: images})
        return
    import torch

    module = torch.jit.load(str(path)).eval() if form == "torchscript" else torch.export.load(str(path)).module()
    with torch.inference_mode():
        for _ in range(BATCHES):
            module(torch.from_numpy(images)).numpy()


def audit(path: Path, cam: str, size: int, folder: Path) -> None:
    import numpy as np

    from audit.engines.local import Local
    from audit.planning import prepare
    from audit.probes import ProbeOptions, read_probe
    from audit.runtimes import open_model
    from audit.settings import RunSettings

    probe = read_probe(folder, ProbeOptions())
    settings = RunSettings(classes=("a", "b"), preprocess="imagenet", cam=cam, batch_size=size)
    plan = prepare(open_model(path, device="cpu"), probe, settings).plan
    for _ in Local().shards(plan, np.arange(len(probe), dtype=np.int64)):
        pass


def highest() -> float:
    """MiB of this process at its highest. The system's own count begins with the parent's memory: not that one."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak(*told: object) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.bench_pass_memory", "--child", *map(str, told)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(kind: str, path: str, how: str, size: str, folder: str) -> None:
    if kind == "bare":
        bare(Path(path), how, int(size))
    else:
        audit(Path(path), how, int(size), Path(folder))
    sys.stdout.write(f"{highest()}\n")


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    from tests.benchmarks._networks import FORMATS, NETWORKS, write
    from tests.benchmarks._probe import write_probe

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cam", default="auto")
    asked = parser.parse_args()
    sys.stdout.write(
        "| network | file | map | bare pass | looking inside | ratio |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    with tempfile.TemporaryDirectory() as temporary:
        probe = write_probe(Path(temporary) / "probe", asked.batch_size * BATCHES)
        for name in asked.networks:
            for form in asked.formats:
                folder = Path(temporary) / f"{name}-{form}"
                folder.mkdir()
                path = write(name, folder, form)
                lowest = peak("bare", path, form, asked.batch_size, probe)
                ours = peak("audit", path, asked.cam, asked.batch_size, probe)
                row = f"| {name} | {form} | {asked.cam} | {lowest:.0f} MiB | {ours:.0f} MiB | **{ours / lowest:.2f}** |"
                sys.stdout.write(row + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
