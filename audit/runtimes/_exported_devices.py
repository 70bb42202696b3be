"""torch.export files made on another device.

It is written into them at every tensor, so torch can't even open one where that device is missing. Here it is written
over, in memory.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SAMPLES = "/data/sample_inputs/"


def on_cpu(path: Path) -> Path | io.BytesIO:
    """The file itself where all of it lives on the CPU, else a copy that does. To be called after `check_file`."""
    with zipfile.ZipFile(path) as archive:
        texts = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
        devices = [device for text in texts.values() for device in _devices(text) if device["type"] != "cpu"]
        if not devices:
            return path
        for device in devices:
            device |= {"type": "cpu", "index": None}
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as moved:
            for name in archive.namelist():
                moved.writestr(name, json.dumps(texts[name]) if name in texts else _moved(name, archive.read(name)))
    copy.seek(0)
    return copy


def _devices(value: Any) -> Iterator[dict[str, Any]]:
    """Every device that a part of the file names."""
    if isinstance(value, dict):
        if value.keys() == {"type", "index"} and isinstance(value["type"], str):
            yield value
        for inner in value.values():
            yield from _devices(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _devices(inner)


def _moved(name: str, content: bytes) -> bytes:
    """Example inputs are a pickle of tensors, and carry their device too."""
    import torch

    if _SAMPLES not in name:
        return content
    buffer = io.BytesIO()
    torch.save(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), buffer)
    return buffer.getvalue()
