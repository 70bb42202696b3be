"""The built-in demo: drawn faces, and a small network with a bias planted on purpose.

The network was trained by `examples/train_demo_model.py`, whose docstring says what was planted and how; the files
are shipped beside this one, as ONNX and as TorchScript.
"""

from __future__ import annotations

from pathlib import Path

from audit.errors import FolderOccupied

SEED = 0
SUBJECTS_PER_CELL = 60  # six cells of gender and skin tone
PICTURES = 2  # evidence comes from people more than from pictures of them
MODEL_FILES = ("model.onnx", "model.onnx.toml", "model.pt", "model.pt.toml")
_MARK = ".bias-audit-demo"  # tells an earlier demo from somebody's own folder


def write_demo(folder: Path, *, seed: int = SEED) -> tuple[Path, Path]:
    """Write the demo's network and probe set into `folder`: its model file and its probe folder are given back.

    The same seed writes the same bytes. An earlier demo is written over. Needs no torch and no network.

    Raises:
        FolderOccupied: the folder holds something that is not an earlier demo; nothing was written.
    """
    from audit.demo.probe_set import balanced_pictures, write_probe_set

    _claim(folder)
    shipped = Path(__file__).parent
    for name in MODEL_FILES:
        (folder / name).write_bytes((shipped / name).read_bytes())
    pictures = balanced_pictures(subjects_per_cell=SUBJECTS_PER_CELL, pictures=PICTURES, seed=seed)
    return folder / "model.onnx", write_probe_set(folder / "faces", pictures)


def _claim(folder: Path) -> None:
    """Make the folder ours, or refuse it. The mark goes in first, so that a demo broken off can be repeated."""
    if folder.exists() and not folder.is_dir():
        raise FolderOccupied("the demo needs a folder, and this is a file", value=str(folder))
    if folder.is_dir() and not (folder / _MARK).is_file() and any(folder.iterdir()):
        raise FolderOccupied(
            "the folder holds something else than an earlier demo",
            value=str(folder),
            allowed="a new or empty folder, or an earlier demo",
            hint="Name another folder: bias-audit demo DIR",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text("Written by bias-audit demo; a later demo may write over it.\n", encoding="utf-8")
