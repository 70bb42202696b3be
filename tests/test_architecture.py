"""The house keeps its rooms apart: who may import whom, and that a plug-in folder is its own registry."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Lower floors never import higher ones; a room on a floor may use its own.
FLOORS = [
    {"errors", "inputs", "json", "grids"},
    {"files", "parquet_pages"},
    {"parquet"},
    {"rows"},
    {"trust_rows", "map_rows"},
    {"registry", "result", "result_tables"},
    {"tallies", "features"},
    {
        "groups",
        "statistics",
        "gate",
        "policy",
        "judging",
        "judging_words",
        "evidence",
        "probes",
        "runtimes",
        "tasks",
        "cams",
        "measures",
        "demo",
    },
    {"engines", "prior", "summary", "families", "strata", "within"},
    {"records", "shards", "run_log", "run_folder", "settings", "analyses"},
    {"reading"},
    {"map_plan"},
    {"inside", "model_block"},
    {"planning", "trust", "difference_maps"},
    {"provenance"},
    {"evaluation", "pass", "second_stage"},
    {"run", "inspection", "inspection_text", "gallery", "survey"},
    {"cli", "ending", "progress", "__main__"},
]
PLUGIN_FOLDERS = ("probes", "runtimes", "tasks", "cams", "measures", "analyses", "engines")
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def imported(path: Path) -> set[str]:
    """Full names of this project's modules that a file imports when it runs (not only for types)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {n for n in names if n.split(".")[0] in ("audit", "reports")}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "audit").parts
    return parts[0].removesuffix(".py").lstrip("_") if parts[0] != "__main__.py" else "__main__"


AUDIT = sorted(p for p in (ROOT / "audit").rglob("*.py") if p != ROOT / "audit" / "__init__.py")
REPORTS = sorted((ROOT / "reports").rglob("*.py"))


@pytest.mark.parametrize("path", AUDIT, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    here = FLOOR.get(room(path))
    wrong = []
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "reports" and room(path) != "cli":
            wrong.append(name)
        if parts[0] == "audit" and len(parts) > 1 and here is not None:
            there = FLOOR.get(parts[1].lstrip("_"))
            if there is not None and there > here:
                wrong.append(name)

    assert wrong == []


@pytest.mark.parametrize("path", REPORTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_reports_know_only_the_result(path: Path) -> None:
    allowed = {"result", "gate", "registry", "errors", "__version__"}
    rooms = {n.split(".")[1] for n in imported(path) if n.startswith("audit.")}

    assert rooms <= allowed


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_import_no_sibling_plugin(folder: str) -> None:
    files = {p.stem: p for p in (ROOT / "audit" / folder).glob("*.py") if not p.stem.startswith("_")}
    wrong = [
        (name, other)
        for name, path in files.items()
        for other in files
        if other != name and any(n.startswith(f"audit.{folder}.{other}") for n in imported(path))
    ]

    assert wrong == []


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_of_one_folder_use_no_plugin_of_another(folder: str) -> None:
    wrong = []
    for path in (ROOT / "audit" / folder).glob("*.py"):
        for name in imported(path):
            parts = name.split(".")
            if len(parts) < 3 or parts[1] == folder or parts[1] not in PLUGIN_FOLDERS:
                continue
            if (ROOT / "audit" / parts[1] / f"{parts[2]}.py").exists():
                wrong.append((path.name, name))

    assert wrong == []


def test_every_room_has_its_floor() -> None:
    rooms = {room(p) for p in AUDIT} - {"init"}

    private = {"terminal", "toml", "model_settings", "input_spec", "options", "trials", "answers"}

    assert {r for r in rooms if r not in FLOOR} <= private
