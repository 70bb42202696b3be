"""Files: their hashes, and one way to write them, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from audit.errors import MachineError


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well; readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise machine_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def machine_error(error: OSError, path: Path) -> MachineError:
    """The machine's own trouble, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError("the disk is full", where=path, hint="Make room, then go on with --resume")
    return MachineError(f"can't write: {error.strerror or error}", where=path)
