"""A probe set of noise pictures with regions, and its batches decoded beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from audit.planning import Prepared
from audit.probes import Batch, batches

REGIONS = "\n".join(f"r{i} = {{box = [{20 * i}, {20 * i}, {20 * i + 90}, {20 * i + 90}]}}" for i in range(5))


def write_probe(folder: Path, images: int, *, side: int = 224, regions: bool = True) -> Path:
    """Noise pictures with two labels and four groups: what is in them makes no difference to the time."""
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for i in range(images):
        coarse = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side)).save(folder / "images" / f"{i:06d}.jpg")
    rows = np.arange(images)
    pd.DataFrame(
        {
            "path": [f"images/{i:06d}.jpg" for i in rows],
            "label": np.where(rows % 2, "a", "b"),
            "subject": rows // 3,
            "group": rows % 4,
        }
    ).to_csv(folder / "manifest.csv", index=False)
    head = '[probe]\nlabel = "label"\nsubject = "subject"\ngroups = ["group", "label*group"]\naligned = true\n'
    (folder / "bias-audit.toml").write_text(head + (f"[regions]\n{REGIONS}\n" if regions else ""))
    return folder


def decoded(prepared: Prepared, size: int) -> list[Batch]:
    plan = prepared.plan
    rows = np.arange(len(plan.probe), dtype=np.int64)
    return list(batches(plan.probe, plan.input, rows, batch_size=size, workers=2, regions=plan.regions))
