"""One file to one upright picture, and one picture to one model input. Pillow does the reading and the resizing.

Kept on purpose: JPEGs are decoded in full (Pillow's draft mode changes pixels), alpha is dropped as Pillow's
`convert("RGB")` and torchvision do, only the first frame counts, 16-bit grey is brought to 8 bit by dividing by 257
(Pillow would clip it to white).
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from audit.errors import UsageError
from audit.inputs import InputSpec
from audit.probes._geometry import Placement

MAX_PIXELS = 64_000_000
MAX_BYTES = 512 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")

_GREY = ("1", "L", "LA", "La")
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
_NO_RANGE = {"F": "floating-point", "I": "32-bit integer"}
_RESIZES = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
}
_TOO_MANY = f"more than the limit of {MAX_PIXELS // 10**6} million pixels"


class Unreadable(Exception):
    """A picture that can't be used, with the reason in plain words."""


def quiet_pillow() -> None:
    """Pillow warns of odd files on standard error; what matters of that is said in an image's reason."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def read_bytes(path: str | Path) -> bytes:
    """The file's bytes. Raises Unreadable, also for what is no plain file: a pipe would never end."""
    try:
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("this is not a file")
            if status.st_size > MAX_BYTES:
                raise Unreadable(f"the file is larger than {MAX_BYTES // 2**20} MiB")
            return file.readall()
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except IsADirectoryError:
        raise Unreadable("this is not a file") from None
    except OSError as error:
        raise Unreadable(f"the file can't be read: {error.strerror or error}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def decode(data: bytes) -> Image.Image:
    """The upright picture, mode L or RGB, 8 bit a channel. Raises Unreadable."""
    if not data:
        raise Unreadable("the file is empty")
    try:
        return _plain(_upright(_load(data)))
    except (Unreadable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unreadable("this is no JPEG, PNG, WebP, BMP or TIFF picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(_TOO_MANY) from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they stumble over in a broken file
        words = str(error).lower()
        cut = "truncated" in words or "unexpected end" in words
        reason = "the file ends early" if cut else f"the picture is damaged: {error}"
        raise Unreadable(reason) from None


def _load(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:  # known from the header: nothing is decoded yet
        raise Unreadable(f"{image.width} x {image.height} pixels: {_TOO_MANY}")
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(0x0112, 1) in range(2, 9)
    except Exception:  # noqa: BLE001 - broken metadata doesn't make the picture unreadable
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in _NO_RANGE:
        raise Unreadable(f"{_NO_RANGE[image.mode]} pixels have no agreed range of values")
    if image.mode in _DEEP_GREY:
        return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    image.info.pop("transparency", None)  # else Pillow tries to keep it, and warns
    return image.convert("L" if image.mode in _GREY else "RGB")


class Preprocess:
    """Turns pictures into one model's input."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._resize = _RESIZES[spec.resize]
        self._mode = "L" if spec.color == "gray" else "RGB"
        scale, mean, std = (_by_channel(v, spec) for v in ((spec.scale,), spec.mean, spec.std))
        factor, shift = 1 / (scale * std), -mean / std
        self._factor = factor.astype(np.float32)[:, None, None]
        self._shift = shift.astype(np.float32)[:, None, None]

    def __call__(self, image: Image.Image, placement: Placement, out: NDArray[Any]) -> None:
        """Write a picture (mode L or RGB) into `out`: [C, H, W] or [H, W, C], the model's dtype."""
        planes = self._planes(self._fit(image, placement))
        target = out.transpose(2, 0, 1) if self._spec.layout == "NHWC" else out
        if out.dtype == np.uint8:
            target[...] = planes
        elif out.dtype == np.float32:
            np.multiply(planes, self._factor, out=target)
            np.add(target, self._shift, out=target)
        else:
            target[...] = planes * self._factor + self._shift

    def _fit(self, image: Image.Image, placement: Placement) -> Image.Image:
        if self._mode == "L" and image.mode != "L":
            image = image.convert("L")
        if any(placement.border):
            image = self._on_fill(image, placement.canvas, placement.border)
        whole = placement.box == (0, 0, *image.size)
        image = image.resize(placement.inner, self._resize, box=None if whole else placement.box)
        if placement.inner != placement.input:
            image = self._on_fill(image, placement.input, placement.offset)
        return image if image.mode == self._mode else image.convert(self._mode)

    def _on_fill(self, image: Image.Image, size: tuple[int, int], offset: tuple[int, int]) -> Image.Image:
        """The picture on a larger one filled with `fill`, which is RGB, or one grey level for all channels."""
        red, green, blue = self._spec.fill if len(self._spec.fill) == 3 else self._spec.fill * 3
        canvas = Image.new("RGB", size, (red, green, blue)).convert(self._mode)
        canvas.paste(image, offset)
        return canvas

    def _planes(self, image: Image.Image) -> NDArray[np.uint8]:
        """[C, H, W], channels in the model's order."""
        width, height = image.size
        if self._mode == "L":
            return np.asarray(image)[None]
        # Pillow writes each row's red, green and blue apart, which is faster to read than picking every third value.
        rows = np.frombuffer(image.tobytes("raw", "RGB;L"), np.uint8).reshape(height, 3, width)
        return (rows if self._spec.color == "rgb" else rows[:, ::-1]).transpose(1, 0, 2)


def _by_channel(values: tuple[float, ...], spec: InputSpec) -> NDArray[np.float64]:
    """One value a channel; one that is the same for all may be written once or thrice."""
    if len(set(values)) == 1:
        return np.full(spec.channels, values[0], dtype=np.float64)
    if len(values) != spec.channels:
        raise UsageError(
            "mean and std need one value a channel", value=list(values), allowed=f"{spec.channels}", where="model.input"
        )
    return np.array(values, dtype=np.float64)
