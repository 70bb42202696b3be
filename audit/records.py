"""What a run leaves on disk: the per-item table, the tallies, the record; shards on the way, so that an interrupted
run can be gone on with; and one way to write a file, whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit._map_rows import pack_differences, unpack_differences
from audit.errors import FolderOccupied, UnusableInput, UsageError, printable
from audit.features import FOLDER as FEATURES
from audit.features import NAMES, Feature
from audit.features import joined as joined_features
from audit.features import pack as pack_features
from audit.features import unpack as unpack_features
from audit.files import machine_error, writing
from audit.result import AuditResult, DifferenceMap, MeanMap
from audit.tallies import merge, pack, unpack

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from audit.engines import Shard

RECORD = "audit.json"
TABLE = "records.parquet"
TALLIES = "tallies.npz"
DIFFERENCES = "difference_maps.npz"
PARTIAL = ".partial"
LOG = "run.log"
_REPORTS = ("report.html", "report.pdf", "summary.md", "junit.xml")
_TABLES = ("groups.csv", "disparities.csv", "pairs.csv", "within.csv", "layers.csv", "focus.csv")
# Everything a run may leave: what `--force` and a repeated run replace, and nothing else.
OURS = (RECORD, TABLE, TALLIES, DIFFERENCES, FEATURES, PARTIAL, *_REPORTS, "tables", LOG)
_ROWS_A_SHARD = 2000


class RunFolder:
    """The output folder of one run.

    A run that has the same fingerprint (inputs, settings, seed, version) as the one in the folder may replace it;
    anything else there needs `force`, and even then only files that a run leaves are touched. `columns` names the
    measures, in the order of a shard's values.
    """

    def __init__(
        self, folder: Path, fingerprint: str, columns: Sequence[str], *, force: bool = False, resume: bool = False
    ) -> None:
        self.folder = folder
        self._columns = tuple(columns)
        self._fingerprint = fingerprint
        self._check(force=force, resume=resume)
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
        self._pending: list[Shard] = []
        self._maps: tuple[MeanMap, ...] = ()  # of the pending shards

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """What the package logs goes to `run.log`, one line an event; a resumed run adds to it."""
        path = self.folder / LOG
        path.touch(mode=0o600)
        handler = _QuietHandler(path, mode="a" if self.resumed else "w", encoding="utf-8")
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
        handler.setLevel(logging.INFO)
        logger = logging.getLogger("audit")
        level = logger.level
        logger.setLevel(min(level or logging.INFO, logging.INFO))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()

    def _check(self, *, force: bool, resume: bool) -> None:
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise FolderOccupied("the output folder is a file", value=str(folder))
        names = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        if PARTIAL in names and not force:
            same = _read(folder / PARTIAL / "fingerprint") == self._fingerprint
            if resume and not same:
                raise UsageError(
                    "the interrupted run had another model, probe set or settings, so it can't be gone on with",
                    where=folder,
                    hint="Start again with --force, or write elsewhere with --out",
                )
            if not resume:
                raise FolderOccupied(
                    "the output folder holds an interrupted run",
                    value=str(folder),
                    hint="Go on with --resume, start again with --force, or write elsewhere with --out",
                )
        elif names and not force:
            stranger = sorted(names - set(OURS))
            if stranger or _fingerprint_of(folder) != self._fingerprint:
                held = f"something else ({stranger[0]})" if stranger else "another audit"
                raise FolderOccupied(
                    f"the output folder holds {held}",
                    value=str(folder),
                    hint="Replace what an audit writes there with --force, or write elsewhere with --out",
                )

    def add(self, shard: Shard) -> None:
        """Keep a shard; on disk once enough rows have come together."""
        # Maps by group are far larger than the rows of a small batch, so they are not kept batch by batch.
        self._maps = merge([self._maps, shard.mean_maps])
        self._pending.append(dataclasses.replace(shard, mean_maps=()))
        if sum(len(s.rows) for s in self._pending) >= _ROWS_A_SHARD:
            self.flush()

    def flush(self) -> None:
        import numpy as np
        import pyarrow.parquet as pq

        if not self._pending:
            return
        rows = np.concatenate([s.rows for s in self._pending])
        table = self._as_table(self._pending)
        name = f"shard-{int(rows[0]):09d}"
        with writing(self._partial / f"{name}.npz") as path, path.open("wb") as stream:
            arrays, index = pack(self._maps)
            arrays |= pack_features(joined_features(s.features for s in self._pending))
            np.savez(stream, rows=rows, index=np.array(json.dumps(index)), **arrays)
        # The table comes second: a shard counts as done when its table is there.
        with writing(self._partial / f"{name}.parquet") as path:
            pq.write_table(table, path)
        self._pending.clear()
        self._maps = ()

    def _as_table(self, shards: Sequence[Shard]) -> pa.Table:
        """Rows of records.parquet, in one table: with hundreds of columns it is large however few rows it has. Text as
        text even where every cell is empty, so that the schema never depends on the data, then one float64 column a
        measure, NaN as null."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        columns = shards[0].records.columns
        text = [name for name in columns if not name.startswith("score.")]
        # The two kinds apart: to name the type of each of a thousand columns takes longer than the model.
        kinds = (
            pd.concat([s.records[text].astype("string") for s in shards], ignore_index=True),
            pd.concat([s.records.drop(columns=text) for s in shards], ignore_index=True),
        )
        records = pd.concat(kinds, axis=1)[columns]
        values = np.concatenate([s.values for s in shards])
        table = pa.Table.from_pandas(records, preserve_index=False)
        for k, name in enumerate(self._columns):
            table = table.append_column(name, pa.array(values[:, k], from_pandas=True))
        return table.replace_schema_metadata(None)

    def done(self) -> NDArray[np.int64]:
        """Row numbers that need no second pass."""
        import numpy as np

        rows = [np.empty(0, dtype=np.int64)]
        for shard in self._shards():
            with np.load(shard.with_suffix(".npz"), allow_pickle=False) as held:
                rows.append(held["rows"])
        return np.concatenate(rows)

    def nothing_read(self) -> str | None:
        """Why the first picture can't be read, when no picture can be."""
        import pyarrow.parquet as pq

        self.flush()
        reason = None
        for shard in self._shards():
            table = pq.read_table(shard, columns=["status", "reason"])
            if any(status != "unreadable" for status in table["status"].to_pylist()):
                return None
            reason = reason or table["reason"][0].as_py()
        return reason

    def collect(self) -> tuple[MeanMap, ...]:
        """Write `records.parquet`, in row order, `tallies.npz` and `features/` from all shards; gives the mean maps."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.flush()
        order = self.done()
        shards = self._shards()
        tables: Iterator[pa.Table] = (pq.read_table(shard) for shard in shards)
        if (np.diff(order) < 0).any():  # a run gone on with can have filled a gap
            tables = iter([pa.concat_tables(tables).take(np.argsort(order))])
        with writing(self.folder / TABLE) as path, pq.ParquetWriter(path, pq.read_schema(shards[0])) as writer:
            for group in _same_size(tables):
                writer.write_table(group)
        pieces, features = [], []
        for shard in shards:
            with np.load(shard.with_suffix(".npz"), allow_pickle=False) as held:
                pieces.append(unpack(held))
                features.append(tuple(unpack_features(held)))
        self._keep_features(joined_features(features))
        mean_maps = merge(pieces)
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

    def features(self) -> tuple[Feature, ...]:
        """What was kept of single images."""
        import numpy as np

        kept = {p.name.removesuffix(".npy"): p for p in (self.folder / FEATURES).glob("*.npy")}
        return tuple(unpack_features({name: np.load(p, allow_pickle=False) for name, p in kept.items()}))

    def keep_differences(self, maps: tuple[DifferenceMap, ...]) -> None:
        """Write the arrays of difference maps; without any, drop those of an earlier run."""
        import numpy as np

        if not maps:
            (self.folder / DIFFERENCES).unlink(missing_ok=True)
            return
        with writing(self.folder / DIFFERENCES) as path, path.open("wb") as stream:
            np.savez(stream, **pack_differences(maps))

    def files(self) -> tuple[str, ...]:
        """What stands beside the record, for its hashes."""
        kept = sorted(f"{FEATURES}/{p.name}" for p in (self.folder / FEATURES).glob("*.npy"))
        return tuple(name for name in (TABLE, TALLIES, DIFFERENCES, *kept) if (self.folder / name).is_file())

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

    def _shards(self) -> list[Path]:
        return sorted(self._partial.glob("shard-*.parquet"))


class _QuietHandler(logging.FileHandler):
    """A log that can't be written is no reason to talk over the error that follows from the same full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 the name is logging's
        """Nothing."""


class _OneLine(logging.Formatter):
    """An event stays on its line, whatever an untrusted name in it holds."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record)).replace("\n", "\\x0a")


def _same_size(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of one size: the file's bytes don't depend on where a run was interrupted, and memory
    doesn't on how long it is."""
    import pyarrow as pa

    rest = None
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        while rest.num_rows >= _ROWS_A_SHARD:
            yield rest.slice(0, _ROWS_A_SHARD).combine_chunks()
            rest = rest.slice(_ROWS_A_SHARD)
    if rest is not None and rest.num_rows:
        yield rest.combine_chunks()


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


def _fingerprint_of(folder: Path) -> str | None:
    try:
        run = json.loads((folder / RECORD).read_bytes())["run"]
        return str(run["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
