"""Every CAM method keeps the contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.cams import CAMS, CamInput, CamMethod
from audit.runtimes import Head

METHODS = pytest.mark.parametrize("method", [method for _, method in CAMS.items()], ids=CAMS.names())


@METHODS
def test_its_name_is_the_one_it_is_found_by(method: CamMethod) -> None:
    assert CAMS.get(method.name) is method


@METHODS
def test_it_says_what_it_is_and_where_it_comes_from(method: CamMethod) -> None:
    assert all((method.title, method.formula, method.source))
    assert method.needs <= {"head", "gradients", "outputs", "tail", "forward"}


CASES = pytest.mark.parametrize(("batch", "classes", "size"), [(1, 1, (4, 4)), (3, 2, (5, 7)), (2, 10, (1, 2)),
                                                             (2, 1000, (2, 2)), (2, 2, (1, 1))])  # fmt: skip


def seen_by(method: CamMethod, batch: int, classes: int, size: tuple[int, int], channels: int = 6) -> CamInput:
    """Random numbers, and no more of them than the method asks for."""
    rng = np.random.default_rng(1)
    activation = rng.normal(size=(batch, channels, *size)).astype(np.float32)
    weight = rng.normal(size=(classes, channels)).astype(np.float32)
    head = Head(layer="last", weight=weight, bias=rng.normal(size=classes).astype(np.float32))
    images = rng.normal(size=(batch, 3, 8, 9)).astype(np.float32)
    picture = rng.normal(size=(classes, 3)).astype(np.float32)
    targets = rng.integers(0, max(classes, 2), batch)
    sample = ((int(k), rng.normal(size=(30, channels, *size)).astype(np.float32)) for k in np.unique(targets))
    needs = method.needs
    return CamInput(
        activation=activation,
        targets=targets,
        gradient=rng.normal(size=activation.shape).astype(np.float32) if "gradients" in needs else None,
        weight=head.weight if "head" in needs else None,
        bias=head.bias if "head" in needs else None,
        outputs=rng.normal(size=(batch, classes)) if "outputs" in needs else None,
        images=images if "forward" in needs else None,
        tail=(lambda changed: changed.mean(axis=(2, 3)) @ weight.T) if "tail" in needs else None,
        forward=(lambda pictures: pictures.mean(axis=(2, 3)) @ picture.T) if "forward" in needs else None,
        fitted=method.fit(sample, head) if method.fit else None,
    )


@METHODS
@CASES
def test_it_gives_one_finite_float32_map_an_image_from_no_more_than_it_needs(
    method: CamMethod, batch: int, classes: int, size: tuple[int, int]
) -> None:
    given = seen_by(method, batch, classes, size)
    before = given.activation.copy()
    maps = method.compute(given)

    assert (maps.shape, maps.dtype) == ((batch, *size), np.float32)
    assert np.isfinite(maps).all()
    np.testing.assert_array_equal(given.activation, before)


@METHODS
def test_only_a_signed_method_gives_negative_cells(method: CamMethod) -> None:
    made = method.compute(seen_by(method, 8, 3, (4, 5)))

    assert (made < 0).any() == method.signed


@METHODS
def test_it_depends_on_the_class_where_it_says_so(method: CamMethod) -> None:
    given = seen_by(method, 8, 3, (4, 5))
    if method.fit is not None:
        known = given.fitted
        given = dataclasses.replace(given, fitted={k: known[min(known, key=lambda o: (o != k, o))] for k in range(3)})
    turned = dataclasses.replace(
        given,
        targets=(given.targets + 1) % 3,
        gradient=-given.gradient if given.gradient is not None else None,
        shared={},
    )

    assert (not np.array_equal(method.compute(given), method.compute(turned))) == method.by_class


@METHODS
def test_an_image_has_the_same_map_in_any_batch(method: CamMethod) -> None:
    given = seen_by(method, 5, 3, (4, 5))
    together = method.compute(given)
    for i in range(5):
        parts = {
            name: getattr(given, name)[i : i + 1]
            for name in ("activation", "targets", "gradient", "outputs", "images")
            if getattr(given, name) is not None
        }
        alone = method.compute(dataclasses.replace(given, **parts, shared={}))

        np.testing.assert_allclose(alone[0], together[i], rtol=1e-4, atol=1e-5)


@METHODS
def test_an_activation_that_is_0_everywhere_gives_a_map_that_is_0_everywhere(method: CamMethod) -> None:
    given = seen_by(method, 3, 3, (4, 5))
    nothing = dataclasses.replace(given, activation=np.zeros_like(given.activation))

    np.testing.assert_array_equal(method.compute(nothing), np.zeros((3, 4, 5)))


@METHODS
@pytest.mark.parametrize("place", ["activation", "gradient"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_in_one_image_spoils_that_image_only(method: CamMethod, place: str, number: float) -> None:
    given = seen_by(method, 3, 3, (4, 5))
    array = getattr(given, place)
    if array is None:
        pytest.skip("the method does not look at gradients")
    clean = method.compute(given)
    spoiled = array.copy()
    spoiled[1, 2, 0, 0] = number
    with np.errstate(all="ignore"):  # as the mapper calls it
        found = method.compute(dataclasses.replace(given, **{place: spoiled}, shared={}))

    assert not np.isfinite(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], clean[[0, 2]], rtol=1e-5, atol=1e-6)
