"""Every method against its formula, and what each promises of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.cams import CAMS, CamInput, Mapper, as_logits, logits_of
from audit.cams._prototypes import clustered
from audit.runtimes import Capture, Head
from tests.support import slow_cams as slow

KINDS = pytest.mark.parametrize("kind", ["any sign", "never negative", "dead channel"])
CLASSES = pytest.mark.parametrize("classes", [1, 2, 3, 1000])


def random_input(kind: str = "any sign", *, batch: int = 3, classes: int = 3, channels: int = 5) -> CamInput:
    rng = np.random.default_rng(0)
    activation = rng.normal(size=(batch, channels, 4, 5)).astype(np.float32)
    if kind != "any sign":
        activation = np.maximum(activation, 0)
    if kind == "dead channel":
        activation[:, 1] = 0
    picture = rng.normal(size=(classes, 3)).astype(np.float32)
    mixed = rng.normal(size=(classes, channels)).astype(np.float32)
    return CamInput(
        activation=activation,
        targets=rng.integers(0, max(classes, 2), batch),
        gradient=rng.normal(size=activation.shape).astype(np.float32),
        weight=rng.normal(size=(classes, channels)).astype(np.float32),
        bias=rng.normal(size=classes).astype(np.float32),
        images=rng.normal(size=(batch, 3, 9, 8)).astype(np.float32),
        tail=lambda changed: np.tanh(changed).mean(axis=(2, 3)) @ mixed.T + 0.3,
        forward=lambda pictures: (pictures**2).mean(axis=(2, 3)) @ picture.T,
    )


def target_score(run: Callable[[NDArray[Any]], NDArray[Any]], target: int) -> Callable[[Any], float]:
    def score(one: Any) -> float:
        row = run(np.array([one]))[0]
        return float(row[target] if len(row) > 1 else row[0] * (2 * target - 1))

    return score


def slowly(name: str, given: CamInput) -> NDArray[np.float64]:
    made = []
    for b, target in enumerate(given.targets.tolist()):
        a, g = given.activation[b].tolist(), given.gradient[b].tolist()
        weight, bias = given.weight.tolist(), given.bias.tolist()
        arguments = {
            "cam": (a, weight, target),
            "infocam": (a, weight, target),
            "infocam_plus": (a, weight, bias, target),
            "eigencam": (a,),
            "ablationcam": (a, target_score(given.tail, target)),
            "scorecam": (a, given.images[b].tolist(), target_score(given.forward, target)),
        }.get(name, (a, g))
        made.append(getattr(slow, name)(*arguments))
    return np.array(made)


@KINDS
@pytest.mark.parametrize("name", [name for name in CAMS.names() if name != "lpcam"])
def test_a_method_is_its_formula(name: str, kind: str) -> None:
    given = random_input(kind)

    np.testing.assert_allclose(CAMS.get(name).compute(given), slowly(name, given), rtol=1e-4, atol=1e-5)


@CLASSES
@pytest.mark.parametrize("name", ["cam", "infocam", "infocam_plus", "ablationcam"])
def test_from_one_logit_to_a_thousand(name: str, classes: int) -> None:
    given = random_input(classes=classes)

    np.testing.assert_allclose(CAMS.get(name).compute(given), slowly(name, given), rtol=1e-4, atol=1e-5)


def logits(given: CamInput) -> NDArray[np.float64]:
    """With both classes of a single logit."""
    found = logits_of(Head(layer="", weight=given.weight, bias=given.bias), given.activation)
    return np.concatenate([np.zeros_like(found), found], axis=1) if found.shape[1] == 1 else found


@CLASSES
def test_infocam_adds_up_to_the_difference_of_logits(classes: int) -> None:
    """Completeness: its mean is the logit less the mean of the others, without the bias terms."""
    given = random_input(classes=classes, batch=6)
    bias = np.concatenate([[0], given.bias]) if classes == 1 else given.bias
    for row, target in enumerate(given.targets):
        plain = logits(given)[row] - bias
        expected = plain[target] - np.delete(plain, target).mean()

        assert CAMS.get("infocam").compute(given)[row].mean() == pytest.approx(expected, abs=1e-4)


@CLASSES
def test_infocam_plus_adds_up_to_the_difference_from_the_least_likely(classes: int) -> None:
    given = random_input(classes=classes, batch=6)
    bias = np.concatenate([[0], given.bias]) if classes == 1 else given.bias
    for row, target in enumerate(given.targets):
        whole = logits(given)[row]
        order = [k for k in np.argsort(whole) if k != target]
        expected = (whole - bias)[target] - (whole - bias)[order[0]]

        assert CAMS.get("infocam_plus").compute(given)[row].mean() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["infocam", "infocam_plus"])
def test_two_logits_and_one_of_their_difference_give_the_same_map(name: str) -> None:
    two = random_input(classes=2)
    one = dataclasses.replace(two, weight=two.weight[1:] - two.weight[:1], bias=two.bias[1:] - two.bias[:1])
    method = CAMS.get(name)

    np.testing.assert_allclose(method.compute(one), method.compute(two), rtol=1e-4, atol=1e-5)
    other = dataclasses.replace(two, targets=1 - two.targets)
    np.testing.assert_allclose(method.compute(other), -method.compute(two), rtol=1e-4, atol=1e-5)


def test_cam_of_two_logits_uses_the_weights_of_the_class_itself() -> None:
    two = dataclasses.replace(random_input(classes=2), targets=np.array([1, 1, 0]))
    changed = dataclasses.replace(two, weight=two.weight * np.array([[5], [1]], dtype=np.float32))
    before, after = (CAMS.get("cam").compute(given) for given in (two, changed))

    np.testing.assert_array_equal(after[:2], before[:2])
    np.testing.assert_allclose(after[2], 5 * before[2], rtol=1e-5)


def head_capture(classes: int = 3) -> tuple[CamInput, Head, Capture]:
    given = random_input("never negative", classes=classes)
    head = Head(layer="last", weight=given.weight, bias=given.bias)
    return given, head, Capture(outputs=np.zeros((3, classes)), strengths={}, activation=given.activation)


def mapped(name: str, head: Head | None, capture: Capture, targets: Any, **fields: Any) -> NDArray[np.float32]:
    mapper = Mapper(method=CAMS.get(name), head=head, **fields)
    return mapper.maps(None, capture, np.zeros((3, 3, 8, 8), np.float32), np.array(targets))


@pytest.mark.parametrize("name", ["gradcam", "xgradcam", "hirescam", "ablationcam"])
@pytest.mark.parametrize("classes", [1, 3])
def test_with_an_exact_head_and_no_gradients_a_map_is_cam_but_for_its_scale(name: str, classes: int) -> None:
    """What each says when all that follows is a pool and a linear layer; no gradient and no tail is asked for."""
    given, head, capture = head_capture(classes)
    targets = [0, 1, 1]
    cam = mapped("cam", head, capture, targets)
    made = mapped(name, head, capture, targets)
    if name == "hirescam":
        np.testing.assert_allclose(made * 20, cam, rtol=1e-4, atol=1e-5)
        return
    weight = np.concatenate([-given.weight, given.weight]) if classes == 1 else given.weight
    if name == "ablationcam":  # a channel counts by how much of the logit comes from it
        share = weight[targets] * given.activation.mean(axis=(2, 3))
        cam = np.einsum("bc,bchw->bhw", share, given.activation)
    cam = np.maximum(cam, 0)
    np.testing.assert_allclose(made / made.max(axis=(1, 2), keepdims=True), cam / cam.max(axis=(1, 2), keepdims=True),
                               rtol=1e-3, atol=1e-4)  # fmt: skip


def test_gradients_that_are_not_finite_leave_that_image_without_a_map() -> None:
    given = random_input(batch=4)
    for name in ("gradcam", "gradcam_plusplus", "layercam", "xgradcam", "hirescam"):
        gradient = given.gradient.copy()
        gradient[0, 0, 0, 0], gradient[1, 1, 1, 1], gradient[2, 2, 0, 1] = np.nan, np.inf, -np.inf
        capture = Capture(
            outputs=np.zeros((4, 3)), strengths={}, activation=given.activation, gradient=lambda _, g=gradient: g
        )
        made = mapped(name, None, capture, given.targets)

        assert np.isnan(made[:3]).all(), name
        assert np.isfinite(made[3]).all(), name


def test_an_image_without_a_target_has_no_map() -> None:
    _, head, capture = head_capture()

    assert np.isnan(mapped("cam", head, capture, [0, -1, 2])).all(axis=(1, 2)).tolist() == [False, True, False]


def test_what_several_targets_have_in_common_is_computed_once() -> None:
    given = random_input("never negative")
    runs = []
    capture = Capture(
        outputs=np.zeros((3, 3)),
        strengths={},
        activation=given.activation,
        tail=lambda changed: runs.append(1) or given.tail(changed),
    )
    mapper = Mapper(method=CAMS.get("ablationcam"), head=None)
    first, second = mapper.maps_of(None, capture, given.images, (np.array([0, 1, 2]), np.array([1, 2, 0])))

    assert len(runs) == 1 + 5
    alone = mapped("ablationcam", None, capture, [1, 2, 0])
    np.testing.assert_array_equal(second, alone)
    assert not np.array_equal(first, second)


def test_scorecam_sees_pictures_with_their_channels_last_and_of_whole_numbers() -> None:
    given = random_input("never negative")
    pixels = np.random.default_rng(3).integers(0, 256, given.images.shape).astype(np.uint8)
    seen: list[NDArray[Any]] = []

    def forward(pictures: NDArray[Any]) -> NDArray[np.float64]:
        seen.append(pictures)
        return pictures.mean(axis=(1, 2))

    method = CAMS.get("scorecam")
    first = dataclasses.replace(given, images=pixels, forward=lambda p: forward(p.transpose(0, 2, 3, 1)), shared={})
    last = dataclasses.replace(
        given, images=pixels.transpose(0, 2, 3, 1), channels_last=True, forward=forward, shared={}
    )

    np.testing.assert_allclose(method.compute(first), method.compute(last), rtol=1e-6)
    assert {array.dtype for array in seen} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(seen[0], seen[5])


@pytest.mark.parametrize(
    ("final", "outputs"),
    [
        (None, [[1.0, -2.0]]),
        ("log_softmax", [[-0.04858735, -3.04858735]]),
        ("softmax", [[0.95257413, 0.04742587]]),
        ("probabilities", [[0.95257413, 0.04742587]]),
        ("sigmoid", [[0.73105858, 0.11920292]]),
    ],
)
def test_logits_are_what_a_model_gives_before_its_last_step(final: str | None, outputs: list[list[float]]) -> None:
    found = as_logits(np.array(outputs), final)

    assert found[0, 0] - found[0, 1] == pytest.approx(3.0, abs=1e-5)
    assert as_logits(np.array([[0.73105858]]), "probabilities")[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(as_logits(np.array([[0.0, 1.0]]), final)).all()


def test_cells_that_are_alike_come_together_whatever_their_length() -> None:
    rng = np.random.default_rng(0)
    directions = np.eye(4)[:3] + 0.05
    cells = (directions[np.arange(300) % 3] + rng.normal(0, 0.01, (300, 4))) * rng.uniform(0.5, 5, (300, 1))
    found = clustered(np.vstack([cells, np.zeros((5, 4))]).astype(np.float32), 3)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    expected = directions / np.linalg.norm(directions, axis=1, keepdims=True)

    assert sorted((unit @ expected.T).max(axis=0)) == pytest.approx([1, 1, 1], abs=1e-3)
    np.testing.assert_array_equal(found, clustered(np.vstack([cells, np.zeros((5, 4))]).astype(np.float32), 3))
    assert clustered(np.zeros((7, 4), np.float32), 3).shape == (0, 4)
    assert clustered(np.ones((7, 4), np.float32), 3).shape == (1, 4)
    assert clustered(np.ones((0, 4), np.float32), 3).shape == (0, 4)


def planted_sample() -> tuple[Head, list[tuple[int, NDArray[np.float32]]]]:
    """Class 1 has channel 1 in its upper left cells and, weaker, channel 2 beside it; around both is channel 3."""
    head = Head(layer="", weight=np.array([[4, 0, 0, 0.1], [0, 4, 3, 0.1]], np.float32), bias=np.zeros(2, np.float32))
    seen = np.zeros((6, 4, 4, 4), np.float32)
    seen[:, 3] = 1
    seen[:, 1, :2, :2], seen[:, 3, :2, :2] = 3, 0
    seen[:, 2, :2, 2:], seen[:, 3, :2, 2:] = 1, 0
    return head, [(1, seen)]


def test_lpcam_finds_what_a_class_looks_like_also_where_it_is_weak() -> None:
    head, sample = planted_sample()
    method = CAMS.get("lpcam")
    given = CamInput(
        activation=sample[0][1][:2],
        targets=np.array([1, 0]),
        weight=head.weight,
        bias=head.bias,
        fitted=method.fit(sample, head),
    )
    made = method.compute(given)
    known = given.fitted[1]

    assert list(given.fitted) == [1]
    np.testing.assert_allclose(made[0], slow.lpcam(given.activation[0].tolist(), known.own.tolist(),
                                                   known.around.tolist()), atol=1e-5)  # fmt: skip
    cam = CAMS.get("cam").compute(given)[0]
    assert cam[0, 3] / cam[0, 0] == pytest.approx(0.25)
    assert made[0, 0, 3] / made[0, 0, 0] == pytest.approx(1.0, abs=0.01)
    assert made[0, 3, 3] < 0 < made[0, 0, 0]
    assert np.isnan(made[1]).all()


def test_lpcam_learns_nothing_from_pictures_that_are_not_finite_or_say_nothing_for_the_class() -> None:
    head, [(_, seen)] = planted_sample()
    spoiled = np.concatenate([seen, np.full((1, 4, 4, 4), np.nan, np.float32)])
    method = CAMS.get("lpcam")

    np.testing.assert_array_equal(method.fit([(1, spoiled)], head)[1].own, method.fit([(1, seen)], head)[1].own)
    assert method.fit([(1, np.zeros((2, 4, 4, 4), np.float32))], head) == {}
    assert method.fit([], head) == {}


@pytest.mark.parametrize("name", ["ablationcam", "scorecam"])
def test_of_a_thousand_classes_only_those_asked_for_are_kept(name: str) -> None:
    given = random_input(classes=1000, channels=6)
    several = np.array([[3, 999, 7], [0, 7, 500]])
    shared: dict[str, Any] = {}
    for turn, targets in enumerate(several):
        seen = dataclasses.replace(given, targets=targets, several=several, turn=turn, shared=shared)
        alone = dataclasses.replace(given, targets=targets, shared={})
        np.testing.assert_array_equal(CAMS.get(name).compute(seen), CAMS.get(name).compute(alone))

    kept = [array for value in shared.values() for array in (value if isinstance(value, tuple) else (value,))]
    assert max(array.size for array in kept) == 6 * several.size
