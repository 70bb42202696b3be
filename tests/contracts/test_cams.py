"""Every CAM method keeps the contract."""

from __future__ import annotations

import numpy as np
import pytest

from audit.cams import CAMS, CamInput, CamMethod

METHODS = pytest.mark.parametrize("method", [method for _, method in CAMS.items()], ids=CAMS.names())


@METHODS
def test_its_name_is_the_one_it_is_found_by(method: CamMethod) -> None:
    assert CAMS.get(method.name) is method


@METHODS
def test_it_says_what_it_is_and_where_it_comes_from(method: CamMethod) -> None:
    assert all((method.title, method.formula, method.source))
    assert method.needs <= {"head", "gradients", "outputs", "tail", "forward"}


@METHODS
@pytest.mark.parametrize(("batch", "classes", "size"), [(1, 1, (4, 4)), (3, 2, (5, 7)), (2, 10, (1, 2))])
def test_it_gives_one_finite_float32_map_an_image_from_no_more_than_it_needs(
    method: CamMethod, batch: int, classes: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    shape = (batch, 6, *size)
    given = CamInput(
        activation=rng.normal(size=shape).astype(np.float32),
        targets=rng.integers(0, max(classes, 2), batch),
        gradient=rng.normal(size=shape).astype(np.float32) if "gradients" in method.needs else None,
        weight=rng.normal(size=(classes, 6)).astype(np.float32) if "head" in method.needs else None,
    )
    before = given.activation.copy()
    maps = method.compute(given)
    assert (maps.shape, maps.dtype) == ((batch, *size), np.float32)
    assert np.isfinite(maps).all()
    np.testing.assert_array_equal(given.activation, before)
