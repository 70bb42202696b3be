"""Every plug-in folder is a registry, and every registry has a test of its contract that walks it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import audit
import reports
from audit.registry import Registry
from tests.support.fixtures import fixture_of

HERE = Path(__file__).parent
PACKAGES = [f"audit.{m.name}" for m in pkgutil.iter_modules(audit.__path__) if m.ispkg] + [reports.__name__]
REGISTRIES = {
    package: value
    for package in PACKAGES
    for value in vars(importlib.import_module(package)).values()
    if isinstance(value, Registry)
}


def test_there_are_as_many_as_there_are_plug_in_folders() -> None:
    assert {package.rpartition(".")[2] for package in REGISTRIES} == {
        "analyses", "cams", "engines", "measures", "probes", "reports", "runtimes", "tasks"
    }  # fmt: skip


@pytest.mark.parametrize("package", REGISTRIES)
def test_a_contract_is_tested_for_every_registry(package: str) -> None:
    path = HERE / f"test_{package.rpartition('.')[2]}.py"

    assert path.exists(), f"{package} has a registry: add tests/contracts/{path.name}, which walks it"


@pytest.mark.parametrize("package", REGISTRIES)
def test_every_public_file_of_a_folder_registers_something(package: str) -> None:
    folder = importlib.import_module(package)
    files = [module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_")]

    assert len(REGISTRIES[package].names()) >= len(files) > 0


def test_a_plug_in_without_a_fixture_is_told_what_to_add() -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        fixture_of("safetensors", {}, kind="runtime", add="a function that writes a small network to BUILDERS, here")

    assert str(caught.value) == (
        "The runtime 'safetensors' has no fixture for the tests of its contract: "
        "add a function that writes a small network to BUILDERS, here."
    )
