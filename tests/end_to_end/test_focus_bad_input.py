"""Maps that can't be had, regions that are not there, a thousand classes: the audit runs and says what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

import reports
from audit.result import AuditResult
from tests.support.onnx_networks import Net, save, small_cnn

Typed = Callable[..., tuple[int, str]]
SETTINGS = "model.onnx.toml"
TWO = '[model]\nclasses = ["female", "male"]\n'


def audited(typed: Typed, status: int, model: Path, probe: Path, *words: object) -> AuditResult:
    """Runs the command line to its end with this status; gives what it left."""
    formats = () if "--formats" in words else ("--formats", "md")
    seen, text = typed(model, "--probe", probe, "--out", "out", "--force", "--trust", "0", *formats, *words)

    assert seen == status, text
    assert "Traceback" not in text
    return AuditResult.from_json(json.loads(Path("out/audit.json").read_text(encoding="utf-8")))


def reasons(result: AuditResult, measure: str, **parameters: str) -> set[str]:
    """Why a measure was skipped as a whole."""
    return {
        s.reason
        for s in result.skipped
        if s.measure == measure and s.attribute is None and parameters.items() <= s.parameters.items()
    }


def page(result: AuditResult) -> str:
    return " ".join(reports.render(result, None, "html").decode("utf-8").split())


def counted(result: AuditResult, measure: str, **parameters: str) -> int:
    wanted = {"target": "predicted", "decisions": "all", **parameters}.items()
    return next(m.overall.n for m in result.all(measure) if m.parameters.items() >= wanted)


@pytest.fixture
def faces(probe: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(probe, tmp_path / "faces"))


def with_head(model: Path, folder: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Path:
    """The demo's network with another weight of its head, its settings beside it."""
    network = onnx.load(model)
    for weight in network.graph.initializer:
        if weight.name == "head.weight":
            weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight)), weight.name))
    shutil.copy(model.with_name(SETTINGS), folder / "changed.onnx.toml")
    return save(network, folder / "changed.onnx")


def flat() -> onnx.ModelProto:
    """Two linear layers, of pictures of 8 by 8."""
    net = Net()
    pixels = net.add("Flatten", "image", axis=1)
    hidden = net.add("Relu", net.linear(pixels, (3 * 8 * 8, 12)))
    logits = net.linear(hidden, (12, 2), out="logits")
    return net.model(["batch", 3, 8, 8], {logits: ["batch", 2]})


def test_a_network_without_a_spatial_layer_has_no_map_and_is_audited(typed: Typed, probe: Path, tmp_path: Path) -> None:
    model = save(flat(), tmp_path / "flat.onnx")
    (tmp_path / "flat.onnx.toml").write_text(TWO)
    result = audited(typed, 0, model, probe, "--accept-chance")

    assert result.find("wrong_label_rate") is not None
    for measure in ("relevance_mass", "entropy"):
        (why,) = reasons(result, measure)
        assert "spatial" in why
    assert "spatial" in page(result)


@pytest.mark.parametrize(
    ("words", "said", "unsaid"),
    [
        (("--cam", "gradcam", "--trust", "0"), "--cam gradcam asked for can't be made: ", "can be trusted"),
        (("--cam", "auto", "--trust", "16"), "can be trusted could not be checked: no class activation map", "--cam"),
        ((), "", "class activation map"),
    ],
)
def test_what_was_asked_for_by_name_and_cannot_be_had_is_said_on_the_terminal(
    typed: Typed, probe: Path, tmp_path: Path, words: tuple[str, ...], said: str, unsaid: str
) -> None:
    """What nobody asked for stands in the report alone."""
    (tmp_path / "flat.onnx.toml").write_text(TWO)
    model = save(flat(), tmp_path / "flat.onnx")
    status, text = typed(model, "--probe", probe, "--accept-chance", "--formats", "md", *words)
    flowing = " ".join(text.split())

    assert status == 0
    assert said in flowing
    assert unsaid not in flowing
    quiet, silence = typed(model, "--probe", probe, "--accept-chance", "--formats", "md", "--force", "-q", *words)
    assert (quiet, silence) == (0, "")


def test_regions_outside_of_the_crop_and_smaller_than_anything(typed: Typed, faces: Path, model: Path) -> None:
    """A wide picture is cropped to its middle: what lies at its left is not seen."""
    for path in (faces / "images").iterdir():
        with Image.open(path) as face:
            wide = Image.new("RGB", (288, 96))
            wide.paste(face, (96, 0))
        wide.save(path)
    (faces / "manifest.csv").write_text(_without_regions((faces / "manifest.csv").read_text()))
    with (faces / "bias-audit.toml").open("a") as file:
        file.write("\n[regions]\nleft = {box = [0, 0, 90, 96]}\nbeyond = {box = [400, 400, 420, 420]}\n")
        file.write("half = {box = [0, 0, 144, 96]}\nspeck = {box = [150.2, 50.2, 150.3, 50.3]}\n")
    shutil.copy(model, "crop.onnx")
    cropped = model.with_name(SETTINGS).read_text().replace('fit = "squash"', 'fit = "crop"')
    Path("crop.onnx.toml").write_text(cropped)
    result = audited(typed, 0, Path("crop.onnx"), faces, "--accept-chance")

    told = [note for note in result.notes if "meets no picture" in note]
    assert [note.split(" meets")[0] for note in told] == ["The region left", "The region beyond"]
    assert all(note in page(result) for note in told)
    for region in ("left", "beyond"):
        assert counted(result, "relevance_mass", region=region) == 0
        whys = reasons(result, "relevance_mass", region=region)
        assert all(f"the region {region}" in why and "outside of the crop" in why for why in whys)
        assert whys
    assert counted(result, "relevance_mass", region="half") == 96
    assert counted(result, "relevance_mass", region="speck") == 96
    assert "Some pictures lack a region" in page(result)
    assert "left (96)" in page(result)
    assert "on the region “speck”" not in page(result)  # a difference of less than is printed is no finding


def _without_regions(manifest: str) -> str:
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(manifest)))
    kept = [name for name in rows[0] if not name.startswith("region.")]
    out = io.StringIO()
    writer = csv.DictWriter(out, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_maps_that_are_zero_everywhere_are_no_maps(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    """The same taken from both classes' weights changes no answer and leaves nothing that speaks for one."""
    changed = with_head(model, tmp_path, lambda w: w - w.max(axis=0) - np.float32(0.01))
    result = audited(typed, 0, changed, probe)

    wrong = result.find("wrong_label_rate")
    assert wrong is not None
    assert (wrong.overall.value or 1) < 0.1  # as ever
    assert counted(result, "entropy") == 0
    (why, *_) = reasons(result, "entropy", target="predicted", decisions="all")
    assert "0 everywhere" in why
    assert "nan" not in page(result).casefold().split()


def test_answers_without_a_map_are_counted(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    """Nothing ever speaks for one of the two classes."""
    changed = with_head(model, tmp_path, lambda w: w - np.maximum(w[0], 0) - np.float32(0.01))
    result = audited(typed, 0, changed, probe)
    decided = Path("out/records.parquet")
    import pandas as pd

    men = int((pd.read_parquet(decided)["decision"] == "male").sum())

    assert 0 < men < 96
    assert counted(result, "center_x") == men
    assert f"Only {men} of 96 answers have a map" in page(result)


@pytest.mark.torch
def test_gradients_that_are_no_numbers_are_counted(typed: Typed, probe: Path, tmp_path: Path) -> None:
    """The root of 0 has no gradient: pictures with a dark channel get no map, the others do."""
    torch = pytest.importorskip("torch")

    class Rooted(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = torch.nn.Conv2d(3, 6, 3, padding=1)
            self.head = torch.nn.Linear(6, 2)

        def forward(self, image: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
            seen = torch.relu(self.conv(image))
            pooled = torch.relu(seen.mean(dim=(2, 3)) - 0.2)
            return self.head(torch.sqrt(pooled))  # type: ignore[no-any-return]

    network = Rooted().eval()
    torch.jit.trace(network, torch.rand(2, 3, 16, 16)).save(str(tmp_path / "rooted.pt"))
    (tmp_path / "rooted.pt.toml").write_text(TWO + "[model.input]\nsize = [16, 16]\n")
    result = audited(typed, 0, tmp_path / "rooted.pt", probe, "--cam", "gradcam", "--accept-chance")
    answered = result.find("failure_rate")

    assert answered is not None
    assert answered.overall.value == 0
    assert counted(result, "center_x") < 96
    assert "answers" in page(result)
    assert "not finite" in page(result)


def test_gradcam_without_torch_and_without_gradients_says_what_to_install(probe: Path, tmp_path: Path) -> None:
    """A head of two layers has no gradient that its weights alone would give."""
    net = Net()
    x = net.add("Relu", net.conv("image", (3, 8), 3, stride=2))
    x = net.add("Relu", net.conv(x, (8, 8), 3))
    x = net.add("Flatten", net.add("GlobalMaxPool", x), axis=1)
    logits = net.linear(net.add("Relu", net.linear(x, (8, 8))), (8, 2), out="logits")
    save(net.model(["batch", 3, 16, 16], {logits: ["batch", 2]}), tmp_path / "deep.onnx")
    (tmp_path / "deep.onnx.toml").write_text(TWO)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from audit.cli import main\n"
        f"sys.exit(main(['deep.onnx', '--probe', {str(probe)!r}, '--cam', 'gradcam', '--out', 'out', "
        "'--accept-chance', '--trust', '0', '--formats', 'md']))"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    result = AuditResult.from_json(json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8")))
    (why,) = reasons(result, "relevance_mass")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "gradient" in why
    assert "bias-audit[torch]" in why
    terminal = " ".join(done.stderr.split())
    assert "The maps that --cam gradcam asked for can't be made: Grad-CAM: " in terminal
    assert "pip install 'bias-audit[torch]'" in terminal
    assert "; --cam auto would take Ablation-CAM." in terminal
    assert result.find("wrong_label_rate") is not None


def test_class_names_that_are_no_classes(typed: Typed, probe: Path, model: Path) -> None:
    for words, status, said in (
        (("--classes", "cat,dog"), 4, "cat, dog"),
        (("--classes", "female,female"), 2, "female"),
        (("--positive", "cat"), 2, "cat"),
    ):
        seen, text = typed(model, "--probe", probe, *words)

        assert seen == status, text
        assert said in text
        assert text.startswith("error: ")
        assert len(text.strip().splitlines()) == 1
        assert not list(Path().glob("audit-*"))


def test_a_thousand_classes(typed: Typed, tmp_path: Path) -> None:
    """No table of a thousand rows, no record of a thousand rows for every map."""
    random, classes = np.random.default_rng(0), [f"kind {k:03}" for k in range(1000)]
    (tmp_path / "p").mkdir()
    rows = ["path,label,region.middle"]
    for k, name in enumerate(classes):
        pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "p" / f"{k}.bmp")
        rows.append(f'{k}.bmp,{name},"4,4,12,12"')
    (tmp_path / "p" / "manifest.csv").write_text("\n".join(rows) + "\n")
    model = save(small_cnn(classes=1000), tmp_path / "thousand.onnx")
    (tmp_path / "thousand.onnx.toml").write_text(f"[model]\nclasses = {json.dumps(classes)}\n")
    result = audited(typed, 0, model, tmp_path / "p", "--accept-chance", "--formats", "html")

    tables = page(result).split("<table")[1:]
    assert max(table.count("<tr") for table in tables) < 100
    assert "of 1,000 groups" in page(result)
    assert (tmp_path / "out" / "report.html").stat().st_size < 1_000_000
    assert (tmp_path / "out" / "audit.json").stat().st_size < 2_000_000
    mass = next(m for m in result.all("relevance_mass"))
    assert (mass.overall.n, mass.by_group) == (1000, ())
    assert any("1000 groups" in s.reason for s in result.skipped if s.measure == "relevance_mass")
