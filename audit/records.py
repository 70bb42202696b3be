"""A finished run on disk: what its files are called, and the record written and read."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

from audit._map_rows import unpack_differences
from audit.errors import UnusableInput, UsageError
from audit.files import writing
from audit.result import AuditResult, DifferenceMap, MeanMap
from audit.tallies import unpack

RECORD = "audit.json"
TABLE = "records.parquet"
TALLIES = "tallies.npz"
DIFFERENCES = "difference_maps.npz"


def write_record(result: AuditResult, folder: Path) -> None:
    """`audit.json`, with the verdict that `result` carries."""
    with writing(folder / RECORD) as path:
        path.write_bytes(result.to_bytes())


def read_run(folder: str | Path) -> AuditResult:
    """A finished run, from its folder.

    Raises:
        UsageError: no such folder, or no finished run in it.
        UnusableInput: the record is broken.
    """
    import numpy as np

    folder = Path(folder)
    if not (folder / RECORD).is_file():
        raise UsageError(f"no {RECORD} in this folder, so it holds no finished audit", value=str(folder))
    try:
        record = dict(json.loads((folder / RECORD).read_bytes()))
        maps: tuple[MeanMap, ...] = ()
        if (folder / TALLIES).is_file():
            with (folder / TALLIES).open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                maps = unpack(held)
        differences: tuple[DifferenceMap, ...] = ()
        if (folder / DIFFERENCES).is_file():
            with (folder / DIFFERENCES).open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                differences = unpack_differences(record.get("difference_maps", ()), held)
        table = folder / TABLE
        return AuditResult.from_json(
            record, mean_maps=maps, difference_maps=differences, records=table if table.is_file() else None
        )
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnusableInput(f"the record is broken: {error}", where=folder / RECORD) from error


def fingerprint_of(folder: Path) -> str | None:
    """That of the finished run in a folder, None where there is none."""
    try:
        run = json.loads((folder / RECORD).read_bytes())["run"]
        return str(run["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
