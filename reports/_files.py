"""The one place that writes: to a temporary name beside the file, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from audit.errors import MachineError


def write_all(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write every file, or none: nothing is renamed before all are on disk. Raises MachineError."""
    waiting: dict[Path, Path] = {}
    target = folder
    try:
        for name, data in files.items():
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            waiting[target] = _temporary(target, data)
        for target, temporary in waiting.items():
            temporary.replace(target)
    except OSError as error:
        raise MachineError(
            f"can't write this file ({error.strerror or error})",
            where=target,
            hint="Free some space or choose another folder with --out",
        ) from error
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)
    return tuple(waiting)


def _temporary(target: Path, data: bytes) -> Path:
    """`data` in a new file beside `target`, mode 0600, on disk; removed again when that fails."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return path
