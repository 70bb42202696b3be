"""How far a run is: a line at the terminal that is drawn over itself."""

from __future__ import annotations

import os
import sys
import time
from typing import Self

from audit._terminal import width


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
