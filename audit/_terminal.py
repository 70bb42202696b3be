"""Words for a person at a terminal, all on standard error: logs, errors, the summary."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.errors import printable

if TYPE_CHECKING:
    from audit.gate import Verdict
    from audit.result import AuditResult, Measurement

_WIDEST = 80
_HEADLINES = 4
_COLORS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "not judged": "yellow"}


def width() -> int:
    """The terminal's, 80 at most: longer lines are hard to read."""
    return min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)


def say(text: str = "", *, indent: str = "", **style: object) -> None:
    """A paragraph on standard error, wrapped to the terminal, without color where nobody would see it."""
    kept = printable(text).replace(" %", "\xa0%")  # "95 %" stays on one line
    wrapped = textwrap.fill(kept, width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    wrapped = wrapped.replace("\xa0%", " %")
    click.echo(click.style(wrapped, **style), err=True, color=_color())  # type: ignore[arg-type]


def _color() -> bool | None:
    """None lets click decide by the stream; NO_COLOR is a user's word."""
    return False if os.environ.get("NO_COLOR") else None


def error(text: str) -> None:
    """One line, so that a log shows it whole."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True, color=_color())


@contextlib.contextmanager
def logs(verbose: int) -> Iterator[None]:
    """Logs go to standard error with -v and nowhere without: libraries don't talk on a user's terminal."""
    root, ours = logging.getLogger(), logging.getLogger("audit")
    handler: logging.Handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = ours.level
    root.addHandler(handler)
    ours.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)


def summary(result: AuditResult, verdict: Verdict | None, headlines: Sequence[str], paths: Sequence[Path]) -> None:
    """What was assumed, how often the model is wrong, what stands out, the verdict, and where the report is."""
    chance = verdict is not None and verdict.reason == "chance"
    for number, note in enumerate(result.notes):
        say(note, fg="red" if chance and number == 0 else "yellow", bold=chance and number == 0)
    say(_scope(result), bold=True)
    for name in ("wrong_label_rate", "failure_rate"):
        found = result.find(name)
        if found is not None and (name == "wrong_label_rate" or found.overall.value):
            say(f"{found.title}: {_with_interval(found, result)}")
    if result.probe.get("unreadable"):
        say(f"{result.probe['unreadable']:,} pictures could not be read", fg="yellow")
    for sentence in () if chance else headlines[:_HEADLINES]:
        say(f"- {sentence}", indent="  ")
    if not chance and len(headlines) > _HEADLINES:
        say(f"- and {len(headlines) - _HEADLINES} more, in the report")
    for line in (*_not_compared(result), *_not_checked(result)):
        say(line, fg="yellow")
    if verdict is not None and (verdict.rules or verdict.reason):
        say_verdict(verdict)
    say_paths(paths)


def _not_compared(result: AuditResult) -> Iterator[str]:
    """Strata that were asked for and can't be had; an attribute within itself in one line."""
    from audit.result import PICTURE_QUALITY
    from audit.strata import MEASURE

    itself: dict[str, list[str]] = {}
    for skipped in result.skipped:
        by, attribute = skipped.parameters.get("within", ""), skipped.attribute or ""
        if skipped.measure != MEASURE or by == PICTURE_QUALITY:
            continue
        if set(by.split("*")) & set(attribute.split("*")):
            itself.setdefault(by, []).append(attribute)
        else:
            yield f"Not compared by {attribute} within {by}: {skipped.reason}."
    for by, attributes in itself.items():
        yield f"Not compared by {', '.join(attributes)} within {by}: what they share is the same for all in a stratum."


def _not_checked(result: AuditResult) -> Iterator[str]:
    """The check of the maps, where it was to be made and could not be."""
    for skipped in result.skipped:
        if skipped.measure == "trust":
            yield f"Whether the class activation maps can be trusted could not be checked: {skipped.reason}."


def say_verdict(verdict: Verdict) -> None:
    """The verdict, then each rule with its sentence."""
    say(f"Verdict: {verdict.status}", fg=_COLORS[verdict.status], bold=True)
    for rule in verdict.rules:
        say(f"- {rule.id}: {rule.explanation}", indent="  ", fg=_COLORS[rule.status])


def say_paths(paths: Sequence[Path]) -> None:
    """Where to look: the report to open first, then the folder."""
    order = ("probe.html", "probe.json", "report.html", "report.pdf", "summary.md", "junit.xml")
    first = sorted((p for p in paths if p.name in order), key=lambda p: order.index(p.name))
    # Not wrapped: a path is for copying.
    for path in first:
        click.echo(f"{path.name}: {click.style(str(path), bold=True)}", err=True, color=_color())


def _scope(result: AuditResult) -> str:
    probe = result.probe
    people = f" of {probe['subjects']:,} people" if probe.get("subject") else ""
    sample = f", a sample of {probe['total']:,}" if probe.get("sampled") else ""
    return f"{result.model['file']} on {probe['images']:,} images{people}{sample}"


def _with_interval(found: Measurement, result: AuditResult) -> str:
    seen = found.overall
    if seen.value is None:
        return "could not be measured"
    if seen.low is None or seen.high is None:
        return percent(seen.value)
    level = 100 * (1 - float(result.settings.get("alpha", 0.05)))
    return f"{percent(seen.value)} ({level:g} % interval {percent(seen.low)} to {percent(seen.high)})"


def percent(share: float) -> str:
    """One decimal; 0 and 100 only where they are exactly true."""
    text = f"{100 * share:.1f}"
    if text == "0.0" and share > 0:
        return "under 0.1 %"
    if text == "100.0" and share < 1:
        return "over 99.9 %"
    return f"{text.removesuffix('.0') if share in (0, 1) else text} %"
