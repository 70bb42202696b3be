"""What a file is by its first bytes, whatever it is called: a model under the wrong suffix, or no model at all."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from audit.errors import ModelError

_SAVE = "Load the network in Python and export it with torch.onnx.export, torch.jit.save or torch.export.save"
_KERAS = "Convert it to ONNX, for instance with tf2onnx"
_HEAD = 512  # bytes that are looked at


@dataclass(frozen=True, slots=True)
class Kind:
    """What it seems to be, the suffixes under which it can be opened, and what to do about it otherwise."""

    name: str
    suffixes: tuple[str, ...] = ()
    hint: str | None = None


ONNX = Kind("an ONNX model", (".onnx",))
TORCHSCRIPT = Kind("a TorchScript file", (".pt", ".ts", ".torchscript"))
EXPORTED = Kind("a torch.export file", (".pt2",))
CHECKPOINT = Kind("a PyTorch checkpoint: weights without a network", hint=_SAVE)
PICKLE = Kind("a Python pickle, as an old PyTorch checkpoint is; opening it could run any code", hint=_SAVE)
PARQUET = Kind("a Parquet table", (".parquet",))
_POINTER = Kind(
    "a Git LFS pointer: the model itself was not downloaded", hint="Fetch it with `git lfs pull`, then try again"
)
_BEGINNINGS: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file, as Keras writes them", hint=_KERAS)),
    (4, b"TFL3", Kind("a TensorFlow Lite model", hint="Convert it to ONNX, for instance with tf2onnx --tflite")),
    (4, b"ORTM", Kind("a model in onnxruntime's own ORT format", hint="Take the ONNX file that it was made from")),
    (0, b"PAR1", PARQUET),
    (0, b"GGUF", Kind("a GGUF file: the weights of a language model")),
    (0, b"version https://git-lfs", _POINTER),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture")),
    (0, b"\x89PNG\r\n", Kind("a PNG picture")),
    (0, b"GIF8", Kind("a GIF picture")),
    (0, b"%PDF", Kind("a PDF document")),
    (0, b"\x7fELF", Kind("a program or a native library")),
    (0, b"\x1f\x8b", Kind("a gzip archive", hint="Unpack it first")),
    (257, b"ustar", Kind("a tar archive", hint="Unpack it first")),
    (0, b"\x80", PICKLE),
)
# Version of the format, then a field of a model: how every exporter begins.
_ONNX = re.compile(rb"\x08[\x03-\x20](?:[\x12\x1a\x22\x32\x3a\x42\x72]|\x28|\xba\x01)", re.DOTALL)
_ZIPS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"(?:^|/)models/\w+\.json$|(?:^|/)archive_format$"), EXPORTED),
    (re.compile(r"^[^/]*/(?:code/.*\.py|constants\.pkl)$"), TORCHSCRIPT),
    (re.compile(r"^[^/]*/data\.pkl$"), CHECKPOINT),
    (re.compile(r"^model\.weights\.h5$"), Kind("a Keras model", hint=_KERAS)),
    (re.compile(r"\.npy$"), Kind("a NumPy archive: arrays without a network")),
)


def kind_of(path: Path) -> Kind | None:
    """What the file seems to be; None where nothing gives it away."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return Kind("a safetensors file: weights without a network", hint=_SAVE)
    found = (kind for at, start, kind in _BEGINNINGS if head[at : at + len(start)] == start)
    return next(found, ONNX if _ONNX.match(head) else None)


def check_suffix(path: Path) -> None:
    """Raises ModelError for a file that is plainly something else than its suffix says.

    What is a pickle under one of torch's suffixes is left to the reader of those, which has more to say of it.
    """
    kind = kind_of(path)
    suffix = path.suffix.lower()
    ours = suffix in (*TORCHSCRIPT.suffixes, *EXPORTED.suffixes) and kind in (CHECKPOINT, PICKLE)
    if kind is None or suffix in kind.suffixes or ours:
        return
    hint = kind.hint or (f"Give it the suffix {' or '.join(kind.suffixes)}" if kind.suffixes else None)
    raise ModelError(
        f"the suffix is {suffix or 'missing'}, but the content seems to be {kind.name}", where=path, hint=hint
    )


def _zipped(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return None  # broken: its own reader says so
    for pattern, kind in _ZIPS:
        if any(pattern.search(name) for name in names):
            return kind
    return Kind("a zip archive", hint="Unpack it first")
