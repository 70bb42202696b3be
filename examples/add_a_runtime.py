"""Add a model format: one class that knows the suffix and opens the file, one that runs it.

This one reads `.npz` files that hold a linear classifier on the picture's mean color: `weight` [K, 3] and `bias` [K].
It has no layers, so activations and maps are skipped, and the record says why. In your own package, name the runtime:

    [project.entry-points."bias_audit.runtimes"]
    meancolor = "my_package.meancolor:MeanColorRuntime"
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import audit
from audit.demo import write_demo
from audit.errors import ModelError
from audit.runtimes import RUNTIMES, Capture, Description, Randomized, Request, TensorSpec


class MeanColorModel:
    """logits = weight @ mean color + bias."""

    format = "meancolor"
    inputs = (TensorSpec(name="image", shape=(None, 3, 32, 32), dtype="float32"),)
    batch = None
    provider = "numpy"
    device = "cpu"
    guard = None
    passes = 1
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = (path,)
        try:
            with np.load(path, allow_pickle=False) as held:
                self._weight, self._bias = held["weight"], held["bias"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"not a mean-color model: {error}", where=path) from error
        self.outputs = (TensorSpec(name="logits", shape=(None, len(self._bias)), dtype="float32"),)

    def describe(self, shape: tuple[int, int, int, int]) -> Description:
        """No layers: there is nothing between the picture and the logits."""
        return Description(
            inputs=self.inputs,
            outputs=self.outputs,
            layers=(),
            heads={},
            heads_missing={"logits": "the model has no spatial layer"},
            final={"logits": None},
            gradients="the model has no spatial layer",
        )

    def prepare(self, request: Request) -> None:
        """Nothing to set up: the plan asks only for what `describe` offered."""

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:
        """Images [B, 3, H, W] to logits [B, K]; whose file each is doesn't matter here."""
        return Capture(
            outputs=(images.mean(axis=(2, 3)) @ self._weight.T + self._bias).astype(np.float32), strengths={}
        )

    def randomized(self, share: float, seed: int) -> Randomized:
        """Asked for only where there is a map to be checked."""
        raise ModelError("the model has no layers whose weights could be drawn anew", where=self.path)

    def close(self) -> None:
        """Nothing is held."""


class MeanColorRuntime:
    """Opens `.npz` files."""

    suffixes = (".npz",)

    def open(self, path: Path, *, device: str, threads: int | None) -> MeanColorModel:
        """Only numpy arrays are read, never a pickle."""
        return MeanColorModel(path)


RUNTIMES.add("meancolor", MeanColorRuntime())


def main(folder: Path) -> None:
    _, probe = write_demo(folder / "demo")
    path = folder / "linear.npz"
    np.savez(path, weight=np.array([[4.0, -4.0, 0.0], [-4.0, 4.0, 0.0]]), bias=np.array([0.1, 0.0]))
    result = audit.run_audit(path, probe=probe, groups=["skin"], limit=120, accept_chance=True)
    print(result["wrong_label_rate"].by_group("skin").round(3))
    print(next(s.reason for s in result.skipped if s.measure == "activation_strength"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
