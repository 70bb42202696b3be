"""How a picture is turned into a model's input: one frozen value, hashed into the record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

COLORS = ("rgb", "bgr", "gray")
RESIZES = ("bilinear", "nearest", "bicubic", "area")
FITS = ("squash", "crop", "pad")
LAYOUTS = ("NCHW", "NHWC")
DTYPES = ("float32", "float16", "uint8")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """Preprocessing of one image: margin, fit, resize, colour, then (pixel / scale - mean) / std.

    Pixels are 0..255 before `scale`. `mean` and `std` have one value a channel. With dtype `uint8` the pixels
    go in as they are, and scale, mean and std must be 1, 0 and 1.
    """

    size: tuple[int, int]  # height, width
    color: str = "rgb"
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    resize: str = "bilinear"
    fit: str = "squash"
    margin: float = 0.0  # border added on each side first, as a share of that side
    fill: tuple[int, ...] = (0, 0, 0)
    layout: str = "NCHW"
    dtype: str = "float32"

    @property
    def channels(self) -> int:
        return 1 if self.color == "gray" else 3

    def shape(self, batch: int) -> tuple[int, int, int, int]:
        """Shape of the model's input for a batch of this many images."""
        height, width = self.size
        if self.layout == "NHWC":
            return (batch, height, width, self.channels)
        return (batch, self.channels, height, width)

    def to_json(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def digest(self) -> str:
        """SHA-256 of the whole preprocessing."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


# For a model that looks at no picture: these are decoded to be measured and hashed, and made ready for nothing.
NO_INPUT = InputSpec(size=(1, 1), scale=1.0, resize="nearest", dtype="uint8")

# The usual ways to feed a vision model, by the names people know them by.
PRESETS: dict[str, dict[str, Any]] = {
    "imagenet": {"scale": 255.0, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    "unit": {"scale": 255.0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    "symmetric": {"scale": 127.5, "mean": (1.0, 1.0, 1.0), "std": (1.0, 1.0, 1.0)},
    "raw": {"scale": 1.0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
}
