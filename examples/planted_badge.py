"""Plant a shortcut and find it: networks whose training pictures wear a badge that goes with the label.

Each network learns to tell women from men on drawn faces. In its training pictures a red badge sits in a corner, on
women's with the given probability and on men's with one minus it: 0.5 says nothing, 1.0 gives the answer away. In
the probe set the badge sits on every second picture, whoever is on it. So the audit sees what it is taken for:

    python examples/planted_badge.py            # needs the extra [torch]; about a minute

The probe set has a column `badge` and a region of the same name. That is all it takes for `co_occurrence`.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image

import audit
from audit.demo.faces import SIZE, Drawn
from audit.demo.people import GENDERS
from audit.demo.probe_set import Picture, balanced_pictures, write_probe_set

sys.path.append(str(Path(__file__).parent))
from train_demo_model import SIDE, TrainingSet, model_toml, to_onnx, train

RED = (214, 40, 40)
BOX = (4, 4, 18, 18)  # left, top, right, bottom: a corner where there is only background
CORRELATIONS = (0.5, 0.7, 0.9, 1.0)
SETTINGS = """\
[probe]
label = "gender"
subject = "subject"
groups = ["gender", "badge"]
aligned = true
"""


def with_badges(pictures: Iterable[Picture], correlation: float, seed: int) -> Iterator[Picture]:
    """Pictures with a badge on women's with this probability, on men's with one minus it; 0.5 is no correlation."""
    rng = np.random.default_rng([seed, 77])
    for picture in pictures:
        goes = correlation if picture.columns["gender"] == "female" else 1 - correlation
        worn = bool(rng.random() < goes)
        columns = {**picture.columns, "badge": "yes" if worn else "no"}
        yield dataclasses.replace(picture, columns=columns, drawn=_pinned(picture.drawn, worn=worn))


def _pinned(drawn: Drawn, *, worn: bool) -> Drawn:
    """The picture with a badge and its region; without one the region is empty."""
    image, region = drawn.image.copy(), np.zeros((SIZE, SIZE), dtype=bool)
    if worn:
        image.paste(RED, BOX)
        left, top, right, bottom = BOX
        region[top:bottom, left:right] = True
    return Drawn(image=image, regions={"badge": region, "face": drawn.regions["face"]})


def training_set(pictures: Sequence[Picture]) -> TrainingSet:
    """The pictures as the network takes them."""
    small = [np.asarray(p.drawn.image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in pictures]
    return TrainingSet(np.stack(small), np.array([GENDERS.index(p.columns["gender"]) for p in pictures]))


def write_model(folder: Path, pictures: Sequence[Picture], correlation: float, seed: int) -> Path:
    """Train on these people with badges of this correlation; gives the ONNX file, its settings beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"badge-{round(100 * correlation)}.onnx"
    worn = list(with_badges(pictures, correlation, seed))
    onnx.save(to_onnx(train(training_set(worn))), str(path))
    settings = model_toml().partition("[model.facts]")[0]
    path.with_suffix(".onnx.toml").write_text(f"{settings}[model.facts]\nbadge_correlation = {correlation}\n")
    return path


def write_probe(folder: Path, pictures: Iterable[Picture], seed: int) -> Path:
    """The probe set: a badge on every second picture, whoever is on it."""
    return write_probe_set(folder, with_badges(pictures, 0.5, seed), SETTINGS)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    learned = list(balanced_pictures(subjects_per_cell=90, pictures=2, seed=9_000_001))
    probe = write_probe(folder / "probe", balanced_pictures(subjects_per_cell=40, pictures=2, seed=1), seed=1)
    for correlation in CORRELATIONS:
        model = write_model(folder, learned, correlation, seed=2)
        result = audit.run_audit(model, probe=probe)
        print(f"badge and label agree in {correlation:.0%} of the training pictures")
        print(result["co_occurrence"].by_group("gender*badge").round(3))
        print(result["context_mass"].by_group("gender*badge").round(3))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
