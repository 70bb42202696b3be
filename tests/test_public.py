"""The names that other people's programs may rely on. Adding one is fine; taking one away needs a changelog line."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import audit
import reports

# The Python interface, and the types of what it gives back.
PROMISED = {
    "AuditError", "AuditResult", "Disparity", "Estimate", "ExitStatus", "GroupEstimate", "Measurement", "Pair",
    "Policy", "Rule", "Skipped", "Survey", "Verdict", "judge", "read_policy", "read_run", "run_audit", "survey_probe",
}  # fmt: skip


def typed_imports() -> dict[str, str]:
    """The module of each name that type checkers see, from the TYPE_CHECKING block."""
    tree = ast.parse(Path(audit.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return {alias.name: str(n.module) for n in block.body if isinstance(n, ast.ImportFrom) for alias in n.names}


def test_nothing_promised_is_missing() -> None:
    assert set(audit.__all__) >= PROMISED


def test_all_is_what_is_promised_in_order_and_seen_by_type_checkers() -> None:
    assert audit.__all__ == sorted(audit._PROMISED)
    assert typed_imports() == audit._PROMISED


@pytest.mark.parametrize("name", audit.__all__)
def test_every_name_resolves_to_what_its_module_offers(name: str) -> None:
    found = getattr(audit, name)

    assert found.__name__ == name
    assert getattr(importlib.import_module(audit._PROMISED[name]), name) is found
    assert inspect.getdoc(found)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'audit' has no attribute 'run_audits'"):
        _ = audit.run_audits


def test_dir_lists_the_promised_names() -> None:
    assert {name for name in dir(audit) if not name.startswith("_")} == set(audit.__all__)


def test_a_star_import_brings_them_all() -> None:
    code = "from audit import *; import audit; assert set(audit.__all__) <= set(globals())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name",
    ["write", "render", "headlines", "write_survey", "survey_text", "Content", "Format", "REPORTS", "DEFAULT_FORMATS"],
)
def test_reports_has_what_programs_and_formats_use(name: str) -> None:
    assert hasattr(reports, name)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [(audit.run_audit, ["model", "probe", "out"]), (audit.judge, ["result", "policy"]), (audit.read_policy, ["path"])],
)
def test_the_three_calls_take_what_the_readme_shows(function: object, wanted: list[str]) -> None:
    assert [name for name in inspect.signature(function).parameters if name in wanted] == wanted
