"""The command line: a thin layer over the Python calls."""

from __future__ import annotations

import json
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import __version__, _terminal
from audit import _options as options
from audit._ending import ended_by, stopped_like_ctrl_c
from audit._progress import Progress
from audit.errors import ExitStatus, Interrupted
from audit.settings import CommandSettings, RunSettings, read_command_settings, read_run_settings

if TYPE_CHECKING:
    from audit.gate import Verdict
    from audit.result import AuditResult

_STATUSES = """\b
Exit status:
  0    ran; no policy, or every rule passed
  1    a rule failed
  2    what was typed or configured can't be used
  3    inconclusive: no rule failed, but at least one lacks the evidence
  4    the model or the probe set can't be used; nothing could be judged
  5    ours or the machine's: crash, disk full; never a finding
  130  interrupted; --resume goes on"""


@click.group(cls=options.ModelFirst, epilog=_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bias-audit")
def cli() -> None:
    """Audit a trained vision model file for demographic bias: `bias-audit MODEL --probe DIR`.

    MODEL is an ONNX, TorchScript or torch.export file, or a table of predictions (.csv, .parquet), DIR a folder of
    labeled pictures. The first word that is no command is the model; what an audit can be told stands in `bias-audit
    run --help`.
    """


@cli.command(cls=options.TopicCommand, epilog=_STATUSES)
@click.argument("model", type=click.Path(path_type=Path))
@options.probe_required
@options.run_options
@options.run_verdict_options
@options.out_option
@options.force_option
@options.resume_option
@options.formats_option
@options.faces_option
@options.machine_options
@options.common_options
def run(model: Path, probe: Path, json_to: str | None, **flags: Any) -> ExitStatus:
    """Audit MODEL on the probe set in DIR and write a report.

    Leaves audit.json (the record), records.parquet, tallies.npz, tables and the reports in the folder named by --out.
    A default stands in parentheses. Settings may also stand in [run] of bias-audit.toml, in [tool.bias-audit] of
    pyproject.toml, and in the environment as BIAS_AUDIT_BATCH_SIZE and so on; what is typed wins.
    """
    quiet, verbose, force, resume = (flags.pop(name) for name in ("quiet", "verbose", "force", "resume"))
    stated = options.stated(flags)
    settings, command = read_run_settings(stated), read_command_settings(stated)
    out = Path(command.out or f"audit-{model.name}")
    shown = not (quiet or verbose)
    return _audit(
        model, probe, out, settings, command, force=force, resume=resume, bar=shown, quiet=quiet, json_to=json_to
    )


def _audit(
    model: Path,
    probe: Path,
    out: Path,
    settings: RunSettings,
    command: CommandSettings,
    *,
    force: bool = False,
    resume: bool = False,
    bar: bool,
    quiet: bool,
    json_to: str | None,
) -> ExitStatus:
    """Run, render, say what came out."""
    with Progress(f"opening {model.name} …", shown=bar) as progress:
        from audit.gate import read_policy
        from audit.run import run_audit
        from audit.run_folder import PARTIAL

        policy = read_policy(command.policy) if command.policy else None
        _check_formats(command)
        try:
            result = run_audit(
                model,
                probe=probe,
                out=out,
                policy=policy,
                settings=settings,
                force=force,
                resume=resume,
                progress=progress,
                trust_progress=progress.trust,
            )
        except KeyboardInterrupt:  # after the pass over the images, which has its own word for it
            if (out / PARTIAL).is_dir():
                raise Interrupted(f"interrupted; what was done is kept in {out}") from None
            raise
    verdict = _verdict(result)
    result = _with_faces(result, command, quiet=quiet)
    with Progress("writing the report …", shown=bar):
        paths = _write_reports(result, verdict, out, command)
    if json_to:
        click.echo((out / "audit.json").read_text(encoding="utf-8"), nl=False)
    if not quiet:
        _say_summary(result, verdict, paths)
    return _status(verdict, command)


@cli.command(cls=options.TopicCommand)
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@options.gate_options
@options.common_options
def gate(run_folder: Path, json_to: str | None, quiet: bool, verbose: int, **flags: Any) -> ExitStatus:  # noqa: ARG001
    """Judge a finished audit again, without the model.

    RUN is the folder of an audit. Prints the verdict and writes junit.xml and summary.md; audit.json is never touched.
    """
    import reports
    from audit.gate import judge, read_policy
    from audit.records import read_run

    command = read_command_settings(options.stated(flags))
    # A setting in a file is for a run; here the folder is RUN unless it was typed.
    out = Path(flags["out"] or run_folder)
    policy = read_policy(flags["policy"])
    result = read_run(run_folder)
    verdict = judge(result, policy)
    paths = reports.write(result, verdict, out, ["junit", "md"])
    if json_to:
        click.echo(json.dumps(verdict.to_json(), indent=2, ensure_ascii=False))
    if not quiet:
        _terminal.say_verdict(verdict)
        _terminal.say_paths(paths)
        if (out / "report.html").exists():
            rendered = f"bias-audit report {shlex.quote(str(run_folder))} --policy {shlex.quote(str(flags['policy']))}"
            _terminal.say(f"report.html and report.pdf show the run's own verdict; with this one: {rendered}")
    return _status(verdict, command)


@cli.command(cls=options.TopicCommand)
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@options.report_policy_option
@options.within_option
@options.formats_option
@options.faces_option
@options.common_options
def report(run_folder: Path, json_to: str | None, quiet: bool, verbose: int, **flags: Any) -> ExitStatus:  # noqa: ARG001
    """Write the reports again from a finished audit.

    RUN is the folder of an audit. Needs no model, and pictures only for --faces; the same record gives the same bytes.
    With --policy the reports show the verdict by these rules, with --within the differences within these strata;
    audit.json keeps its own.
    """
    from audit.gate import judge, read_policy
    from audit.records import read_run

    command = read_command_settings(options.stated(flags))
    _check_formats(command)
    policy = read_policy(flags["policy"]) if flags["policy"] else None
    result = read_run(run_folder)
    if flags["within"]:
        from audit.within import with_within

        result = with_within(result, flags["within"])
    verdict = judge(result, policy) if policy else _verdict(result)
    result = _with_faces(result, command, quiet=quiet)
    paths = _write_reports(result, verdict, run_folder, command)
    if json_to:
        click.echo((run_folder / "audit.json").read_text(encoding="utf-8"), nl=False)
    if not quiet:
        _say_summary(result, verdict, paths, within=flags["within"])
    return ExitStatus.OK


@cli.command(cls=options.TopicCommand)
@click.argument("model", type=click.Path(path_type=Path))
@options.probe_to_try
@options.inspect_options
@options.common_options
def inspect(
    model: Path,
    probe: Path | None,
    json_to: str | None,
    quiet: bool,
    verbose: int,  # noqa: ARG001
    **flags: Any,
) -> ExitStatus:
    """Say what can be seen in MODEL, and how to feed it.

    Prints inputs, outputs, layers, and which class activation maps can be made or why not.

    With --probe the usual preprocessings and class orders are tried, and a ready MODEL.toml is printed to standard
    output, everything else to standard error: `bias-audit inspect model.onnx --probe faces > model.onnx.toml`.
    """
    from audit.inspection import inspect_model

    settings = read_run_settings(options.stated(flags))
    seen = inspect_model(model, settings, probe=probe)
    if json_to:
        click.echo(json.dumps(seen.to_json(), indent=2, ensure_ascii=False))
    else:
        if not quiet:
            click.echo(seen.text(), err=probe is not None)
        if seen.toml is not None:
            click.echo(seen.toml, nl=False)
    return ExitStatus.OK


@cli.command(cls=options.TopicCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@options.survey_options
@options.common_options
def probe(folder: Path, json_to: str | None, quiet: bool, verbose: int, **flags: Any) -> ExitStatus:
    """Audit the probe set in DIR by itself, without a model.

    Prints what to know before a model is judged on it: copies and contradictions, empty cells and missing values, what
    hangs together, how the pictures differ, and how large a gap the set can find. With --out the same in full, as a
    page and as JSON. No picture leaves the folder.
    """
    import reports
    from audit.survey import survey_probe
    from audit.survey._folder import RECORD

    force, out = flags.pop("force"), flags.pop("out")
    settings = read_run_settings(options.stated(flags))
    bar = not (quiet or verbose)
    with Progress(f"reading {folder.name} …", shown=bar) as progress:
        survey = survey_probe(folder, out=out, settings=settings, force=force, progress=progress)
        paths = (*reports.write_survey(survey, out), Path(out) / RECORD) if out else ()
    if json_to:
        click.echo(survey.to_bytes(), nl=False)
    elif not quiet:
        click.echo(reports.survey_text(survey, _terminal.width()), nl=False)
    if not quiet:
        _terminal.say_paths(paths)
        if not out:
            _terminal.say("Every row of this, as a page and as JSON: --out DIR")
    return ExitStatus.OK


@cli.command(cls=options.TopicCommand)
@click.argument("folder", metavar="[DIR]", default="bias-audit-demo", type=click.Path(path_type=Path))
@options.formats_option
@options.common_options
def demo(folder: Path, json_to: str | None, quiet: bool, verbose: int, **flags: Any) -> ExitStatus:
    """Write a ready-made probe set and model to DIR, then audit them.

    The faces are drawn and the model has a bias planted on purpose, so the report shows what a finding looks like. DIR
    is bias-audit-demo unless named. No policy is judged, and settings files are left aside.
    """
    from audit.demo import write_demo

    command = read_command_settings(options.stated(flags), folder=None, environ={})
    bar = not (quiet or verbose)
    with Progress("drawing faces …", shown=bar):
        model, probe = write_demo(folder)
    out = folder / f"audit-{model.name}"
    return _audit(model, probe, out, RunSettings(), command, force=True, bar=bar, quiet=quiet, json_to=json_to)


def _verdict(result: AuditResult) -> Verdict | None:
    from audit.gate import Verdict

    return Verdict.from_json(result.verdict) if result.verdict is not None else None


def _status(verdict: Verdict | None, command: CommandSettings) -> ExitStatus:
    from audit.gate import exit_status

    return exit_status(verdict, inconclusive=command.inconclusive, exit_zero=command.exit_zero)


def _with_faces(result: AuditResult, command: CommandSettings, *, quiet: bool) -> AuditResult:
    """Misjudged pictures for the reports, when they were asked for."""
    if not command.faces:
        return result
    from audit.gallery import with_faces

    shown = with_faces(result)
    if not shown.faces and not quiet:
        _terminal.say("No picture was misjudged, so --faces has none to show.")
    return shown


def _check_formats(command: CommandSettings) -> None:
    """A slip of the pen ends a run before its hours of work, not after."""
    import reports

    for name in command.formats:
        reports.REPORTS.get(name)


def _write_reports(
    result: AuditResult, verdict: Verdict | None, folder: Path, command: CommandSettings
) -> tuple[Path, ...]:
    """The reports asked for and the tables; the record is in its folder already."""
    import reports

    judged = verdict is not None and bool(verdict.rules)
    wanted = command.formats or (*reports.DEFAULT_FORMATS, *(["junit"] if judged else []))
    return reports.write(result, verdict, folder, [*(name for name in wanted if name != "json"), "csv"])


def _say_summary(
    result: AuditResult, verdict: Verdict | None, paths: Sequence[Path], *, within: Sequence[str] = ()
) -> None:
    """What was just asked for comes first."""
    import reports
    from audit.within import by_name

    first = reports.within_strata(result, [by_name(text) for text in within])
    rest = [sentence for sentence in reports.headlines(result) if sentence not in first]
    _terminal.summary(result, verdict, [*first, *rest], paths)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give back its exit status; never leaves by `sys.exit`."""
    args = list(sys.argv[1:] if argv is None else argv)
    # Arrow's own allocator keeps what it was given: with the system's a long run needs no more memory than a short one.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    verbose = sum(word.count("v") for word in args if word.strip("v") == "-") + args.count("--verbose")
    with _terminal.logs(verbose), stopped_like_ctrl_c(), warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")  # libraries' own; what a user must know stands in the notes
        try:
            with cli.make_context("bias-audit", list(args)) as context:
                status = int(cli.invoke(context))
            sys.stdout.flush()
        except click.exceptions.Exit as ended:  # --help, --version
            status = ended.exit_code
        except BaseException as trouble:  # noqa: BLE001  the one place where everything ends
            if verbose and not isinstance(trouble, click.ClickException):
                traceback.print_exc()
            status = ended_by(trouble, args)
    return int(status)
