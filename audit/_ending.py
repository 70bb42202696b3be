"""How a command ends: every error becomes one line on standard error and an exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence

import click

from audit import _terminal
from audit.errors import AuditError, ExitStatus, Interrupted


@contextlib.contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
    """What a CI system sends on cancelling (SIGTERM) ends a run as Ctrl-C does: what was done is kept."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: whoever is there decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ended_by(trouble: BaseException, args: Sequence[str]) -> ExitStatus:
    """Say in one line what went wrong; the status it ends in."""
    if isinstance(trouble, click.UsageError) and not args:  # the help itself
        click.echo(trouble.format_message(), err=True)
        return ExitStatus.USAGE
    if isinstance(trouble, click.ClickException):
        where = trouble.ctx.command_path if isinstance(trouble, click.UsageError) and trouble.ctx else "bias-audit"
        _terminal.error(f"{trouble.format_message()} Try: {where} --help")
        return ExitStatus.USAGE
    if isinstance(trouble, Interrupted):
        _terminal.error(f"{trouble.what}. Go on with:")
        again = [word for word in args if word not in ("--force", "--resume")]
        click.echo(f"  {shlex.join(['bias-audit', *again, '--resume'])}", err=True)
        return trouble.status
    if isinstance(trouble, AuditError):
        _terminal.error(str(trouble))
        return trouble.status
    if isinstance(trouble, KeyboardInterrupt | click.Abort):
        _terminal.error("interrupted.")
        return ExitStatus.INTERRUPTED
    _terminal.error(_internal(trouble))
    return ExitStatus.INTERNAL


def _internal(trouble: BaseException) -> str:
    if isinstance(trouble, MemoryError):
        return "out of memory. Try a smaller --batch-size."
    if isinstance(trouble, BrokenPipeError):
        # What is still buffered would raise again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "standard output was closed before everything was written."
    if isinstance(trouble, OSError) and trouble.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({trouble.filename or 'no file named'}). Make room, then go on with --resume."
    first = (str(trouble).splitlines() or [""])[0]
    return f"unexpected {type(trouble).__name__}: {first} (a mistake of ours; run with -v for the traceback)"
