"""Real faces and models, where the developer has them; they are not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_data(*parts: str) -> Path:
    """A path under `../shared/data`, or a skipped test where it is missing."""
    path = ROOT.parent.joinpath("shared", "data", *parts)
    if not path.exists():
        pytest.skip(f"real data is not here: ../shared/data/{'/'.join(parts)}")
    return path
