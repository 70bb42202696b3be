"""Other people's libraries for maps and for what is measured on them, imported without what they need and we don't.

There is no torchvision for the torch that is tested with, and pytorch-grad-cam and Quantus import OpenCV and
scikit-image for drawings: modules of these names, without contents, stand in while they are imported. A test that asks
for a library that is not there is skipped; `pip install --no-deps -r tests/peers.txt` installs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from typing import Any

import pytest

_ABSENT = {
    "cv2": {"resize": lambda image, size: image, "COLORMAP_JET": 2},
    "skimage": {},
    "skimage.segmentation": {"slic": None, "felzenszwalb": None},
    "torchvision": {},
    "torchvision.transforms": {"Compose": None, "Normalize": None, "ToTensor": None},
    "torchvision.transforms.functional": {"resize": None},
}


def captum() -> Any:
    return _imported("captum.attr", "captum")


def torchcam() -> Any:
    return _imported("torchcam.methods", "torchcam")


def gradcam() -> Any:
    """pytorch-grad-cam."""
    return _imported("pytorch_grad_cam", "grad-cam")


def quantus() -> Any:
    return _imported("quantus", "quantus")


def _imported(module: str, distribution: str) -> Any:
    pytest.importorskip("torch")
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{distribution} is not installed: pip install --no-deps -r tests/peers.txt")
    made = [name for name in _ABSENT if importlib.util.find_spec(name.partition(".")[0]) is None]
    for name in made:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(_ABSENT[name])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    finally:
        for name in made:
            del sys.modules[name]
