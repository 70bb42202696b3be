"""The output folder of a run: whether it may be written to, what a run leaves there, and what an earlier one left."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit._map_rows import pack_differences
from audit._run_log import logging_to
from audit._shards import Shards
from audit.errors import FolderOccupied, UsageError
from audit.features import FOLDER as FEATURES
from audit.features import NAMES, Feature
from audit.features import pack as pack_features
from audit.features import unpack as unpack_features
from audit.files import machine_error, sha256, writing
from audit.records import DIFFERENCES, RECORD, TABLE, TALLIES, fingerprint_of, write_record
from audit.result import AuditResult, DifferenceMap, MeanMap
from audit.tallies import pack

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PARTIAL = ".partial"  # the shards of a run that is not finished
LOG = "run.log"
_REPORTS = ("report.html", "report.pdf", "summary.md", "junit.xml")
_TABLES = ("groups.csv", "disparities.csv", "pairs.csv", "within.csv", "layers.csv", "focus.csv")
# Everything a run may leave: what `--force` and a repeated run replace, and nothing else.
OURS = (RECORD, TABLE, TALLIES, DIFFERENCES, FEATURES, PARTIAL, *_REPORTS, "tables", LOG)


class RunFolder:
    """The output folder of one run.

    A run that has the same fingerprint (inputs, settings, seed, version) as the one in the folder may replace it;
    anything else there needs `force`, and even then only files that a run leaves are touched. `columns` names the
    measures, in the order of a shard's values. What the pass gives goes to `shards`.
    """

    def __init__(
        self, folder: Path, fingerprint: str, columns: Sequence[str], *, force: bool = False, resume: bool = False
    ) -> None:
        _check(folder, fingerprint, force=force, resume=resume)
        self.folder = folder
        self._made = not folder.exists()
        self._had_log = (folder / LOG).exists()
        self._partial = folder / PARTIAL
        self.resumed = resume and self._partial.is_dir()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.resumed:
                shutil.rmtree(self._partial, ignore_errors=True)
                self._partial.mkdir(mode=0o700)
                (self._partial / "fingerprint").write_text(fingerprint)
        except OSError as error:
            raise machine_error(error, folder) from error
        self.shards = Shards(self._partial, columns)

    def logging(self) -> contextlib.AbstractContextManager[None]:
        """What the package logs goes to `run.log`, too; a resumed run adds to it."""
        return logging_to(self.folder / LOG, more=self.resumed)

    def collect(self) -> tuple[MeanMap, ...]:
        """Write `records.parquet`, `tallies.npz` and `features/` from all shards; gives the mean maps."""
        import numpy as np

        self.shards.write_table(self.folder / TABLE)
        mean_maps, features = self.shards.joined()
        self._keep_features(features)
        with writing(self.folder / TALLIES) as path, path.open("wb") as stream:
            arrays, index = pack(mean_maps)
            np.savez(stream, index=np.array(json.dumps(index)), **arrays)
        return mean_maps

    def _keep_features(self, features: tuple[Feature, ...]) -> None:
        import numpy as np

        for name in NAMES:  # what an earlier run left
            for old in (f"{name}.npy", f"{name}.rows.npy"):
                (self.folder / FEATURES / old).unlink(missing_ok=True)
        if features:
            (self.folder / FEATURES).mkdir(mode=0o700, exist_ok=True)
        for name, array in pack_features(features).items():
            with writing(self.folder / FEATURES / f"{name}.npy") as path, path.open("wb") as stream:
                np.save(stream, array)

    def keep_differences(self, maps: tuple[DifferenceMap, ...]) -> None:
        """Write the arrays of difference maps; without any, drop those of an earlier run."""
        import numpy as np

        if not maps:
            (self.folder / DIFFERENCES).unlink(missing_ok=True)
            return
        with writing(self.folder / DIFFERENCES) as path, path.open("wb") as stream:
            np.savez(stream, **pack_differences(maps))

    def values(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Some measures of every item, [N, M], from `records.parquet`; NaN where it has none."""
        import numpy as np
        import pyarrow.parquet as pq

        table = pq.read_table(self.folder / TABLE, columns=list(columns))
        found: NDArray[np.float64] = np.empty((table.num_rows, len(columns)))
        for k, name in enumerate(columns):
            found[:, k] = table[name].to_numpy(zero_copy_only=False)
        return found

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of `records.parquet` as a data frame."""
        import pyarrow.parquet as pq

        found: pd.DataFrame = pq.read_table(self.folder / TABLE, columns=list(columns)).to_pandas()
        return found

    def features(self) -> tuple[Feature, ...]:
        """What was kept of single images."""
        import numpy as np

        kept = {p.name.removesuffix(".npy"): p for p in (self.folder / FEATURES).glob("*.npy")}
        return tuple(unpack_features({name: np.load(p, allow_pickle=False) for name, p in kept.items()}))

    def table(self, *, keep: bool) -> pd.DataFrame | Path:
        """`records.parquet`: where it lies; what it holds, if it is not to be kept."""
        import pandas as pd

        return self.folder / TABLE if keep else pd.read_parquet(self.folder / TABLE)

    def hashes(self) -> dict[str, str]:
        """Of each file that stands beside the record."""
        kept = sorted(f"{FEATURES}/{p.name}" for p in (self.folder / FEATURES).glob("*.npy"))
        present = [name for name in (TABLE, TALLIES, DIFFERENCES, *kept) if (self.folder / name).is_file()]
        return {name: f"sha256 {sha256(self.folder / name)}" for name in present}

    def finish(self, result: AuditResult) -> None:
        """Write the record, drop the shards and what an earlier run left."""
        for name in (*_REPORTS, *(f"tables/{table}" for table in _TABLES)):
            with contextlib.suppress(IsADirectoryError, NotADirectoryError):  # somebody's own, of the same name
                (self.folder / name).unlink(missing_ok=True)
        write_record(result, self.folder)
        shutil.rmtree(self._partial, ignore_errors=True)

    def abandon(self) -> None:
        """Leave no trace of a run that came to nothing before anything was collected."""
        shutil.rmtree(self.folder if self._made else self._partial, ignore_errors=True)
        if not self._had_log:
            (self.folder / LOG).unlink(missing_ok=True)


def _check(folder: Path, fingerprint: str, *, force: bool, resume: bool) -> None:
    """Whether a run may write there. Raises FolderOccupied; UsageError: the run to go on with was another."""
    if folder.exists() and not folder.is_dir():
        raise FolderOccupied("the output folder is a file", value=str(folder))
    if force or not folder.is_dir():
        return
    names = {p.name for p in folder.iterdir()}
    if PARTIAL in names:
        if not resume:
            raise FolderOccupied(
                "the output folder holds an interrupted run",
                value=str(folder),
                hint="Go on with --resume, start again with --force, or write elsewhere with --out",
            )
        if _text(folder / PARTIAL / "fingerprint") != fingerprint:
            raise UsageError(
                "the interrupted run had another model, probe set or settings, so it can't be gone on with",
                where=folder,
                hint="Start again with --force, or write elsewhere with --out",
            )
        return
    stranger = sorted(names - set(OURS))
    if stranger or (names and fingerprint_of(folder) != fingerprint):
        held = f"something else ({stranger[0]})" if stranger else "another audit"
        raise FolderOccupied(
            f"the output folder holds {held}",
            value=str(folder),
            hint="Replace what an audit writes there with --force, or write elsewhere with --out",
        )


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
