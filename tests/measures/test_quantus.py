"""Focus measures against Quantus' values of the same maps and masks, where the two share a definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support import peers
from tests.support.observed import context, seen, values

pytestmark = pytest.mark.torch

SIDE = 14


def drawn(seed: int) -> tuple[Any, Any]:
    """Maps without two cells alike, and masks of whole cells, none of them empty."""
    random = np.random.default_rng(seed)
    maps = random.permuted(np.arange(1, SIDE**2 + 1) ** 2 / SIDE**4, axis=0)
    maps = np.stack([random.permutation(maps) for _ in range(40)]).reshape(40, SIDE, SIDE).astype(np.float32)
    masks = np.zeros_like(maps)
    for mask in masks:
        top, left = random.integers(0, SIDE - 3, 2)
        mask[top : top + random.integers(2, 12), left : left + random.integers(2, 12)] = 1
    return maps, masks


def theirs(make: Callable[..., Any], maps: Any, masks: Any) -> Any:
    metric = make(disable_warnings=True, display_progressbar=False)
    pictures = np.zeros((len(maps), 1, SIDE, SIDE))
    found = metric.evaluate_batch(
        x_batch=pictures, a_batch=maps[:, None].astype(np.float64), s_batch=masks[:, None].astype(bool)
    )
    return np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize(
    ("ours", "named", "factor"),
    [
        ("relevance_mass", "RelevanceMassAccuracy", 1.0),
        ("relevance_mass", "AttributionLocalisation", 1.0),
        ("relevance_rank", "RelevanceRankAccuracy", 1.0),
        ("pointing_game", "PointingGame", 1.0),
        ("entropy", "Complexity", np.log(SIDE**2)),
    ],
)
def test_a_measure_has_the_value_that_quantus_gives(ours: str, named: str, factor: float) -> None:
    quantus = peers.quantus()
    maps, masks = drawn(0)
    observed = seen(len(maps), maps={"predicted": maps}, regions={"mouth": masks})
    found = np.array(values(context(regions=("mouth",)), observed, ours)) * factor
    expected = theirs(getattr(quantus, named), maps, masks)

    assert len(np.unique(expected)) > 1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
