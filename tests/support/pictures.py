"""Small probe folders on disk, and pictures that stand in them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def noise(width: int, height: int, seed: int = 0, *, smooth: int = 8) -> Image.Image:
    """An RGB picture of random color patches `smooth` pixels wide, blended: it has edges, and JPEG keeps it well."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (max(2, height // smooth), max(2, width // smooth), 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def write_manifest(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "manifest.csv") -> Path:
    """A CSV manifest with the first row's columns."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_probe(
    folder: Path, rows: Sequence[Mapping[str, object]], *, size: tuple[int, int] = (12, 10), column: str = "path"
) -> Path:
    """A manifest and a small PNG for each of its rows. Gives the folder."""
    write_manifest(folder, rows)
    for seed, row in enumerate(rows):
        path = folder / str(row[column])
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(*size, seed).save(path)
    return folder
