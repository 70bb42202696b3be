"""Add a way to make class activation maps: capturing is the runtime's work, a method is one line of arithmetic.

In your own package, name the method in `pyproject.toml`:

    [project.entry-points."bias_audit.cams"]
    positive_cam = "my_package.positive_cam:POSITIVE_CAM"

and ask for it with `--cam positive_cam`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import audit
from audit.cams import CAMS, CamInput, CamMethod
from audit.demo import write_demo


def _positive(seen: CamInput) -> NDArray[np.float32]:
    if seen.weight is None:
        msg = "a method that needs the head is only called with one"
        raise ValueError(msg)
    weight = seen.weight[seen.targets] if len(seen.weight) > 1 else seen.weight[[0] * len(seen.targets)]
    return np.einsum("bc,bchw->bhw", np.maximum(weight, 0), seen.activation)


POSITIVE_CAM = CamMethod(
    name="positive_cam",
    title="Positive CAM",
    formula="M(i,j) = sum over channels of max(w, 0) A(i,j)",
    source="defined in this example",
    needs=frozenset({"head"}),
    compute=_positive,
)
CAMS.add("positive_cam", POSITIVE_CAM)


def main(folder: Path) -> None:
    model, probe = write_demo(folder / "demo")
    result = audit.run_audit(model, probe=probe, groups=["skin"], cam="positive_cam", limit=120)
    print(result["relevance_mass"].by_group("skin").round(3))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
