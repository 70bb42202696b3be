"""The examples do what they show, and the files for CI systems are right."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import audit
import audit.demo
from audit.analyses import ANALYSES
from audit.cams import CAMS
from audit.cli import cli
from audit.measures import MEASURES
from audit.runtimes import RUNTIMES
from reports import REPORTS

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
REGISTRIES = {
    "analyses": ANALYSES,
    "cams": CAMS,
    "measures": MEASURES,
    "runtimes": RUNTIMES,
    "reports": REPORTS,
}
# What each example adds: the registry's folder and the name, and what its output must hold.
ADDS = {
    "add_an_analysis": ("analyses", "balanced_accuracy", r"^dark +0\.\d+.*^light +0\.\d+.*^medium +1\.0"),
    "add_a_cam": ("cams", "positive_cam", r"^skin.*^dark +0\.\d+"),
    "add_a_measure": ("measures", "margin", r"^dark +0\.\d+.*^light +0\.\d+.*^medium +0\.\d+"),
    "add_a_report": ("reports", "txt", r"^MAIN FINDINGS$.*^gender +Images +Subjects$"),
    "add_a_runtime": (
        "runtimes",
        "meancolor",
        r"^dark +[\d.]+.*^no layer was found between the picture",
    ),
}

Run = Callable[[str], str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo's model and probe set, written once: to draw them takes far longer than an example."""
    return audit.demo.write_demo(tmp_path_factory.mktemp("examples") / "demo")


@pytest.fixture
def run(
    demo: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs an example's `main` in an empty folder and gives what it printed. What it registers is forgotten after."""
    monkeypatch.setattr(audit.demo, "write_demo", lambda folder: demo)
    for registry in REGISTRIES.values():
        registry.names()  # so that the folder is read before it is copied
        monkeypatch.setattr(registry, "_found", dict(registry._found))

    def call(name: str) -> str:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main(tmp_path)
        return capsys.readouterr().out

    return call


def test_every_example_of_a_plug_in_is_tried_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("add_a*_*.py")} == set(ADDS)


@pytest.mark.parametrize("name", ADDS)
def test_an_example_adds_what_it_says_and_shows_it(name: str, run: Run) -> None:
    folder, plugin, expected = ADDS[name]
    printed = run(name)

    assert re.search(expected, printed, re.MULTILINE | re.DOTALL)
    assert all(character.isprintable() for line in printed.splitlines() for character in line)
    assert plugin in REGISTRIES[folder]


@pytest.mark.parametrize("name", ADDS)
def test_what_an_example_adds_is_gone_afterwards(name: str) -> None:
    folder, plugin, _ = ADDS[name]

    assert plugin not in REGISTRIES[folder]


@pytest.mark.parametrize("name", ADDS)
def test_an_example_names_the_entry_point_that_is_looked_for(name: str) -> None:
    folder, plugin, _ = ADDS[name]
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")

    assert REGISTRIES[folder]._package.rpartition(".")[2] == folder
    assert re.findall(r'\[project\.entry-points\."([\w.]+)"\]\n +(\w+) = ', text) == [(f"bias_audit.{folder}", plugin)]


def test_the_quickstart_judges_and_writes_its_reports(run: Run, tmp_path: Path) -> None:
    printed = run("quickstart")

    assert re.search(r"^verdict: (pass|fail|inconclusive)$", printed, re.MULTILINE)
    assert "wrote report.html\nwrote report.pdf\n" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "report.pdf"}


def test_the_policy_for_ci_can_be_read() -> None:
    policy = audit.read_policy(EXAMPLES / "ci" / "policy.toml")

    assert [rule.id for rule in policy.rules] == [
        "gender-gap-by-skin",
        "errors-of-every-group",
        "answers-for-everybody",
    ]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_command_for_ci_has_only_options_that_there_are(name: str) -> None:
    text = (EXAMPLES / "ci" / name).read_text(encoding="utf-8")
    (command,) = re.findall(r"(?:run: |- )(bias-audit models/.*)", text)
    _, model, *words = shlex.split(command)
    known = {option for one in cli.commands["run"].params if isinstance(one, click.Option) for option in one.opts}

    assert model == "models/model.onnx"
    assert {word for word in words if word.startswith("-")} == {"--probe", "--policy", "--out"} <= known
    assert "\t" not in text


@pytest.mark.parametrize(("name", "file"), [("github.yml", "summary.md"), ("gitlab.yml", "junit.xml")])
def test_what_a_ci_job_collects_is_what_a_run_leaves(name: str, file: str) -> None:
    text = (EXAMPLES / "ci" / name).read_text(encoding="utf-8")

    assert f"audit/{file}" in text
