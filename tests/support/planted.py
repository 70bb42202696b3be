"""Small probe sets of drawn faces, with or without an effect planted in the pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audit.demo.faces import SIZE, Drawn
from audit.demo.people import GENDERS, SKINS
from audit.demo.probe_set import Picture, balanced_pictures, write_probe_set

BADGES = {"female": "red", "male": "blue"}
BADGE_COLORS = {"red": (214, 40, 40), "blue": (40, 80, 214)}
BADGE_BOX = (4, 4, 18, 18)  # left, top, right, bottom: a corner where there is only background


def drawn_probe(
    folder: Path, *, subjects: int = 12, pictures: int = 2, seed: int = 0, badge: float | None = None
) -> Path:
    """Write a probe set of `subjects` people (a multiple of six: as many of each gender and skin tone).

    With `badge` every picture has a red or blue badge in a corner, a column `badge` and a region `badge`. Its color
    goes with the gender with this correlation: 1 always (red for women), 0 not at all.
    """
    cells = len(GENDERS) * len(SKINS)
    if subjects % cells:
        raise ValueError(f"subjects must be a multiple of {cells}, got {subjects}")
    drawn = balanced_pictures(subjects_per_cell=subjects // cells, pictures=pictures, seed=seed)
    return write_probe_set(folder, drawn if badge is None else _with_badges(drawn, badge, seed))


def _with_badges(pictures: Iterator[Picture], correlation: float, seed: int) -> Iterator[Picture]:
    rng = np.random.default_rng([seed, 77])
    for picture in pictures:
        fitting = BADGES[picture.columns["gender"]]
        (other,) = set(BADGE_COLORS) - {fitting}
        color = fitting if rng.random() < (1 + correlation) / 2 else other
        columns = {**picture.columns, "badge": color}
        yield dataclasses.replace(picture, columns=columns, drawn=_pin(picture.drawn, color))


def _pin(drawn: Drawn, color: str) -> Drawn:
    image = drawn.image.copy()
    image.paste(BADGE_COLORS[color], BADGE_BOX)
    covered = np.zeros((SIZE, SIZE), dtype=bool)
    left, top, right, bottom = BADGE_BOX
    covered[top:bottom, left:right] = True
    regions = {name: mask & ~covered for name, mask in drawn.regions.items()}
    return Drawn(image=image, regions={**regions, "badge": covered})
