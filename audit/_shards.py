"""Shards: what a pass gave, on disk a few thousand rows at a time, so that an interrupted run can be gone on with; and
the table, sums and features that they come to in the end."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.features import Feature
from audit.features import joined as joined_features
from audit.features import pack as pack_features
from audit.features import unpack as unpack_features
from audit.files import writing
from audit.result import MeanMap
from audit.tallies import merge, pack, unpack

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from audit.engines import Shard

_ROWS_A_SHARD = 2000


class Shards:
    """Two files a shard in `folder`: rows of the table, and arrays. `columns` names the measures, in the order of a
    shard's values."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._columns = tuple(columns)
        self._pending: list[Shard] = []
        self._maps: tuple[MeanMap, ...] = ()  # of the pending shards

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
        table = _as_table(self._pending, self._columns)
        name = f"shard-{int(rows[0]):09d}"
        with writing(self._folder / f"{name}.npz") as path, path.open("wb") as stream:
            arrays, index = pack(self._maps)
            arrays |= pack_features(joined_features(s.features for s in self._pending))
            np.savez(stream, rows=rows, index=np.array(json.dumps(index)), **arrays)
        # The table comes second: a shard counts as done when its table is there.
        with writing(self._folder / f"{name}.parquet") as path:
            pq.write_table(table, path)
        self._pending.clear()
        self._maps = ()

    def done(self) -> NDArray[np.int64]:
        """Row numbers that need no second pass."""
        import numpy as np

        rows = [np.empty(0, dtype=np.int64)]
        for shard in self._tables():
            with np.load(shard.with_suffix(".npz"), allow_pickle=False) as held:
                rows.append(held["rows"])
        return np.concatenate(rows)

    def nothing_read(self) -> str | None:
        """Why the first picture can't be read, when no picture can be."""
        import pyarrow.parquet as pq

        self.flush()
        reason = None
        for shard in self._tables():
            table = pq.read_table(shard, columns=["status", "reason"])
            if any(status != "unreadable" for status in table["status"].to_pylist()):
                return None
            reason = reason or table["reason"][0].as_py()
        return reason

    def write_table(self, to: Path) -> None:
        """All rows in one table, in row order."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.flush()
        order, shards = self.done(), self._tables()
        tables: Iterator[pa.Table] = (pq.read_table(shard) for shard in shards)
        if (np.diff(order) < 0).any():  # a run gone on with can have filled a gap
            tables = iter([pa.concat_tables(tables).take(np.argsort(order))])
        with writing(to) as path, pq.ParquetWriter(path, pq.read_schema(shards[0])) as writer:
            for group in _same_size(tables):
                writer.write_table(group)

    def joined(self) -> tuple[tuple[MeanMap, ...], tuple[Feature, ...]]:
        """The sums and the features of all rows."""
        import numpy as np

        self.flush()
        maps, features = [], []
        for shard in self._tables():
            with np.load(shard.with_suffix(".npz"), allow_pickle=False) as held:
                maps.append(unpack(held))
                features.append(tuple(unpack_features(held)))
        return merge(maps), joined_features(features)

    def _tables(self) -> list[Path]:
        return sorted(self._folder.glob("shard-*.parquet"))


def _as_table(shards: Sequence[Shard], measures: Sequence[str]) -> pa.Table:
    """Rows of records.parquet, in one table: with hundreds of columns it is large however few rows it has. Text as text
    even where every cell is empty, so that the schema never depends on the data, then one float64 column a measure, NaN
    as null."""
    import numpy as np
    import pyarrow as pa

    names = list(shards[0].records)
    values = np.concatenate([s.values for s in shards])
    columns = [np.concatenate([s.records[name] for s in shards]) for name in names] + list(values.T)
    kinds = [pa.float64() if name.startswith("score.") else pa.large_string() for name in names]
    kinds += [pa.float64()] * len(measures)
    cells = [pa.array(own, type=kind, from_pandas=True) for own, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(cells, names=[*names, *measures])


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
