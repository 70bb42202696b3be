"""Every engine keeps the contract: all rows once, in order, and the same records however they are cut up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit.demo
from audit.engines import ENGINES, Engine, Plan, Shard
from audit.features import joined as joined_features
from audit.planning import prepare
from audit.probes import ProbeOptions, read_probe
from audit.runtimes import open_model
from audit.settings import RunSettings
from tests.support.planted import drawn_probe

ROWS = 24
BROKEN = 5  # the row whose picture is cut short


@pytest.fixture(params=ENGINES.names())
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES.get(request.param)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The demo's network on a small drawn probe set, one picture of which can't be read."""
    folder = drawn_probe(tmp_path_factory.mktemp("drawn") / "faces", subjects=12, pictures=2)
    probe = read_probe(folder, ProbeOptions(groups=("skin", "gender*skin")))
    picture = folder / probe.table["path"].iloc[BROKEN]
    picture.write_bytes(picture.read_bytes()[:40])
    model = open_model(Path(audit.demo.__file__).parent / "model.onnx", threads=1)
    yield prepare(model, probe, RunSettings(groups=("skin", "gender*skin"), workers=2)).plan
    model.close()


def shards(engine: Engine, plan: Plan, batch_size: int, rows: range = range(ROWS)) -> list[Shard]:
    return list(engine.shards(dataclasses.replace(plan, batch_size=batch_size), np.array(rows, dtype=np.int64)))


def joined(found: list[Shard]) -> tuple[pd.DataFrame, np.ndarray]:
    """Records, an empty cell as None whatever the type of its column in a batch, and values."""
    records = pd.concat([pd.DataFrame(s.records, dtype=object) for s in found], ignore_index=True)
    return records.where(records.notna(), None), np.concatenate([s.values for s in found])


@pytest.mark.parametrize("batch_size", [1, 7, ROWS, 100])
def test_all_rows_come_once_and_in_order(engine: Engine, plan: Plan, batch_size: int) -> None:
    found = shards(engine, plan, batch_size)

    assert np.concatenate([shard.rows for shard in found]).tolist() == list(range(ROWS))
    assert all(len(cells) == len(shard.rows) for shard in found for cells in shard.records.values())
    assert all(shard.values.shape == (len(shard.rows), len(plan.measures)) for shard in found)


def test_only_the_rows_asked_for_come(engine: Engine, plan: Plan) -> None:
    found = shards(engine, plan, 4, range(9, 19))

    assert np.concatenate([shard.rows for shard in found]).tolist() == list(range(9, 19))
    assert joined(found)[0]["path"].tolist() == plan.probe.table["path"].iloc[9:19].tolist()


def test_no_rows_give_no_records(engine: Engine, plan: Plan) -> None:
    assert sum(len(shard.rows) for shard in shards(engine, plan, 4, range(0))) == 0


@pytest.mark.parametrize("batch_size", [1, 7, ROWS])
def test_records_are_the_same_whatever_the_batch_size(engine: Engine, plan: Plan, batch_size: int) -> None:
    (records, values), (expected, measured) = joined(shards(engine, plan, batch_size)), joined(shards(engine, plan, 5))

    pd.testing.assert_frame_equal(records, expected, rtol=1e-5)
    np.testing.assert_allclose(values, measured, rtol=1e-4, atol=1e-5)


def test_tallies_add_up_to_the_same_whatever_the_batch_size(engine: Engine, plan: Plan) -> None:
    one, many = (
        [sum(shard.mean_maps[at].counts for shard in found if shard.mean_maps) for at in range(len(plan.groupings))]
        for found in (shards(engine, plan, ROWS), shards(engine, plan, 5))
    )

    assert [counts.tolist() for counts in one] == [counts.tolist() for counts in many]


def test_features_are_kept_of_the_rows_of_the_sample_that_have_a_map(engine: Engine, plan: Plan) -> None:
    some = dataclasses.replace(plan, sample=np.arange(0, ROWS, 2, dtype=np.int64))
    one, many = (joined_features(s.features for s in shards(engine, some, size)) for size in (ROWS, 5))

    assert [f.name for f in one] == [f.name for f in many] == ["cam_predicted"]
    assert one[0].rows.tolist() == many[0].rows.tolist()
    assert set(one[0].rows.tolist()) <= set(range(0, ROWS, 2)) - {BROKEN}
    assert len(one[0].rows) >= ROWS // 2 - 2
    assert one[0].values.sum(axis=(1, 2)) == pytest.approx(np.ones(len(one[0].rows)), abs=1e-5)
    np.testing.assert_allclose(one[0].values, many[0].values, atol=1e-4)


def test_a_picture_that_cannot_be_read_is_a_row_with_a_reason_and_no_value(engine: Engine, plan: Plan) -> None:
    records, values = joined(shards(engine, plan, 7))
    unread = records["status"] == "unreadable"

    assert np.flatnonzero(unread).tolist() == [BROKEN]
    assert records["reason"][BROKEN]
    assert np.isnan(values[BROKEN]).all()
    assert np.isfinite(values[~unread]).any(axis=1).all()
