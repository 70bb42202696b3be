"""`run.log`: what the package says while a run goes on, one line an event."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from audit.errors import printable


@contextlib.contextmanager
def logging_to(path: Path, *, more: bool) -> Iterator[None]:
    """What the package logs goes to this file, too; with `more` after what it holds already."""
    path.touch(mode=0o600)
    handler = _QuietHandler(path, mode="a" if more else "w", encoding="utf-8")
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(logging.INFO)
    logger = logging.getLogger("audit")
    level = logger.level
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


class _QuietHandler(logging.FileHandler):
    """A log that can't be written is no reason to talk over the error that follows from the same full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 the name is logging's
        """Nothing."""


class _OneLine(logging.Formatter):
    """An event stays on its line, whatever an untrusted name in it holds."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record)).replace("\n", "\\x0a")
