"""What the README says is what the program does."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from audit.cli import cli
from audit.errors import ExitStatus
from tests.support import results

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def help_text(*words: str) -> str:
    code = f"import sys; sys.argv[0] = 'bias-audit'; from audit.cli import main; sys.exit(main({[*words, '--help']!r}))"
    environment = {"COLUMNS": "80", "PYTHONPATH": str(ROOT), "PATH": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "words", [(), ("run",), ("inspect",), ("probe",)], ids=lambda words: " ".join(words) or "bias-audit"
)
def test_help_in_the_readme_is_what_the_program_prints(words: tuple[str, ...]) -> None:
    assert f"```\n{help_text(*words)}\n```" in README


def test_no_line_of_help_is_wider_than_a_terminal() -> None:
    for words in [(), *((name,) for name in cli.commands)]:
        assert max(map(len, help_text(*words).splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = cli.commands[name]

    assert command.help
    assert f"bias-audit {name}" in README
    assert all(isinstance(p, click.Argument) or getattr(p, "help", None) for p in command.params)


def test_every_exit_status_stands_in_the_readme() -> None:
    section = README[README.index("| exit status |") :]
    listed = {int(n) for n in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}

    assert listed == {int(s) for s in ExitStatus}


def test_ci_runs_the_readmes_commands() -> None:
    for name in ("demo", "tests"):
        done = subprocess.run(
            [sys.executable, ROOT / ".ci" / "readme_command.py", name], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("python3 -m venv")


def test_files_named_in_the_readme_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_tables_shown_in_the_readme_are_what_python_gives() -> None:
    lines = re.findall(r'^result\["wrong_label_rate"\]\.\w+\(.*\)  # .*$', README, re.MULTILINE)
    cells = {(g, s): results.Seen(100, 0.1) for g in ("female", "male") for s in ("dark", "light")}
    rate = results.measurement("wrong_label_rate", cells, ("gender", "skin"), intersections=[("gender", "skin")])
    audited = dataclasses.replace(results.bare(), measurements=(rate,))

    assert len(lines) == 3
    for line in lines:
        call, _, said = line.partition("  # ")
        table = eval(call, {"result": audited})
        assert len(table) > 0
        named = set(re.findall(r"[a-z_]+", said.split(":")[-1])) - {"a", "interval", "p"}
        assert named <= {*table.columns, *table.get("kind", ())}, line


def test_variants_shown_in_the_readme_are_picked_as_it_says() -> None:
    lines = re.findall(r'^(result\[".*", \{.*)$', README, re.MULTILINE)
    cells = {(skin,): results.Seen(100, 0.1) for skin in ("dark", "light")}
    known = [
        ("relevance_mass", {"cam": "cam", "decisions": decisions, "region": region, "target": "predicted"})
        for region in ("face", "mouth")
        for decisions in ("all", "wrong")
    ]
    known += [("activation_strength", {"layer": "conv", "reduction": kind}) for kind in ("max", "mean")]
    rows = tuple(
        dataclasses.replace(results.measurement(name, cells, ("skin",)), parameters=asked) for name, asked in known
    )
    audited = dataclasses.replace(results.bare(), measurements=rows)

    assert len(lines) == 3
    for line in lines:
        call, _, said = line.partition("  # ")
        given = eval(call, {"result": audited})
        assert repr(given).startswith(said.partition("…")[0]) if said else len(given) > 0, line
