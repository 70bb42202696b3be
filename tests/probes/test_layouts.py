"""The same probe set in every layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from audit.errors import ProbeError, UsageError
from audit.probes import LAYOUTS, ProbeOptions, ProbeSet, read_probe
from tests.support.pictures import noise, write_manifest, write_probe

ROWS = [
    {"path": "a.png", "gender": "female", "subject": "1", "skin": "dark", "age": "31"},
    {"path": "b.png", "gender": "male", "subject": "1", "skin": "", "age": "17"},
    {"path": "c.png", "gender": "", "subject": "2", "skin": "light", "age": "5"},
]


def rows_of(probe: ProbeSet) -> list[dict[str, object]]:
    return probe.table.to_dict("records")


EXPECTED = [
    {"path": "a.png", "subject": "1", "label": "female", "attribute.gender": "female", "attribute.skin": "dark"},
    {"path": "b.png", "subject": "1", "label": "male", "attribute.gender": "male", "attribute.skin": None},
    {"path": "c.png", "subject": "2", "label": None, "attribute.gender": None, "attribute.skin": "light"},
]


def as_csv(folder: Path) -> None:
    write_manifest(folder, ROWS)


def as_jsonl(folder: Path) -> None:
    lines = [json.dumps({**{k: v or None for k, v in row.items()}, "age": int(row["age"])}) for row in ROWS]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n\n")


def as_parquet(folder: Path) -> None:
    frame = pd.DataFrame([{k: v or None for k, v in row.items()} for row in ROWS])
    frame["age"] = frame["age"].astype(float)
    frame["subject"] = frame["subject"].astype(int)
    frame.to_parquet(folder / "manifest.parquet")


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet])
def test_all_three_manifests_give_the_same_table_of_strings_and_none(tmp_path, write) -> None:
    write_probe(tmp_path, ROWS)
    (tmp_path / "manifest.csv").unlink()
    write(tmp_path)

    probe = read_probe(tmp_path, ProbeOptions(groups=("skin",)))

    assert rows_of(probe) == EXPECTED


@pytest.mark.parametrize("write", [as_jsonl, as_parquet])
def test_whole_numbers_read_as_in_a_csv_file(tmp_path, write) -> None:
    write_probe(tmp_path, ROWS)
    (tmp_path / "manifest.csv").unlink()
    write(tmp_path)

    probe = read_probe(tmp_path, ProbeOptions(groups=("age",)))

    assert list(probe.table["attribute.age"]) == ["31", "17", "5"]


def test_the_manifest_hash_is_that_of_the_file(tmp_path) -> None:
    write_probe(tmp_path, ROWS)

    probe = read_probe(tmp_path)

    assert probe.manifest_sha256 == hashlib.sha256((tmp_path / "manifest.csv").read_bytes()).hexdigest()


def test_a_folder_for_each_label_needs_no_manifest(tmp_path) -> None:
    for name in ("male/2.png", "female/1.JPG", "female/.hidden.png", "female/notes.txt", ".cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        noise(8, 8).save(tmp_path / name, format="PNG")

    probe = read_probe(tmp_path)

    assert [(r["path"], r["label"]) for r in rows_of(probe)] == [("female/1.JPG", "female"), ("male/2.png", "male")]
    assert (probe.label, probe.subject, probe.groupings) == ("label", None, (("label",),))
    assert probe.manifest_sha256 == hashlib.sha256(b"female/1.JPG\nmale/2.png\n").hexdigest()
    assert probe.notes == ("No subject column: every image counts as its own subject.",)


def test_a_manifest_stands_before_folders(tmp_path) -> None:
    rows = [{"path": "female/1.png", "gender": "x"}]
    write_probe(tmp_path, rows)

    assert read_probe(tmp_path).label == "gender"
    assert read_probe(tmp_path, ProbeOptions(layout="folders")).label == "label"


def test_a_layout_that_does_not_exist_is_a_usage_error(tmp_path) -> None:
    write_probe(tmp_path, ROWS)

    with pytest.raises(UsageError, match="unknown layout, got 'manifests'.*Did you mean manifest"):
        read_probe(tmp_path, ProbeOptions(layout="manifests"))


def test_both_layouts_are_registered() -> None:
    assert {"manifest", "folders"} <= set(LAYOUTS.names())


def test_a_byte_order_mark_and_an_unnamed_column_do_no_harm(tmp_path) -> None:
    write_probe(tmp_path, ROWS)
    text = ",path,gender\n0,a.png,female\n1,b.png,male\n"
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8-sig")

    assert list(read_probe(tmp_path).table.columns) == ["path", "subject", "label", "attribute.gender"]


BROKEN = {
    "more cells than columns": (
        "manifest.csv",
        "path,gender\na.png,female,3\n",
        "line 2: the row has 3 cells and the header 2",
    ),
    "fewer cells than columns": ("manifest.csv", "path,gender\na.png\n", "line 2: the row has 1 cells"),
    "an open quote": ("manifest.csv", 'path,gender\n"a.png,female\n', "no CSV file: unexpected end of data"),
    "two columns of one name": (
        "manifest.csv",
        "path,gender,gender\na,b,c\n",
        "two columns have the same name, got 'gender'",
    ),
    "no rows": ("manifest.csv", "path,gender\n", "the manifest has no rows"),
    "nothing at all": ("manifest.csv", "", "the manifest has no rows"),
    "no text": ("manifest.csv", b"path,gender\n\xff\xfe,\n", "can't be read.*Save it as UTF-8"),
    "a broken line": ("manifest.jsonl", '{"path": "a.png"}\n{"path":\n', "line 2: the line is no JSON object"),
    "a name twice in a line": ("manifest.jsonl", '{"path": "a", "path": "b"}\n', "line 1: .*a name stands in it twice"),
    "a line that is a list": ("manifest.jsonl", "[1]\n", "the line is no JSON object, got '\\[1\\]'"),
    "a table in a cell": ("manifest.jsonl", '{"path": {"x": 1}}\n', "a cell holds a table"),
    "no Parquet": ("manifest.parquet", "path,gender\n", "no Parquet file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_manifest_ends_in_one_sentence(tmp_path, case) -> None:
    name, content, words = BROKEN[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ProbeError, match=words):
        read_probe(tmp_path)


def test_two_manifests_are_one_too_many(tmp_path) -> None:
    write_probe(tmp_path, ROWS)
    as_jsonl(tmp_path)

    with pytest.raises(
        ProbeError, match=r"more than one manifest: manifest\.csv and manifest\.jsonl.*Keep exactly one"
    ):
        read_probe(tmp_path)
