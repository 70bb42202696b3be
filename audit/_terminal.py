"""Words for a person at a terminal, all on standard error: the progress bar, the summary, errors."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

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


class Progress:
    """A line that is drawn over itself: images done, share, images per second, time left.

    Drawn only on a terminal; a log gets nothing. Used as a context manager, it leaves no trace.
    """

    def __init__(self, opening: str, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._begun: tuple[float, int] | None = None  # when the first images came, and how many were done before
        self._drawn = 0.0
        self._draw(opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._draw("")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, done)
        if not self._shown or (now - self._drawn < 0.1 and done < total):
            return
        self._drawn = now
        begun, before = self._begun
        self._draw(progress_line(done, total, done - before, now - begun))

    def trust(self, done: int, total: int) -> None:
        """The second stage, after all images."""
        now = time.monotonic()
        if self._shown and (now - self._drawn >= 0.1 or done >= total):
            self._drawn = now
            self._draw(f"{_bar(done, total)} can the map be trusted? {done:,}/{total:,} passes")

    def _draw(self, line: str) -> None:
        if self._shown:
            sys.stderr.write(f"\r\x1b[2K{line[: width() - 1]}")
            sys.stderr.flush()


def progress_line(done: int, total: int, since: int, seconds: float) -> str:
    """`since` images were done in these seconds; an earlier, interrupted run may have done some before."""
    line = f"{_bar(done, total)} {done:,}/{total:,} images"
    if since > 0 and seconds > 0:
        left = round((total - done) * seconds / since)
        line += f"  {since / seconds:,.0f} images/s  {left // 60}:{left % 60:02d} left"
    return line


def _bar(done: int, total: int) -> str:
    filled = 24 * done // max(total, 1)
    return "━" * filled + "─" * (24 - filled)


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
