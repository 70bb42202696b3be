"""Hundreds of broken files a format, each used as an audit would: it works, or it ends in one line of status 4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import fuzzing
from tests.support import onnx_networks as onnx_files


def _onnx(folder: Path) -> list[Path]:
    made = {
        "plain": onnx_files.small_cnn(),
        "old": onnx_files.small_cnn(opset=9),
        "separable": onnx_files.separable(),
        "gated": onnx_files.squeeze_and_excitation(),
        "tokens": onnx_files.channels_last(),
        "pairs": onnx_files.quantized(),
        "integers": onnx_files.integer_convolutions(),
    }
    return [onnx_files.save(model, folder / f"{name}.onnx") for name, model in made.items()]


def _torch(folder: Path, names: Sequence[str], *forms: str) -> list[Path]:
    pytest.importorskip("torch")
    from tests.support import torch_networks, torch_zoo

    made = []
    for name in names:
        network = torch_zoo.build(name)
        for form in forms if name == "plain" else forms[:1]:
            path = folder / f"{name}-{form}{torch_networks.suffix(form)}"
            made.append(torch_networks.save(network, path, form, size=torch_zoo.SIZE))
    return made


def _originals(form: str, folder: Path, *, few: bool) -> list[Path]:
    if form == "onnx":
        return _onnx(folder)
    names = ("plain",) if few else ("plain", "depthwise-se", "vit")
    return _torch(folder, names, *(("exported",) if form == "exported" else ("traced", "scripted", "frozen")))


def _check(form: str, count: int, seed: int, folder: Path) -> None:
    found = fuzzing.endings(
        fuzzing.plant(_originals(form, folder, few=count < 200), count, folder / "broken", seed), size=32
    )
    works = sum(end == "works" for end in found.values())

    assert fuzzing.wrong(found) == []
    assert len(found) == count
    assert 0.05 * count < works < 0.6 * count  # neither all hopeless nor all harmless


def test_broken_onnx_files_end_in_one_line_each(tmp_path: Path) -> None:
    _check("onnx", 200, 0, tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize(("form", "count"), [("torchscript", 60), ("exported", 20)])
def test_broken_torch_files_end_in_one_line_each(form: str, count: int, tmp_path: Path) -> None:
    _check(form, count, 0, tmp_path)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("form", ["onnx", "torchscript", "exported"])
def test_two_hundred_more_of_each(form: str, seed: int, tmp_path: Path) -> None:
    _check(form, 200, seed, tmp_path)
