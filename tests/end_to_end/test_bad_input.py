"""Bad input ends in one clear line and the right status, and leaves nothing behind."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from tests.support.onnx_networks import small_cnn

Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def faces(probe: Path, tmp_path: Path) -> Path:
    """A copy of the drawn faces that a test may spoil."""
    return Path(shutil.copytree(probe, tmp_path / "faces"))


def rewrite(faces: Path, change: Callable[[list[str]], list[str]]) -> None:
    manifest = faces / "manifest.csv"
    manifest.write_text("\n".join(change(manifest.read_text().splitlines())) + "\n")


def says(outcome: tuple[int, str], status: int, *words: str) -> None:
    """One line, the status, the words; and no folder left behind."""
    seen, text = outcome
    lines = [line for line in text.splitlines() if line.strip()]

    assert seen == status, text
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
    assert not list(Path().glob("audit-*"))


def test_no_such_model(typed: Typed, probe: Path, model: Path) -> None:
    says(typed(model.with_name("modle.onnx"), "--probe", probe), 2, "no such model file", "Did you mean model.onnx")


def test_a_text_file_called_onnx(typed: Typed, probe: Path, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("hello, I am a model")
    says(typed("m.onnx", "--probe", probe), 4, "m.onnx")


def test_a_truncated_model(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model.read_bytes()[:5000])
    says(typed("m.onnx", "--probe", probe), 4, "m.onnx")


@pytest.mark.torch
def test_a_pickle_called_pt_is_not_opened(typed: Typed, probe: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "harm"),))  # type: ignore[return-value]

    pytest.importorskip("torch")
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Harm()))
    says(typed("m.pt", "--probe", probe), 4, "m.pt")
    assert not (tmp_path / "harm").exists()


def test_external_data_outside_the_folder(typed: Typed, probe: Path, tmp_path: Path) -> None:
    network = small_cnn(classes=2)
    weight = network.graph.initializer[0]
    weight.data_location = TensorProto.EXTERNAL
    weight.ClearField("raw_data")
    weight.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "m.onnx").write_bytes(network.SerializeToString())
    says(typed("m.onnx", "--probe", probe), 4, "../../etc/passwd")


def test_an_operator_that_nobody_knows(typed: Typed, probe: Path, tmp_path: Path) -> None:
    node = helper.make_node("Steal", ["x"], ["y"], domain="evil.corp")
    shape = ["batch", 3, 8, 8]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil.corp", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "m.onnx")
    says(typed("m.onnx", "--probe", probe), 4, "evil.corp")


@pytest.mark.torch
def test_a_script_that_needs_an_input_we_cannot_give(typed: Typed, probe: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: torch.Tensor, age: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
            return image.mean(dim=[2, 3]) + age

    torch.jit.script(Two()).save(str(tmp_path / "m.pt"))
    says(typed("m.pt", "--probe", probe), 4, "age")


def test_classes_and_outputs_disagree(typed: Typed, probe: Path, model: Path) -> None:
    says(typed(model, "--probe", probe, "--classes", "a,b,c"), 2, "3", "2")


def test_a_label_the_model_cannot_say(typed: Typed, faces: Path, model: Path) -> None:
    rewrite(faces, lambda lines: [*lines[:-1], lines[-1].replace("male", "diverse")])
    says(typed(model, "--probe", faces), 4, "diverse")


def test_an_empty_probe_folder(typed: Typed, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    says(typed(model, "--probe", "empty"), 4, "empty")


def test_no_such_probe_folder(typed: Typed, model: Path) -> None:
    says(typed(model, "--probe", "nowhere"), 2, "nowhere")


def test_a_manifest_without_the_label_names_the_nearest(typed: Typed, faces: Path, model: Path) -> None:
    rewrite(faces, lambda lines: [lines[0].replace("gender", "gendre"), *lines[1:]])
    says(typed(model, "--probe", faces), 4, "gender", "gendre")


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd"])
def test_a_path_that_leaves_the_folder(typed: Typed, faces: Path, model: Path, path: str) -> None:
    rewrite(faces, lambda lines: [*lines[:-1], path + lines[-1][lines[-1].index(",") :]])
    says(typed(model, "--probe", faces), 4, path)


def test_a_link_that_leaves_the_folder(typed: Typed, faces: Path, model: Path, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    victim = min((faces / "images").iterdir())
    victim.unlink()
    victim.symlink_to(tmp_path / "secret.png")
    says(typed(model, "--probe", faces), 4, victim.name)


def test_the_same_path_twice(typed: Typed, faces: Path, model: Path) -> None:
    rewrite(faces, lambda lines: [*lines, lines[1]])
    says(typed(model, "--probe", faces), 4, "images/")


@pytest.mark.parametrize("alpha", ["0", "1", "nan", "five"])
def test_an_alpha_that_is_none(typed: Typed, model: Path, probe: Path, alpha: str) -> None:
    says(typed(model, "--probe", probe, "--alpha", alpha), 2, "alpha", "above 0 and up to 0.5")


def test_a_column_of_ten_thousand_values(typed: Typed, model: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "p" / "a.png")
    rows = "\n".join(f"{i}.png,{'female' if i % 2 else 'male'},{i}" for i in range(10_000))
    (tmp_path / "p" / "manifest.csv").write_text(f"path,gender,number\na.png,female,x\n{rows}\n")
    says(typed(model, "--probe", "p", "--group", "number"), 2, "number", "10,001", "--band")


def test_unknown_column_layer_and_cam(typed: Typed, probe: Path, model: Path) -> None:
    says(typed(model, "--probe", probe, "--group", "skim"), 2, "skim", "Did you mean skin")
    says(typed(model, "--probe", probe, "--layers", "features.9.act"), 2, "features.9.act", "Did you mean")
    says(typed(model, "--probe", probe, "--cam", "gradcma"), 2, "gradcma", "Did you mean gradcam")


def test_a_folder_that_holds_something_else(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    says(typed(model, "--probe", probe, "--out", "out"), 2, "thesis.tex", "--force", "--out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_files_that_are_no_pictures_are_counted_and_nothing_readable_is_an_error(
    typed: Typed, faces: Path, model: Path
) -> None:
    for path in (faces / "images").iterdir():
        path.write_text("no picture")
    says(typed(model, "--probe", faces), 4, "can be read")


def test_a_huge_picture_is_refused_from_its_header(typed: Typed, faces: Path, model: Path, tmp_path: Path) -> None:
    import audit

    Image.MAX_IMAGE_PIXELS, limit = None, Image.MAX_IMAGE_PIXELS
    Image.new("1", (30_000, 30_000)).save(tmp_path / "huge.png", compress_level=9)
    Image.MAX_IMAGE_PIXELS = limit
    victim = min((faces / "images").iterdir())
    victim.unlink()
    shutil.move(tmp_path / "huge.png", victim)
    items = audit.run_audit(model, probe=faces).items
    reason = items.loc[items["status"] == "unreadable", "reason"].tolist()

    assert len(reason) == 1
    assert "64 million pixels" in reason[0]


def test_hostile_names_appear_as_text(typed: Typed, faces: Path, model: Path, tmp_path: Path) -> None:
    rewrite(
        faces,
        lambda lines: [
            line.replace(",dark,", ",<script>alert(1)</script>,").replace(",light,", ",=1+1,") for line in lines
        ],
    )
    status, text = typed(model, "--probe", faces, "--group", "skin", "--out", "out", "--formats", "html,pdf,md")
    page = (tmp_path / "out" / "report.html").read_text()
    table = (tmp_path / "out" / "tables" / "groups.csv").read_text()

    assert status == 0, text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert ",=1+1" not in table
    assert "'=1+1" in table


def test_without_torch_the_extra_is_named(probe: Path, model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from audit.cli import main\n"
        f"sys.exit(main([{str(model.with_suffix('.pt'))!r}, '--probe', {str(probe)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False, env=_environment()
    )

    assert done.returncode == 4
    assert "pip install 'bias-audit[torch]'" in done.stderr
    assert "Traceback" not in done.stderr


def _environment() -> dict[str, str]:
    import os

    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": root}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system of its own")
def test_a_full_disk_ends_in_5_and_one_line(probe: Path, model: Path, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "audit", str(model), "--probe", str(probe), "--out", str(mount / "out")],
            capture_output=True, text=True, cwd=tmp_path, check=False, env=_environment(),
        )  # fmt: skip
    finally:
        subprocess.run(["umount", str(mount)], check=False)

    assert done.returncode == 5, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cancelled_job_keeps_what_was_done(probe: Path, model: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, audit._shards\n"
        "from audit.cli import main\n"
        "add = audit._shards.Shards.add\n"
        "def cancelled(self, shard):\n"
        "    add(self, shard)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "audit._shards.Shards.add = cancelled\n"
        f"sys.exit(main([{str(model)!r}, '--probe', {str(probe)!r}, '--out', 'out', '--batch-size', '16']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, env=_environment())

    assert done.returncode == 130
    assert "--resume" in done.stderr
    assert list((tmp_path / "out" / ".partial").glob("shard-*.parquet"))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('measure = "wrong_lable_rate"', ("wrong_lable_rate", "Did you mean wrong_label_rate")),
        ('measure = "wrong_label_rate"\nattribute = "skim"', ("skim", "Did you mean skin")),
        ('measure = "wrong_label_rate"\nattribute = "pose"', ("pose", "--group")),
    ],
)
def test_a_slip_in_a_policy_is_found_before_the_run(
    typed: Typed, probe: Path, model: Path, tmp_path: Path, rule: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "p.toml").write_text(f'[[rule]]\nid = "r"\n{rule}\nkind = "value"\nmax = 0.5\n')
    says(typed(model, "--probe", probe, "--policy", "p.toml", "--inconclusive", "pass"), 2, "rule r", *words)


@pytest.fixture
def skin_at_a_place(faces: Path) -> Path:
    """Faces with a place at which skin is said to stand, so that it is a context."""
    told = faces / "bias-audit.toml"
    more = '\n[probe.places]\nskin = "corner"\n[regions]\ncorner = {box = [0, 0, 20, 20]}\n'
    told.write_text((told.read_text() if told.exists() else "[probe]\n") + more)
    return faces


@pytest.mark.parametrize("measure", ["context_mass", "context_lift", "co_occurrence"])
def test_a_policy_may_be_about_a_context(typed: Typed, skin_at_a_place: Path, model: Path, measure: str) -> None:
    """By label and context, which nobody had to ask for, of every measure that is read off it."""
    rule = f'[[rule]]\nid = "r"\nmeasure = "{measure}"\nattribute = "gender*skin"\nmin = 0\n'
    Path("p.toml").write_text(rule)
    asked = ("--probe", skin_at_a_place, "--group", "skin", "--policy", "p.toml", "--min-subjects", "2", "--trust", "0")
    status, text = typed(model, *asked, "--formats", "md", "--out", "out")

    assert status == 0, text
    assert typed("gate", "out", "--policy", "p.toml")[0] == 0


def test_a_slip_in_a_rule_about_a_context_is_found_before_the_run(
    typed: Typed, skin_at_a_place: Path, model: Path
) -> None:
    rule = '[[rule]]\nid = "r"\nmeasure = "MEASURE"\nattribute = "gender*ATTRIBUTE"\nmin = 0\n'
    for measure, attribute, words in (
        ("context_mas", "skin", "Did you mean context_mass"),
        ("context_mass", "skim", "gender*skim"),
    ):
        Path("p.toml").write_text(rule.replace("MEASURE", measure).replace("ATTRIBUTE", attribute))
        says(typed(model, "--probe", skin_at_a_place, "--group", "skin", "--policy", "p.toml"), 2, "rule r", words)


def test_a_policy_may_turn_an_intersection_round(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    rule = '[[rule]]\nid = "r"\nmeasure = "wrong_label_rate"\nattribute = "skin*gender"\nkind = "value"\nmax = 1\n'
    (tmp_path / "p.toml").write_text(rule)
    status, text = typed(model, "--probe", probe, "--policy", "p.toml", "--min-subjects", "2", "--formats", "md")

    assert status == 0, text


def test_a_model_of_another_task_is_named_with_its_file(typed: Typed, probe: Path, model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "m.onnx")
    (tmp_path / "m.onnx.toml").write_text('[model]\ntask = "detection"\n')
    says(typed("m.onnx", "--probe", probe), 2, "m.onnx.toml", "detection", "classification")
