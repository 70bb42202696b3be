"""The zip that torch's files are: looked at before anything in it is used."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from audit.errors import ModelError, UnsafeModel

MOST_MEMBERS = 50_000  # a large network has one for each weight: some thousands


def check_archive(path: Path, *, kind: str, export: str) -> dict[str, int]:
    """The members of the archive's one folder, without the folder's name, and the bytes that each unpacks to.

    Args:
        path: the file.
        kind: what it should be, "TorchScript".
        export: how to write such a file, for the hint.

    Raises:
        UnsafeModel: a pickle, a zip bomb, members that leave the archive.
        ModelError: no archive at all, or a broken one.
    """
    with path.open("rb") as file:
        head = file.read(2)
    if not _is_zip(path):
        if head[:1] == b"\x80":
            raise checkpoint(path, kind=kind, export=export)
        broken = head == b"PK"
        what = f"the {kind} file is broken or cut short" if broken else f"this is not a {kind} file"
        raise ModelError(what, where=path, hint=export)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ModelError(f"the {kind} file is broken or cut short", where=path, hint=export) from error
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS:
        raise UnsafeModel("the archive has far too many members", value=f"{len(names):,}", where=path)
    tops = {PurePosixPath(name).parts[:1] for name in names}
    outside = [n for n in names if n.startswith(("/", "\\")) or ".." in PurePosixPath(n.replace("\\", "/")).parts]
    if outside or len(set(names)) != len(names):
        reason = "a member outside the archive" if outside else "two members of one name"
        raise UnsafeModel(f"the archive has {reason}", value=next(iter(outside), None), where=path)
    if len(tops) != 1:
        raise UnsafeModel("the archive has members outside its one folder", value=len(tops), where=path, hint=export)
    unpacked = sum(member.file_size for member in members)
    if unpacked > 10 * path.stat().st_size + 2**28:
        raise UnsafeModel("the archive unpacks to far more than its size", value=f"{unpacked} bytes", where=path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself reads over it
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"the {kind} file is broken or cut short", where=path, hint=export) from error
    if damaged is not None:
        raise ModelError(
            f"the {kind} file is damaged: a part does not match its checksum",
            value=damaged,
            where=path,
            hint="Copy it again",
        )
    return {member.filename.partition("/")[2]: member.file_size for member in members}


def check_agreement(reader: Any, members: Mapping[str, int], path: Path) -> None:
    """Raises UnsafeModel where torch's reader finds other members in the archive than were looked at here."""
    found = {name: int(reader.get_record_size(name)) for name in reader.get_all_records()}
    if found != members:
        raise UnsafeModel("the archive can be read in two ways", where=path)


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # its very last bytes are broken
        return False


def checkpoint(path: Path, *, kind: str, export: str) -> UnsafeModel:
    """What to say of a file that only holds weights, or any other pickle."""
    return UnsafeModel(
        f"this is a pickle or a checkpoint, not {kind}; opening it could run any code", where=path, hint=export
    )
