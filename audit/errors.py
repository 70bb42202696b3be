"""What can go wrong, and the exit status that each kind ends in.

    AuditError                      5  anything below
    ├── UsageError                  2  what was typed or configured
    │   ├── SettingsError              a key in a TOML file, the environment or a flag
    │   ├── PolicyError                a rule that can't be read
    │   └── FolderOccupied             the output folder holds something else
    ├── UnusableInput               4  the file is there and can't be used
    │   ├── ModelError
    │   │   └── UnsafeModel            opening or running it could do harm: refused before anything ran
    │   ├── ProbeError                 manifest, images, labels, masks, landmarks
    │   └── MissingExtra               a library that is not installed; names the extra that brings it
    ├── MachineError                5  disk full, out of memory
    └── Interrupted               130  Ctrl-C; what was done so far is kept

A message says what, the value given, what is allowed, where, and what to do about it. Only the command
line turns an error into text and a status.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from unicodedata import category


class ExitStatus(enum.IntEnum):
    """How a command ended: the same numbers from Python and at the shell. Public and stable."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    UNUSABLE = 4
    INTERNAL = 5
    INTERRUPTED = 130


class AuditError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: one sentence without a full stop, naming the thing that is wrong.
        value: the value given, shown in quotes as typed.
        allowed: what would have been accepted: a sentence, or a collection of names.
        where: file, line, key path or flag.
        hint: what to do about it, as a sentence.
    """

    status: ExitStatus = ExitStatus.INTERNAL

    def __init__(
        self,
        what: str,
        *,
        value: object = None,
        allowed: str | Iterable[str] | None = None,
        where: object = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.value = value
        self.allowed = allowed if allowed is None or isinstance(allowed, str) else tuple(allowed)
        self.where = where
        self.hint = hint
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where is not None else self.what]
        if self.value is not None:
            shown = str(self.value)
            parts.append(f", got {shown[:120] + '…' if len(shown) > 120 else shown!r}")
        parts.append(".")
        if self.allowed is not None:
            listed = self.allowed if isinstance(self.allowed, str) else _listed(self.allowed)
            parts.append(f" Allowed: {listed.rstrip('.')}.")
        if self.hint:
            parts.append(f" {self.hint}" if self.hint.endswith(("?", ".")) else f" {self.hint}.")
        return printable("".join(parts))


class UsageError(AuditError):
    status = ExitStatus.USAGE


class SettingsError(UsageError):
    pass


class PolicyError(UsageError):
    pass


class FolderOccupied(UsageError):
    pass


class UnusableInput(AuditError):
    status = ExitStatus.UNUSABLE


class ModelError(UnusableInput):
    pass


class UnsafeModel(ModelError):
    pass


class ProbeError(UnusableInput):
    pass


class MissingExtra(UnusableInput):
    """A library that an input needs is not installed."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {library}, which is not installed",
            hint=f"Install it with: pip install 'bias-audit[{extra}]'",
        )


class MachineError(AuditError):
    status = ExitStatus.INTERNAL


class Interrupted(AuditError):
    status = ExitStatus.INTERRUPTED


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the known names closest to `name`, or None when nothing comes close."""
    by_folded = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(by_folded[c] for c in close)}?" if close else None


def _listed(names: tuple[str, ...], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def printable(text: str) -> str:
    """Names in messages come from untrusted files: keep control characters off the terminal."""
    return "".join(c if c.isprintable() or c == "\n" or category(c) == "Zs" else f"\\x{ord(c):02x}" for c in text)
