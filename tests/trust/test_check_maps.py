"""The second stage from end to end: planted maps and networks, its budget, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import audit
import audit.trust
from audit._rows import plain
from audit.cams import CAMS, CamInput, CamMethod
from audit.errors import Interrupted, MachineError, ModelError, SettingsError
from audit.records import read_run
from audit.result import AuditResult, Estimate, Skipped, Trust
from audit.runtimes import _onnx_onward, by_class
from audit.runtimes import onnx as onnx_runtime
from audit.trust._passes import cost
from tests.support import onnx_networks as networks
from tests.support import trusted as support
from tests.support.data import shared_data
from tests.support.planted import drawn_probe
from tests.support.trusted import look, skipped, trusted

DEMO = Path(audit.demo.__file__).parent if hasattr(audit, "demo") else Path(audit.__file__).parent / "demo"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 people, one picture each, with a badge that always goes with the gender."""
    return drawn_probe(tmp_path_factory.mktemp("trust") / "faces", subjects=48, pictures=1, seed=3, badge=1.0)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's trained network."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("model.onnx", "model.onnx.toml", "model.pt", "model.pt.toml"):
        shutil.copy(DEMO / name, folder / name)
    return folder / "model.onnx"


@pytest.fixture
def center_prior() -> Iterator[str]:
    """A map that is brightest in the middle, whatever the network has learned."""
    yield from _registered("center", frozenset(), middle)


@pytest.fixture
def turned() -> Iterator[str]:
    """The same, turned round where the head's weights are in another order."""

    def compute(given: CamInput) -> np.ndarray:
        assert given.weight is not None
        weight = by_class(given.weight)
        signs = np.sign(weight[given.targets, 0] - weight[1 - given.targets, 0])
        return middle(given) * np.where(signs < 0, -1, 1).astype(np.float32)[:, None, None]

    yield from _registered("turned", frozenset({"head"}), compute)


@pytest.fixture
def vanishing() -> Iterator[str]:
    """The same, and 0 everywhere as soon as the head's weights change."""
    own: list[np.ndarray] = []

    def compute(given: CamInput) -> np.ndarray:
        assert given.weight is not None
        own.append(given.weight)
        return middle(given) * np.float32(np.array_equal(own[0], given.weight))

    yield from _registered("vanishing", frozenset({"head"}), compute)


def middle(given: CamInput) -> np.ndarray:
    count, _, height, width = given.activation.shape
    y, x = np.meshgrid(np.arange(height) - height / 2 + 0.4, np.arange(width) - width / 2 + 0.3, indexing="ij")
    return np.broadcast_to(np.exp(-(x**2 + y**2) / height), (count, height, width)).astype(np.float32)


def takes_passes(channels: int) -> Any:
    """A map that takes a pass of the whole network a channel, as Score-CAM does."""

    def compute(given: CamInput) -> np.ndarray:
        assert given.forward is not None
        assert given.images is not None
        made = np.zeros((len(given.targets), *given.activation.shape[2:]), np.float32)
        for channel in range(channels):
            score = given.forward(given.images)[np.arange(len(made)), given.targets]
            made += score[:, None, None].astype(np.float32) * given.activation[:, channel % given.activation.shape[1]]
        return made

    return compute


@pytest.fixture
def costly() -> Iterator[str]:
    yield from _registered("costly", frozenset({"forward"}), takes_passes(20))


@pytest.fixture
def affordable() -> Iterator[str]:
    yield from _registered("affordable", frozenset({"forward"}), takes_passes(8))


@pytest.fixture
def modest() -> Iterator[str]:
    yield from _registered("modest", frozenset({"forward"}), takes_passes(6))


def _registered(name: str, needs: frozenset[str], compute: Any) -> Iterator[str]:
    assert name not in CAMS
    CAMS.add(name, CamMethod(name=name, title=name, formula="", source="", needs=needs, compute=compute))
    yield name
    del CAMS._found[name]


@pytest.fixture(scope="module")
def whole(demo: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole audit."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    audit.run_audit(demo, probe=probe, out=folder, groups=["gender"])
    return folder


def states(found: Trust) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


def reads_one_patch(path: Path, *, sure: float = 40.0) -> Path:
    """Red or blue in the corner where the badge is, and nothing else of the picture."""
    net = networks.Net()
    mask = np.zeros((1, 1, 64, 64), np.float32)
    mask[..., 4:18, 4:18] = 1
    x = net.add("Mul", "image", net.weight(mask, "mask"), name="/mask/Mul")
    colors = np.array([[1, -0.5, -0.5], [-0.5, -0.5, 1]], np.float32).reshape(2, 3, 1, 1)
    x = net.add("Conv", x, net.weight(colors), kernel_shape=[1, 1], name="/colors/Conv")
    x = net.add("Relu", x, name="/relu/Relu")
    x = net.add("AveragePool", x, kernel_shape=[8, 8], strides=[8, 8], name="/small/AveragePool")
    x = net.add("Flatten", net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool"), name="/Flatten")
    head = net.weight(np.array([[sure, -sure], [-sure, sure]], np.float32) * 3)
    x = net.add("Gemm", x, head, net.weight(np.zeros(2, np.float32)), transB=1, name="/fc/Gemm", out="logits")
    return networks.save(net.model(("batch", 3, 64, 64), {x: ("batch", 2)}), path)


def test_the_map_of_a_trained_network_is_supported(demo: Path, probe: Path) -> None:
    found = trusted(demo, probe)

    assert (found.state, found.images, found.subjects) == ("supported", 32, 32)
    assert states(found)["randomization"] == "supported"
    assert found.levels[0].layers == 1
    assert found.levels[-1].layers == found.levels[-1].of


def test_the_map_of_a_network_that_reads_one_patch_is_supported(probe: Path, tmp_path: Path) -> None:
    found = trusted(reads_one_patch(tmp_path / "patch.onnx"), probe)

    assert states(found) == {"randomization": "supported", "deletion": "supported", "insertion": "supported"}
    assert found.curves is not None
    assert found.curves.deletion[1] < found.curves.random[1] - 0.2


def test_a_map_that_does_not_depend_on_the_weights_is_not_supported(demo: Path, probe: Path, center_prior: str) -> None:
    found = trusted(demo, probe, cam=center_prior)

    assert found.state == "not supported"
    assert [level.likeness.value for level in found.levels] == pytest.approx([1.0, 1.0, 1.0])
    assert [level.correlation.value for level in found.levels] == pytest.approx([1.0, 1.0, 1.0])
    assert "stays much the same" in found.because


def test_a_map_that_other_weights_only_turn_round_is_not_supported(demo: Path, probe: Path, turned: str) -> None:
    """As in a head of two classes, whose weights in another order make the map's opposite every other time."""
    found = trusted(demo, probe, cam=turned)
    last = found.levels[-1]

    assert last.likeness.value == pytest.approx(1.0)
    assert abs(last.correlation.value or 0.0) < 0.8
    assert states(found)["randomization"] == found.state == "not supported"


def test_a_map_that_is_blank_with_other_weights_is_no_evidence(demo: Path, probe: Path, vanishing: str) -> None:
    found = trusted(demo, probe, cam=vanishing)
    check = found.check("randomization")

    assert check is not None
    assert (check.state, check.estimate) == ("inconclusive", None)
    assert "no map that could be compared" in (check.reason or "")
    assert [level.blank for level in found.levels] == [32, 32, 32]
    assert found.state != "supported"


@pytest.mark.parametrize("seed", range(3))
def test_the_map_of_a_network_that_has_learned_nothing_is_not_supported(seed: int, probe: Path, tmp_path: Path) -> None:
    path = networks.save(networks.small_cnn(size=32, classes=2, seed=seed), tmp_path / "random.onnx")

    assert trusted(path, probe).state != "supported"


@pytest.mark.slow
def test_networks_that_have_learned_nothing_are_seldom_supported(probe: Path, tmp_path: Path) -> None:
    found = [
        trusted(networks.save(networks.small_cnn(size=32, classes=2, seed=s), tmp_path / f"{s}.onnx"), probe).state
        for s in range(40)
    ]

    assert found.count("supported") <= 2


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures any session has computed since the stage began: noise, filling and tails included."""
    count = [0]

    def counting(session: Any, names: Any, feed: dict[str, Any], **more: Any) -> Any:
        count[0] += len(next(iter(feed.values())))
        return run(session, names, feed, **more)

    def begun(*given_: Any, **more: Any) -> Any:
        count[0] = 0
        return check(*given_, **more)

    run, check = onnx_runtime.run_session, support.check_maps
    for module in (onnx_runtime, _onnx_onward):
        monkeypatch.setattr(module, "run_session", counting)
    monkeypatch.setattr(support, "check_maps", begun)
    return count


@pytest.mark.parametrize("pictures", [1, 3])
def test_the_budget_holds_whatever_the_size_of_the_probe_set(
    pictures: int, demo: Path, tmp_path: Path, computed: list[int]
) -> None:
    faces = drawn_probe(tmp_path / "faces", subjects=48, pictures=pictures, seed=1)
    _, passes = look(demo, faces)

    assert 17 * 32 == passes <= computed[0] <= 600


@pytest.mark.parametrize(("batch", "images"), [(1, 32), (4, 28), (13, 9)])
def test_what_fills_up_a_fixed_batch_counts(
    batch: int, images: int, probe: Path, tmp_path: Path, computed: list[int]
) -> None:
    path = networks.save(networks.small_cnn(size=32, classes=2, batch=batch), tmp_path / "fixed.onnx")
    found, passes = look(path, probe)

    assert isinstance(found, Trust)
    assert found.images == images
    assert passes <= computed[0] <= 600
    assert passes == cost(images, batch)


@pytest.mark.parametrize("batch", [14, 64])
def test_a_batch_too_large_for_the_budget_is_skipped_with_what_to_do(
    batch: int, probe: Path, tmp_path: Path, computed: list[int]
) -> None:
    path = networks.save(networks.small_cnn(size=32, classes=2, batch=batch), tmp_path / "fixed.onnx")

    assert f"no fewer than {batch} pictures at once" in skipped(path, probe)
    assert "export it with a free batch size, or one of at most 13" in skipped(path, probe)
    assert computed[0] == 0


def runs_behind(channels: int, path: Path) -> Path:
    """A network whose maps by ablation take a run of what is behind the layer for each channel."""
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, channels), 3, stride=4), name="/last/Relu")
    x = net.linear(net.add("Flatten", x, name="/Flatten"), (channels * 64, 2), name="/fc/Gemm", out="logits")
    return networks.save(net.model(("batch", 3, 32, 32), {x: ("batch", 2)}), path)


@pytest.mark.parametrize(("channels", "fits"), [(8, True), (64, False)])
def test_runs_behind_the_layer_count(
    channels: int, fits: bool, probe: Path, tmp_path: Path, computed: list[int]
) -> None:
    path = runs_behind(channels, tmp_path / "flat.onnx")
    found, passes = look(path, probe, cam="ablationcam")

    assert passes <= computed[0] <= 600
    assert isinstance(found, Trust) == fits
    if isinstance(found, Skipped):
        assert found.reason.startswith("Ablation-CAM needs more than")
    else:
        assert passes == (channels + 2) + cost(found.images, None, channels + 2)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking inside any network is found to change its outputs, so that the untouched one runs beside it."""
    monkeypatch.setattr("audit.runtimes._guard.difference", lambda *_: 1.0)


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(("batch", "images"), [("batch", 18), (1, 18), (4, 15)])
def test_the_pass_of_the_untouched_model_counts(
    batch: int | str, images: int, probe: Path, tmp_path: Path, computed: list[int]
) -> None:
    path = networks.save(networks.small_cnn(size=32, classes=2, batch=batch), tmp_path / "apart.onnx")
    found, passes = look(path, probe)
    fixed = None if batch == "batch" else int(batch)

    assert isinstance(found, Trust)
    assert found.images == images
    assert passes <= computed[0] <= 600
    assert passes == cost(images, fixed, twice=1)


@pytest.mark.usefixtures("apart")
def test_runs_behind_the_layer_have_no_second_pass(probe: Path, tmp_path: Path, computed: list[int]) -> None:
    path = runs_behind(5, tmp_path / "flat.onnx")
    found, passes = look(path, probe, cam="ablationcam")

    assert isinstance(found, Trust), found
    assert passes <= computed[0] <= 600
    assert passes == (5 + 3) + cost(found.images, None, 5 + 2, 1)


@pytest.mark.usefixtures("apart")
def test_runs_of_the_whole_network_have_one(
    demo: Path, probe: Path, modest: str, affordable: str, computed: list[int]
) -> None:
    found, passes = look(demo, probe, cam=modest)

    assert isinstance(found, Trust), found
    assert passes <= computed[0] <= 600
    assert passes == 2 * 7 + cost(found.images, None, 7, 7)
    assert skipped(demo, probe, cam=affordable).startswith("affordable needs more than 16 passes a map")


@pytest.mark.usefixtures("apart")
def test_a_batch_that_fits_once_may_be_too_large_to_fit_twice(probe: Path, tmp_path: Path, computed: list[int]) -> None:
    path = networks.save(networks.small_cnn(size=32, classes=2, batch=13), tmp_path / "fixed.onnx")
    reason = skipped(path, probe)

    assert "no fewer than 13 pictures at once" in reason
    assert "or one of at most 10" in reason
    assert computed[0] == 0


def test_nothing_else_of_the_audit_changes(demo: Path, probe: Path, whole: Path) -> None:
    off, on = audit.run_audit(demo, probe=probe, trust=0, groups=["gender"]), read_run(whole)

    assert off.trust is None
    assert off.run["trust"] is None
    assert "trust" not in [s.measure for s in (*off.skipped, *on.skipped)]
    assert AuditResult.from_json(off.to_json()).measurements == on.measurements
    pd.testing.assert_frame_equal(on.items, off.items, check_dtype=False)


def test_its_time_and_passes_stand_apart_and_the_record_gives_it_back(demo: Path, probe: Path, whole: Path) -> None:
    record = json.loads((whole / "audit.json").read_bytes())

    assert record["run"]["trust"]["passes"] == 32 * 17
    assert record["run"]["trust"]["seconds"] > 0
    assert AuditResult.from_json(record).trust == trusted(demo, probe, groups=("gender",))
    del record["trust"]  # of a version that did not look into it
    assert AuditResult.from_json(record).trust is None


def test_the_seed_decides_and_nothing_else(demo: Path, probe: Path) -> None:
    first, again, other = (trusted(demo, probe, seed=seed, images=10) for seed in (1, 1, 2))

    assert first.images == 10
    assert first == again
    assert first != other


def test_a_run_gone_on_with_finds_the_same(demo: Path, probe: Path, whole: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        audit.run_audit(demo, probe=probe, out=tmp_path, progress=stop, batch_size=8, groups=["gender"])
    resumed = audit.run_audit(demo, probe=probe, out=tmp_path, resume=True, groups=["gender"])

    assert resumed.trust is not None
    assert resumed.trust == read_run(whole).trust


def test_a_run_stopped_in_the_second_stage_can_be_gone_on_with(
    demo: Path, probe: Path, whole: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit.run_audit(demo, probe=probe, out=tmp_path, trust_progress=stop, groups=["gender"])
    resumed = audit.run_audit(
        demo, probe=probe, out=tmp_path, resume=True, groups=["gender"], trust_progress=lambda *now: seen.append(now)
    )

    assert resumed.trust == read_run(whole).trust
    assert {total for _, total in seen} == {544}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (544, 544)


@pytest.mark.parametrize("error", [ModelError("boom"), MachineError("boom"), MemoryError()], ids=repr)
def test_an_error_in_the_second_stage_leaves_the_audit_as_it_is(
    error: Exception, demo: Path, probe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr("audit.trust.answers", stop)
    result = audit.run_audit(demo, probe=probe, out=tmp_path, groups=["gender"])
    why = [s.reason for s in result.skipped if s.measure == "trust"]

    assert result.trust is None
    assert len(why) == 1
    assert "broke off: " + ("out of memory" if isinstance(error, MemoryError) else "boom") in why[0]
    assert result.run["trust"]["passes"] >= 32
    assert read_run(tmp_path).measurements == read_run(whole).measurements


def test_a_run_stopped_in_the_second_stage_can_be_gone_on_with_without_it(
    demo: Path, probe: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit.run_audit(demo, probe=probe, out=tmp_path, trust_progress=stop, groups=["gender"])
    resumed = audit.run_audit(demo, probe=probe, out=tmp_path, resume=True, trust=0, groups=["gender"])

    assert resumed.trust is None


@pytest.mark.parametrize(("spoiled", "left"), [(3, 29), (30, None)])
def test_pictures_whose_answer_is_no_number_do_not_count(
    spoiled: int, left: int | None, demo: Path, probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*given_: Any) -> np.ndarray:
        seen = compute(*given_)
        seen[:spoiled, 1, 2] = np.nan
        return seen

    compute = audit.trust.answers
    monkeypatch.setattr("audit.trust.answers", without)
    if left is None:
        assert "only 2 people's pictures" in skipped(demo, probe)
        return
    found = trusted(demo, probe)
    record = json.dumps(plain(found), allow_nan=False)

    assert (found.images, found.subjects) == (left, left)
    assert "null" not in json.dumps(json.loads(record)["curves"])
    assert all(check.estimate is not None and check.estimate.n == left for check in found.checks)


def test_the_pictures_that_a_method_is_affordable_for_are_of_every_group(
    tmp_path: Path, demo: Path, affordable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the manifest is sorted by group."""
    faces = drawn_probe(tmp_path / "faces", subjects=48, pictures=1, seed=3, badge=1.0)
    manifest = pd.read_csv(faces / "manifest.csv").sort_values("gender")
    manifest.to_csv(faces / "manifest.csv", index=False)
    drawn: list[np.ndarray] = []
    compute = audit.trust._sampled

    def noting(plan: Any, rows: np.ndarray, *more: Any) -> Any:
        drawn.append(np.bincount(plan.groupings[0].codes[rows], minlength=2))
        return compute(plan, rows, *more)

    monkeypatch.setattr("audit.trust._sampled", noting)
    found = trusted(demo, faces, cam=affordable, groups=("gender",))

    assert 8 <= found.images < 16
    assert abs(np.diff(drawn[-1])) <= 1


@pytest.mark.parametrize("wrong", [-1, 33, "many", 2.5])
def test_a_number_that_the_budget_does_not_reach_for_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError, match="0, or a whole number from 8 to 32"):
        audit.run_audit("model.onnx", probe="faces", trust=wrong)


def test_too_few_people_are_skipped_with_the_reason(demo: Path, tmp_path: Path) -> None:
    faces = drawn_probe(tmp_path / "faces", subjects=6, pictures=3, seed=1)

    assert "only 6 people" in skipped(demo, faces)


def test_a_map_of_few_cells_is_skipped_with_the_reason(probe: Path, tmp_path: Path) -> None:
    net = networks.Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3, stride=2))
    x = net.add("AveragePool", x, kernel_shape=[16, 16], strides=[16, 16])
    x = net.add("Relu", net.conv(x, (8, 8), 1), name="/last/Relu")
    x = net.add("Flatten", net.add("GlobalAveragePool", x, name="/pool/GlobalAveragePool"), name="/Flatten")
    x = net.linear(x, (8, 2), name="/fc/Gemm", out="logits")
    path = networks.save(net.model(("batch", 3, 64, 64), {x: ("batch", 2)}), tmp_path / "few.onnx")

    assert "only 4 cells" in skipped(path, probe)


def test_without_torch_the_reason_says_what_to_install(
    demo: Path, probe: Path, costly: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert skipped(demo, probe, cam=costly).endswith("needs torch: pip install 'bias-audit[torch]'")


def test_a_method_whose_maps_take_too_many_passes_is_skipped_with_the_reason(
    demo: Path, probe: Path, costly: str
) -> None:
    reason = skipped(demo, probe, cam=costly)

    assert reason.startswith("costly needs more than 14 passes a map")
    assert "--cam gradcam" in reason
    assert look(demo, probe, cam=costly)[1] <= 600


def test_weights_that_can_not_be_changed_leave_the_other_check(
    demo: Path, probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("the weights are packed")

    monkeypatch.setattr(onnx_runtime.OnnxModel, "randomized", refuse)
    found = trusted(demo, probe)
    check = found.check("randomization")

    assert check is not None
    assert (check.estimate, check.reason) == (None, "the weights are packed")
    assert found.state == "inconclusive"
    assert states(found)["deletion"] == "supported"


def test_without_a_map_there_is_nothing_to_check(probe: Path, tmp_path: Path) -> None:
    net = networks.Net()
    x = net.linear(net.add("Flatten", "image", name="/Flatten"), (3 * 16 * 16, 2), out="logits")
    path = networks.save(net.model(("batch", 3, 16, 16), {x: ("batch", 2)}), tmp_path / "flat.onnx")
    result = audit.run_audit(path, probe=probe, accept_chance=True, groups=["gender"])

    assert result.trust is None
    assert result.run["trust"] is None


@pytest.mark.torch
def test_torchscript_finds_what_onnx_finds(demo: Path, probe: Path) -> None:
    pytest.importorskip("torch")
    ours, theirs = (trusted(path, probe, images=16) for path in (demo.with_suffix(".pt"), demo))

    assert states(ours) == states(theirs)
    assert gain(ours, "deletion") == pytest.approx(gain(theirs, "deletion"), abs=0.02)


@pytest.mark.torch
def test_maps_by_gradients_are_checked_with_the_gradients_of_other_weights(probe: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.support import torch_zoo as zoo

    path = zoo.write(zoo.build("vgg"), tmp_path, "traced")
    (tmp_path / f"{path.name}.toml").write_text('[model]\nclasses = ["female", "male", "neither"]\n')
    found = trusted(path, probe, cam="gradcam", images=8)

    assert found.levels[-1].likeness.n == 8
    assert abs(gain(found, "randomization")) < 0.95


def gain(found: Trust, name: str) -> float:
    check = found.check(name)
    assert check is not None
    assert isinstance(check.estimate, Estimate)
    return float(check.estimate.value or 0.0)


REAL = {  # file: a bound under the gain of deletion, one over the likeness with all weights drawn anew
    "gender.onnx": (0.02, 0.4),
    "gender.pt": (0.02, 0.4),
    "gender_imdb_rgb.onnx": (-0.1, 0.6),
}
AGAIN = {"gender.pt": pytest.mark.slow}  # what gender.onnx says, in twice the time


@pytest.mark.parametrize("name", [pytest.param(name, marks=AGAIN.get(name, ())) for name in REAL])
def test_maps_of_real_models(name: str) -> None:
    """Wide bounds: other versions of torch and onnxruntime draw the same pictures and nearly the same maps."""
    if name.endswith(".pt"):
        pytest.importorskip("torch")
    found = trusted(shared_data("models", name), shared_data("faces"), limit=64)
    least, most = REAL[name]

    assert gain(found, "deletion") > least
    assert abs(gain(found, "randomization")) < most
    assert found.state in (("supported",) if name.startswith("gender.") else ("supported", "inconclusive"))
