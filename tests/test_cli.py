"""The command line: a thin layer. What is typed reaches the calls, what comes back becomes text and a status."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import audit.run
import reports
from audit import _progress, _terminal
from audit.cli import cli, main
from audit.errors import AuditError, Interrupted, MachineError, ModelError, SettingsError
from audit.gate import Policy, Rule, judge
from audit.records import read_run, write_record
from audit.result import AuditResult
from audit.settings import RunSettings
from tests.support.audits import gap, measured, result

PASSING = result(measured(disparities=(gap(0.0, 0.01, 0.03),)))
FAILING = result(measured(disparities=(gap(0.06, 0.1, 0.14),)))
UNSURE = result(measured(disparities=(gap(0.0, 0.03, 0.07),)))
POLICY = '[[rule]]\nid = "gap"\nmeasure = "wrong_label_rate"\nattribute = "skin"\nkind = "difference"\nmax = 0.05\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a policy in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def ran(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Makes an audit end in a result or an error; gives back what the audit was called with."""

    def prepare(outcome: AuditResult | BaseException = PASSING) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def run_audit(model: Path, **asked: Any) -> AuditResult:
            seen.update(asked, model=model)
            asked["progress"](1, 2)
            if isinstance(outcome, BaseException):
                raise outcome
            found = outcome
            if asked["policy"] is not None:
                found = dataclasses.replace(outcome, verdict=judge(outcome, asked["policy"]).to_json())
            asked["out"].mkdir()
            write_record(found, asked["out"])
            return found

        def write(found: AuditResult, verdict: Any, folder: Path, formats: Any) -> tuple[Path, ...]:
            seen.update(formats=tuple(formats), written_to=folder, verdict=verdict)
            return (Path(folder) / "report.html",)

        monkeypatch.setattr(audit.run, "run_audit", run_audit)
        monkeypatch.setattr(reports, "write", write)
        return seen

    return prepare


Ran = Callable[..., dict[str, Any]]


def test_the_first_word_that_is_no_command_is_the_model(ran: Ran) -> None:
    seen = ran()
    status = main(["model.onnx", "--probe", "faces"])

    assert (status, seen["model"], seen["probe"]) == (0, Path("model.onnx"), Path("faces"))


@pytest.mark.parametrize("args", [["run", "model.onnx"], ["-q", "model.onnx"], ["-v", "run", "model.onnx"]])
def test_run_may_be_said_and_flags_may_come_first(ran: Ran, args: list[str]) -> None:
    seen = ran()
    status = main([*args, "--probe", "faces"])

    assert (status, seen["model"]) == (0, Path("model.onnx"))


def test_options_may_come_before_the_model(ran: Ran) -> None:
    seen = ran()
    main(["--probe", "faces", "model.onnx"])

    assert seen["model"] == Path("model.onnx")


def test_every_setting_that_is_typed_reaches_the_run(ran: Ran) -> None:
    seen = ran()
    typed = (
        "model.onnx --probe faces --label sex --subject who --group skin --group skin*sex --band age=0,18,60 "
        "--layout fairface --limit 9 --task classification --output y --classes a,b --positive b --threshold 0.6 "
        "--abstain-below 0.1 --preprocess raw --layers l1,l2 --cam gradcam --seed 3 --alpha 0.1 --min-subjects 10 "
        "--accept-chance --device cpu --batch-size 4 --workers 2 --threads 5 --force"
    )
    main(shlex.split(typed))

    assert seen["settings"] == RunSettings(
        label="sex", subject="who", groups=("skin", "skin*sex"), bands={"age": (0.0, 18.0, 60.0)}, layout="fairface",
        limit=9, task="classification", output="y", classes=("a", "b"), positive="b", threshold=0.6, abstain_below=0.1,
        preprocess="raw", layers=("l1", "l2"), cam="gradcam", seed=3, alpha=0.1, min_subjects=10, accept_chance=True,
        device="cpu", batch_size=4, workers=2, threads=5,
    )  # fmt: skip
    assert (seen["force"], seen["resume"]) == (True, False)


def test_everything_goes_into_a_folder_named_after_the_model(ran: Ran) -> None:
    seen = ran()
    main(["models/gender.onnx", "--probe", "faces"])

    assert (seen["out"], seen["written_to"]) == (Path("audit-gender.onnx"), Path("audit-gender.onnx"))


def test_a_settings_file_is_read_and_what_is_typed_wins(ran: Ran, here: Path) -> None:
    (here / "bias-audit.toml").write_text('[run]\nout = "there"\nseed = 5\nbatch_size = 6\n')
    seen = ran()
    main(["model.onnx", "--probe", "faces", "--seed", "7"])

    assert (seen["out"], seen["settings"].seed, seen["settings"].batch_size) == (Path("there"), 7, 6)


@pytest.mark.parametrize(
    ("found", "more", "status"),
    [
        (PASSING, [], 0),
        (FAILING, [], 1),
        (UNSURE, [], 3),
        (UNSURE, ["--inconclusive", "fail"], 1),
        (UNSURE, ["--inconclusive", "pass"], 0),
        (FAILING, ["--exit-zero"], 0),
        (result(), [], 4),
    ],
)
def test_the_verdict_becomes_the_status(ran: Ran, found: AuditResult, more: list[str], status: int) -> None:
    ran(found)

    assert main(["model.onnx", "--probe", "faces", "--policy", "policy.toml", *more]) == status


def test_without_a_policy_a_finding_is_no_failure(ran: Ran) -> None:
    ran(FAILING)

    assert main(["model.onnx", "--probe", "faces"]) == 0


def test_chance_ends_in_4_and_comes_first(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "This model is no better than chance."
    chance = {"status": "not judged", "reason": "chance", "explanation": sentence, "rules": []}
    ran(result(measured(), notes=(sentence,), verdict=chance))
    status = main(["model.onnx", "--probe", "faces"])

    assert (status, capsys.readouterr().err.splitlines()[0]) == (4, sentence)


@pytest.mark.parametrize(
    ("policy", "formats"),
    [
        ([], ("html", "pdf", "md", "csv")),
        (["--policy", "policy.toml"], ("html", "pdf", "md", "junit", "csv")),
        (["--formats", "json,html"], ("html", "csv")),
    ],
)
def test_tables_are_always_written_and_junit_where_there_is_a_policy(
    ran: Ran, policy: list[str], formats: tuple[str, ...]
) -> None:
    seen = ran()
    main(["model.onnx", "--probe", "faces", *policy])

    assert seen["formats"] == formats


def test_the_summary_goes_to_standard_error_and_fits_80_columns(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(dataclasses.replace(FAILING, notes=("Nothing says how the model wants its pixels, so that was assumed here.",)))
    main(["model.onnx", "--probe", "faces", "--policy", "policy.toml"])
    shown = capsys.readouterr()

    assert shown.out == ""
    assert max(len(line) for line in shown.err.splitlines()) <= 80
    assert "Nothing says how" in shown.err.splitlines()[0]
    assert "model.onnx on 1,502 images of 1,467 people" in shown.err
    assert "Wrong-gender rate: 7.0 % (95 % interval 5.0 % to 9.0 %)" in shown.err
    assert "Verdict: fail" in shown.err
    assert "- gap: Fails: the difference in wrong-gender rate by skin is 0.1" in shown.err
    assert "report.html: audit-model.onnx/report.html" in shown.err


def test_a_log_gets_neither_color_nor_a_progress_bar(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(FAILING)
    main(["model.onnx", "--probe", "faces", "--policy", "policy.toml"])

    assert [c for c in ("\x1b", "\r", "━") if c in capsys.readouterr().err] == []


def test_quiet_says_nothing(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(FAILING)
    status = main(["model.onnx", "--probe", "faces", "--policy", "policy.toml", "-q"])

    assert (status, *capsys.readouterr()) == (1, "", "")


def test_json_on_standard_output_is_the_record(ran: Ran, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran()
    main(["model.onnx", "--probe", "faces", "--json", "-"])

    assert capsys.readouterr().out == (here / "audit-model.onnx" / "audit.json").read_text()


ERRORS = [
    (SettingsError("no such column", value="sex"), 2, "error: no such column, got 'sex'."),
    (ModelError("broken"), 4, "error: broken."),
    (MachineError("the disk is full"), 5, "error: the disk is full."),
    (AuditError("odd"), 5, "error: odd."),
    (KeyboardInterrupt(), 130, "error: interrupted."),
    (MemoryError(), 5, "error: out of memory. Try a smaller --batch-size."),
    (OSError(errno.ENOSPC, "No space left", "x.npz"), 5, "error: the disk is full (x.npz)."),
    (ValueError("cannot\nreshape"), 5, "error: unexpected ValueError: cannot (a mistake of ours; run with -v"),
    (SystemExit(1), 5, "error: unexpected SystemExit: 1"),
]


@pytest.mark.parametrize(("error", "status", "line"), ERRORS, ids=[type(e).__name__ for e, _, _ in ERRORS])
def test_an_error_is_one_line_and_a_status(
    ran: Ran, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    ran(error)
    ended = main(["model.onnx", "--probe", "faces"])
    shown = capsys.readouterr().err

    assert (ended, shown.count("\n"), shown.startswith(line)) == (status, 1, True)


def test_verbose_shows_the_traceback_and_the_log(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(ValueError("oops"))
    status = main(["model.onnx", "--probe", "faces", "-v"])

    assert status == 5
    assert "Traceback" in capsys.readouterr().err
    assert logging.getLogger("audit").level == logging.NOTSET


def test_an_interrupted_run_says_what_to_type(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(Interrupted("interrupted after 5 of 9 images"))
    status = main(["a model.onnx", "--probe", "faces", "--force"])

    assert (status, capsys.readouterr().err.splitlines()[-1]) == (
        130,
        "  bias-audit 'a model.onnx' --probe faces --resume",
    )


def test_an_interrupted_summary_can_be_gone_on_with_as_well(
    ran: Ran, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(KeyboardInterrupt())
    (here / "there" / ".partial").mkdir(parents=True)
    status = main(["model.onnx", "--probe", "faces", "--out", "there"])

    assert (status, "--out there --resume" in capsys.readouterr().err) == (130, True)


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["model.onnx"], "Missing option '--probe'"),
        (["model.onnx", "--probe", "faces", "--grup", "x"], "--group"),
        (["inspct", "model.onnx"], "no such command or model file: 'inspct'. Did you mean inspect?"),
        (["model.onnx", "--probe", "faces", "--batch-size", "0"], "--batch-size: this can't be used, got '0'"),
        (["model.onnx", "--probe", "faces", "--policy", "polcy.toml"], "Did you mean policy.toml?"),
        (["gate", "nowhere", "--policy", "policy.toml"], "'nowhere'"),
        (["report", "nowhere"], "'nowhere'"),
    ],
)
def test_what_was_typed_wrong_ends_in_2(
    ran: Ran, capsys: pytest.CaptureFixture[str], args: list[str], part: str
) -> None:
    seen = ran()
    status = main(args)
    shown = capsys.readouterr().err

    assert (status, part in shown, shown.startswith("error: "), "model" in seen) == (2, True, True, False)


def test_nothing_typed_shows_the_help_and_ends_in_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main([]), "Usage: bias-audit" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_of_80_columns(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status = main([command, "--help"])
    shown = capsys.readouterr().out

    assert (status, max(len(line) for line in shown.splitlines()) <= 80) == (0, True)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_option_has_a_sentence(command: str) -> None:
    without = [p.name for p in cli.commands[command].params if isinstance(p, click.Option) and not p.help]

    assert without == []


@pytest.fixture
def finished(here: Path) -> Path:
    """A finished audit that failed a policy."""
    folder = here / "run"
    folder.mkdir()
    rule = Rule(id="gap", measure="wrong_label_rate", attribute="skin", kind="difference", max=0.05)
    verdict = judge(FAILING, Policy(rules=(rule,), sha256="0" * 64, path=Path("old.toml")))
    write_record(dataclasses.replace(FAILING, verdict=verdict.to_json()), folder)
    return folder


def test_gate_judges_again_and_leaves_the_record_alone(ran: Ran, here: Path, finished: Path) -> None:
    seen = ran()
    (here / "policy.toml").write_text(POLICY.replace("0.05", "0.5"))
    before = (finished / "audit.json").read_bytes()
    status = main(["gate", "run", "--policy", "policy.toml"])

    assert (status, seen["formats"], seen["written_to"]) == (0, ("junit", "md"), Path("run"))
    assert (finished / "audit.json").read_bytes() == before
    assert seen["verdict"].status == "pass"


def test_gate_writes_elsewhere_and_prints_json(ran: Ran, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = ran()
    status = main(["gate", str(finished), "--policy", "policy.toml", "--out", "there", "--json", "-", "-q"])
    shown = capsys.readouterr()

    assert (status, seen["written_to"], json.loads(shown.out)["status"], shown.err) == (1, Path("there"), "fail", "")


def test_report_renders_the_stored_verdict_and_judges_nothing(ran: Ran, finished: Path) -> None:
    seen = ran()
    status = main(["report", "run", "--formats", "html"])

    assert (status, seen["formats"], seen["verdict"].to_json()) == (0, ("html", "csv"), read_run(finished).verdict)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.0001, "under 0.1 %"), (0.9999, "over 99.9 %"), (0.1025, "10.2 %"), (0.5, "50.0 %")],
)
def test_no_share_is_rounded_to_nothing_or_everything(share: float, text: str) -> None:
    assert _terminal.percent(share) == text


def test_the_second_stage_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with _progress.Progress("opening …", shown=True) as progress:
        progress.trust(544, 544)

    assert "can the map be trusted? 544/544 passes" in capsys.readouterr().err


def test_the_progress_line_says_speed_and_time_left() -> None:
    line = _progress.progress_line(600, 1500, 500, 2.0)

    assert line == "━━━━━━━━━───────────────" + " 600/1,500 images  250 images/s  0:04 left"


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "audit", "nowhere.onnx"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, "--probe" in done.stderr) == (2, "", True)


@pytest.mark.parametrize("command", [["m.onnx", "--probe", "p"], ["report", "run"]])
def test_an_unknown_format_is_named_before_any_work(
    ran: Callable[..., dict[str, Any]], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    seen = ran()
    status = main([*command, "--formats", "html,htlm"])
    text = capsys.readouterr().err

    assert status == 2
    assert "unknown report, got 'htlm'" in text
    assert "Did you mean html?" in text
    assert seen == {}


def test_names_from_files_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _terminal.say("classes: male\x07\x1b[31m, female, under\u20090.1 %")

    assert capsys.readouterr().err == "classes: male\\x07\\x1b[31m, female, under\u20090.1 %\n"


def test_report_shows_another_policys_verdict_and_leaves_the_record(
    ran: Callable[..., dict[str, Any]], finished: Path
) -> None:
    seen = ran()
    before = (finished / "audit.json").read_bytes()
    status = main(["report", "run", "--policy", "policy.toml"])

    assert status == 0
    assert [r.id for r in seen["verdict"].rules] == ["gap"]
    assert (finished / "audit.json").read_bytes() == before
