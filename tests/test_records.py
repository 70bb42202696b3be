"""Files are whole or not there; an interrupted run goes on; nobody's folder is overwritten by accident."""

from __future__ import annotations

import dataclasses
import errno
import json
import stat
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from audit.engines import Shard
from audit.errors import FolderOccupied, MachineError, UnusableInput, UsageError
from audit.files import writing
from audit.records import read_run
from audit.result import AuditResult, Disparity, Estimate, GroupEstimate, MeanMap, Measurement, Pair, Skipped
from audit.run_folder import RunFolder
from audit.tallies import merge

COLUMNS = ["wrong_label_rate", "confidence"]


def mean_map(total: float, count: int) -> MeanMap:
    return MeanMap(
        cam="cam",
        target="predicted",
        attribute="skin",
        groups=({"skin": "dark"}, {"skin": None}),
        sums=np.full((2, 2, 3, 3), total),
        counts=np.full((2, 2), count),
    )


def shard(*rows: int) -> Shard:
    records = {
        "path": np.array([f"{r}.png" for r in rows], dtype=object),
        "subject": np.full(len(rows), None),
        "status": np.full(len(rows), "ok", dtype=object),
        "score.yes": np.full(len(rows), 0.5),
    }
    values = np.array([[r, np.nan] for r in rows], dtype=float)
    return Shard(rows=np.array(rows), records=records, values=values, mean_maps=(mean_map(1.0, 1),))


def a_result(**changes: object) -> AuditResult:
    group = GroupEstimate(value=0.5, low=0.4, high=0.6, n=10, subjects=9, attributes={"skin": None}, indicative=True)
    found = Measurement(
        measure="wrong_label_rate",
        title="Wrong-label rate",
        parameters={},
        family="rates",
        unit="proportion",
        better="lower",
        definition="d",
        formula="f",
        source="s",
        diagnostic=False,
        overall=Estimate(value=float("nan"), low=None, high=None, n=0, subjects=0),
        by_group=(group,),
        disparities=(
            Disparity(
                attribute="skin",
                kind="difference",
                value=0.1,
                low=0.0,
                high=0.2,
                worst={"skin": "dark"},
                best={"skin": "light"},
                left_out=({"skin": "x"},),
            ),
        ),
        pairs=(
            Pair(
                attribute="skin",
                first={"skin": "a"},
                second={"skin": "b"},
                difference=0.1,
                difference_low=0.0,
                difference_high=0.2,
                ratio=None,
                ratio_low=None,
                ratio_high=None,
            ),
        ),
    )
    fields: dict[str, object] = {
        "model": {"file": "m.onnx"}, "probe": {"images": 10}, "settings": {}, "measurements": (found,),
        "skipped": (Skipped(measure="selection_rate", reason="no positive class", attribute="skin"),),
        "tool": {"name": "bias-audit"}, "run": {"fingerprint": "one"}, "mean_maps": (mean_map(1.0, 2),),
    }  # fmt: skip
    return AuditResult(**(fields | changes))  # type: ignore[arg-type]


def finished(folder: Path, fingerprint: str = "one", **options: bool) -> RunFolder:
    run = RunFolder(folder, fingerprint, COLUMNS, **options)
    run.shards.add(shard(0, 1))
    run.collect()
    run.finish(a_result(run={"fingerprint": fingerprint}))
    return run


def test_a_finished_run_leaves_its_files_and_nothing_else(tmp_path: Path) -> None:
    finished(tmp_path / "out")

    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["audit.json", "records.parquet", "tallies.npz"]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    finished(tmp_path / "out")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()}

    assert modes == {0o600}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    finished(tmp_path / "out")
    result = read_run(tmp_path / "out")

    assert result.measurements[0].by_group == a_result().measurements[0].by_group
    assert result.measurements[0].disparities == a_result().measurements[0].disparities
    assert result.measurements[0].pairs == a_result().measurements[0].pairs
    assert result.skipped == a_result().skipped
    assert result.measurements[0].overall.value is None
    assert result.mean_maps[0].groups == ({"skin": "dark"}, {"skin": None})
    assert result.mean_maps[0].sums[0, 0, 0, 0] == 1.0
    assert list(result.items["wrong_label_rate"]) == [0.0, 1.0]


def test_missing_values_are_null_in_the_table_and_columns_without_a_value_keep_their_type(tmp_path: Path) -> None:
    finished(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "records.parquet")

    assert table["confidence"].null_count == 2
    assert str(table.schema.field("confidence").type) == "double"
    assert "string" in str(table.schema.field("subject").type)


def test_shards_come_together_in_row_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "one", COLUMNS)
    for piece in (shard(4, 5), shard(0, 1), shard(2, 3)):
        run.shards.add(piece)
        run.shards.flush()
    maps = run.collect()
    values = run.values(COLUMNS)

    assert list(run.read(["path"])["path"]) == [f"{r}.png" for r in range(6)]
    assert list(values[:, 0]) == [0, 1, 2, 3, 4, 5]
    assert maps[0].counts.tolist() == [[3, 3], [3, 3]]


def test_the_table_has_the_same_bytes_however_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit._shards._ROWS_A_SHARD", 4)
    written = []
    for k, cuts in enumerate(([(0, 1, 2, 3, 4, 5, 6)], [(0,), (1, 2, 3, 4), (5, 6)], [(3, 4), (5, 6), (0, 1, 2)])):
        run = RunFolder(tmp_path / str(k), "one", COLUMNS)
        for rows in cuts:
            run.shards.add(shard(*rows))
            run.shards.flush()
        run.collect()
        written.append((tmp_path / str(k) / "records.parquet").read_bytes())

    assert written[0] == written[1] == written[2]


def test_an_interrupted_run_goes_on_with_resume_only(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "one", COLUMNS)
    run.shards.add(shard(0, 1))
    run.shards.flush()

    with pytest.raises(FolderOccupied, match="holds an interrupted run.*--resume"):
        RunFolder(tmp_path / "out", "one", COLUMNS)
    with pytest.raises(UsageError, match="another model, probe set or settings"):
        RunFolder(tmp_path / "out", "two", COLUMNS, resume=True)
    assert RunFolder(tmp_path / "out", "one", COLUMNS, resume=True).shards.done().tolist() == [0, 1]


def test_a_shard_cut_off_while_writing_does_not_count_as_done(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "one", COLUMNS)
    run.shards.add(shard(0, 1))
    run.shards.flush()
    next((tmp_path / "out" / ".partial").glob("*.parquet")).unlink()

    assert RunFolder(tmp_path / "out", "one", COLUMNS, resume=True).shards.done().tolist() == []


def test_the_same_run_may_replace_itself_and_another_may_not(tmp_path: Path) -> None:
    finished(tmp_path / "out", "one")
    finished(tmp_path / "out", "one")

    with pytest.raises(FolderOccupied, match="holds another audit.*--force.*--out"):
        finished(tmp_path / "out", "two")
    finished(tmp_path / "out", "two", force=True)
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["run"]["fingerprint"] == "two"


def test_somebody_elses_folder_is_refused_and_force_touches_only_our_files(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    (tmp_path / "out" / "report.html").write_text("an old report")

    with pytest.raises(FolderOccupied, match=r"something else \(thesis.tex\)"):
        finished(tmp_path / "out")
    finished(tmp_path / "out", force=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"
    assert not (tmp_path / "out" / "report.html").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(FolderOccupied, match="is a file"):
        RunFolder(tmp_path / "out", "one", COLUMNS)


def test_a_run_that_came_to_nothing_leaves_no_trace(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "one", COLUMNS)
    run.shards.add(shard(0))
    run.shards.flush()
    run.abandon()

    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_the_machines_trouble_and_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    with pytest.raises(MachineError, match="the disk is full.*--resume"), writing(tmp_path / "file") as path:
        path.write_text("half of the ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_the_record_holds_no_nan_and_reads_as_json() -> None:
    record = json.loads(a_result().to_bytes())

    assert record["format"] == 1
    assert record["measurements"][0]["overall"]["value"] is None
    assert b"NaN" not in a_result().to_bytes()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\x00"])
def test_a_broken_record_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)

    with pytest.raises((UnusableInput, UsageError)):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no audit.json in this folder"):
        read_run(tmp_path)


def test_merging_adds_sums_and_counts() -> None:
    (merged,) = merge([(mean_map(1.0, 2),), (mean_map(0.5, 1),)])

    assert merged.sums.max() == 1.5
    assert merged.counts.tolist() == [[3, 3], [3, 3]]


def test_a_run_that_came_to_nothing_leaves_a_folder_as_it_was(tmp_path: Path) -> None:
    finished(tmp_path / "old")
    before = {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()}
    (tmp_path / "new").mkdir()
    for folder in (tmp_path / "old", tmp_path / "new"):
        run = RunFolder(folder, "one", COLUMNS)
        with run.logging():
            run.shards.add(shard(0))
            run.shards.flush()
            run.abandon()
        (tmp_path / "old" / "run.log").unlink(missing_ok=True)

    assert {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()} == before
    assert list((tmp_path / "new").iterdir()) == []


def test_force_keeps_what_is_not_ours_in_a_folder_called_tables(tmp_path: Path) -> None:
    (tmp_path / "out" / "tables").mkdir(parents=True)
    (tmp_path / "out" / "tables" / "thesis.csv").write_text("years of work")
    (tmp_path / "out" / "tables" / "groups.csv").write_text("of an earlier audit")
    finished(tmp_path / "out", force=True)

    assert [p.name for p in (tmp_path / "out" / "tables").iterdir()] == ["thesis.csv"]


def test_that_nothing_could_be_read_is_known_before_anything_is_collected(tmp_path: Path) -> None:
    def seen(status: str, *rows: int) -> Shard:
        piece = shard(*rows)
        told = {"status": np.full(len(rows), status), "reason": np.full(len(rows), "no picture")}
        return dataclasses.replace(piece, records={**piece.records, **told})

    nothing = RunFolder(tmp_path / "nothing", "one", COLUMNS)
    something = RunFolder(tmp_path / "something", "one", COLUMNS)
    nothing.shards.add(seen("unreadable", 0, 1))
    something.shards.add(seen("unreadable", 0, 1))
    something.shards.add(seen("ok", 2))

    assert nothing.shards.nothing_read() == "no picture"
    assert something.shards.nothing_read() is None


def test_maps_by_group_are_kept_once_and_not_for_every_batch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "one", COLUMNS)
    for row in range(5):
        run.shards.add(shard(row))

    assert all(piece.mean_maps == () for piece in run.shards._pending)
    assert run.collect()[0].counts.tolist() == [[5, 5], [5, 5]]


@pytest.mark.parametrize("name", ["tallies.npz", "difference_maps.npz"])
@pytest.mark.parametrize("held", [b"", b"PK\x03\x04 cut short", b"no archive"], ids=["empty", "cut", "other"])
def test_a_broken_archive_of_maps_is_told_as_such(tmp_path: Path, name: str, held: bytes) -> None:
    finished(tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(held)

    with pytest.raises(UnusableInput, match="the record is broken"):
        read_run(tmp_path / "out")
