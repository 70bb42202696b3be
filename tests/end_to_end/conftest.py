"""One small drawn probe set and the demo's network, shared by the tests of the whole way through."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import audit.demo
from audit.cli import main
from tests.support.planted import drawn_probe


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 people, two pictures each."""
    return drawn_probe(tmp_path_factory.mktemp("drawn") / "faces", subjects=48, pictures=2, seed=3)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network with its settings beside it."""
    folder = tmp_path_factory.mktemp("model")
    for name in ("model.onnx", "model.onnx.toml", "model.pt", "model.pt.toml"):
        shutil.copy(Path(audit.demo.__file__).parent / name, folder / name)
    return folder / "model.onnx"


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command line in an empty folder; gives the exit status and what stood on standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> tuple[int, str]:
        status = main([str(word) for word in words])
        return int(status), capsys.readouterr().err

    return run
