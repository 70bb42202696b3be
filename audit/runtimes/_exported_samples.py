"""The example inputs in a torch.export file: a pickle of tensors, in an archive of its own.

torch reads one without running what it names, but takes the size of every tensor at its word.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._pickled import MARKED, Pickled
from audit.runtimes._torchscript_pickles import TENSORS, check_names, check_tensors, read

_CALLED = (*TENSORS, "torch._utils._rebuild_parameter", "collections.OrderedDict", "torch.Size", "torch.device")
_MOST_ARGUMENTS = 64


def check_samples(content: bytes, name: str, path: Path, *, hint: str) -> None:
    """Raises UnsafeModel unless a member of the file holds tensors, each within its bytes."""
    import torch

    try:
        found, sizes = _opened(content, path)
        check_names(found, path, also=(MARKED,))
        check_tensors(found, sizes, path)
        _check_calls(found)
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UnsafeModel:
        raise
    except Exception as error:  # the readers raise several kinds
        raise UnsafeModel(
            "the file holds a pickle of more than tensors; opening it could run any code",
            value=name,
            where=path,
            hint=hint,
        ) from error


def _opened(content: bytes, path: Path) -> tuple[Pickled, dict[str, int]]:
    """What the pickle holds, and the bytes of each record beside it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > len(content):
            raise UnsafeModel("the file's example inputs unpack to more than their size", where=path)
        (pickle,) = (member for member in members if member.filename.endswith("/data.pkl"))
        folder = f"{pickle.filename.removesuffix('.pkl')}/"
        sizes = {member.filename.removeprefix(folder): member.file_size for member in members}
        return read(archive.read(pickle), path), sizes


def _check_calls(found: Pickled) -> None:
    """Nothing is called, or called with so much, that it could take more than the file has."""
    for thing in found.things:
        if thing.name not in _CALLED or len(thing.held) != 1:
            raise ModelError("a call that makes no tensor")
        parts = [thing.held[0], *(part for part in thing.held[0] if isinstance(part, tuple | list))]
        if any(len(part) > _MOST_ARGUMENTS for part in parts):
            raise ModelError("far too many arguments")
