"""Importing the package and asking for help load click and the standard library, nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIST = """
import sys, sysconfig
before = set(sys.modules)
{run}
roots = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(" ".join(sorted(roots - set(sys.stdlib_module_names))))
"""


def loaded(run: str) -> set[str]:
    """Top-level packages outside the standard library that `run` loads in a fresh Python."""
    done = subprocess.run([sys.executable, "-c", _LIST.format(run=run)], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param("import audit", {"audit"}, id="the package"),
        pytest.param("import audit; audit.ExitStatus, audit.read_policy", {"audit"}, id="a promised name"),
        pytest.param("import audit.cli", {"audit", "click"}, id="the command line"),
        pytest.param("import audit.cli; audit.cli.main(['run', '--help'])", {"audit", "click"}, id="help"),
        pytest.param("import audit.cli; audit.cli.main(['--version'])", {"audit", "click"}, id="version"),
        pytest.param(
            "import audit.cli; audit.cli.main(['nowhere', '--limit'])", {"audit", "click"}, id="a usage error"
        ),
    ],
)
def test_only_what_is_needed_is_loaded(run: str, expected: set[str]) -> None:
    assert loaded(run) == expected


def test_every_promised_name_is_listed_and_nothing_else() -> None:
    import audit

    promised = audit._PROMISED

    assert set(audit.__all__) == set(promised)
