"""Parquet from elsewhere: honest tables come out whole, however they are packed; a small file that unpacks to gigabytes
is refused before they are taken."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit._parquet as module
from audit._parquet import ParquetTable
from audit._parquet_pages import chunks, pages
from audit.errors import ModelError

MEGABYTE = 2**20
TABLE = {
    "path": [f"images/{at:05d}.jpg" for at in range(3000)],
    "decision": [("female", "male", None)[at % 3] for at in range(3000)],
    "score.male": [at / 3000 if at % 7 else None for at in range(3000)],
    "box": [[1.0, 2.0, at] if at % 5 else None for at in range(3000)],
    "words": [["a", str(at)] for at in range(3000)],
    "sure": [at % 2 == 0 for at in range(3000)],
}
PACKED = {
    "as it comes": {},
    "second kind of pages": {"data_page_version": "2.0", "compression": "zstd"},
    "small pages and groups": {"data_page_size": 500, "row_group_size": 700, "dictionary_pagesize_limit": 900},
    "told by differences": {"use_dictionary": False, "column_encoding": {"path": "DELTA_BYTE_ARRAY"}},
    "with an index": {"write_page_index": True, "write_page_checksum": True, "compression": "none"},
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("batch", [module._BATCH, 2**14], ids=["usual batches", "small batches"])
def test_an_honest_table_comes_out_whole(
    packed: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", batch)
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(TABLE), path, **PACKED[packed])
    table = ParquetTable(path, "the table", ModelError)

    assert table.schema.names == list(TABLE)
    assert table.read(list(TABLE)).to_pydict() == TABLE
    assert table.read(["score.male"]).to_pydict() == {"score.male": TABLE["score.male"]}


@pytest.mark.parametrize("packed", PACKED)
def test_pages_say_what_the_footer_says(packed: str, tmp_path: Path) -> None:
    """Of an honest file: as many values, and as many bytes but for the headers themselves."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(TABLE), path, **PACKED[packed])
    told = pq.ParquetFile(path).metadata
    with path.open("rb") as stream:
        groups = chunks(stream)
    assert (len(groups), {len(group) for group in groups}) == (told.num_row_groups, {told.num_columns})
    for group in range(told.num_row_groups):
        for leaf in range(told.num_columns):
            chunk, part = told.row_group(group).column(leaf), groups[group][leaf]
            start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            assert (part.start, part.length, part.values) == (start, chunk.total_compressed_size, chunk.num_values)
            assert part.texts == (chunk.physical_type == "BYTE_ARRAY")
            with path.open("rb") as stream:
                found = list(pages(stream, part.start, part.length, part.values))
            data = found[chunk.has_dictionary_page :]

            assert sum(page.values for page in data) == chunk.num_values
            assert 0 < chunk.total_uncompressed_size - sum(page.unpacked for page in found) < 200 * len(found)
            assert [page.repeats for page in data] == [chunk.encodings[-1] == "DELTA_BYTE_ARRAY"] * len(data)


def test_categories_come_as_words_and_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    words = pa.array(["x", None, "y", "x"]).dictionary_encode()
    pq.write_table(pa.table({"said": words}), tmp_path / "t.parquet")
    pq.write_table(pa.table({"said": words[:0], "n": pa.array([], pa.int64())}), tmp_path / "none.parquet")
    found = ParquetTable(tmp_path / "t.parquet", "the table", ModelError).read(["said"])
    none = ParquetTable(tmp_path / "none.parquet", "the table", ModelError).read(["n", "said"])

    assert (found["said"].type, found["said"].to_pylist()) == (pa.string(), ["x", None, "y", "x"])
    assert (none.num_rows, none.column_names) == (0, ["n", "said"])


# ---- what is refused: files with the columns `path` and `decision`, where the second unpacks to far too much.

LONG = "x" * MEGABYTE


def _written(path: Path, decisions: pa.Array, times: int = 1, **packed: object) -> None:
    table = pa.table({"path": [str(at) for at in range(len(decisions))], "decision": decisions})
    with pq.ParquetWriter(path, table.schema, compression="zstd", **packed) as writer:
        for _ in range(times):
            writer.write_table(table)


def _one_text_for_all(path: Path) -> None:
    """Four gigabytes of text in a dictionary of one."""
    _written(path, pa.DictionaryArray.from_arrays(np.zeros(4000, np.int32), [LONG]))


def _told_by_differences(path: Path) -> None:
    _written(path, pa.array([LONG] * 60), 10, use_dictionary=False, column_encoding={"decision": "DELTA_BYTE_ARRAY"})


def _long_texts(path: Path) -> None:
    _written(path, pa.array([LONG * 32]), 16, use_dictionary=False, write_statistics=False)


def _rows_of_nothing(path: Path) -> None:
    """Billions would do it, too, and take longer to write."""
    none = pa.nulls(2**20, pa.string())
    with pq.ParquetWriter(path, pa.schema({"path": pa.string(), "decision": pa.string()})) as writer:
        for _ in range(30):
            writer.write_table(pa.table({"path": none, "decision": none}))


def _one_row_of_a_long_list(path: Path) -> None:
    _written(path, pa.array([["x" * 100_000] * 2700]))


def _lying_footer(path: Path) -> None:
    """It says that the texts take a hundred bytes; what stands before each page is true."""
    _long_texts(path)
    content = path.read_bytes()
    size = pq.ParquetFile(path).metadata.row_group(0).column(1).total_uncompressed_size
    told = content.replace(_varint(2 * size), bytes([0x80 | 100, 0x80, 0x80, 0]))
    path.write_bytes(told)

    assert pq.ParquetFile(path).metadata.row_group(0).column(1).total_uncompressed_size == 50


def _varint(number: int) -> bytes:
    """As Thrift's compact protocol writes it, lowest seven bits first."""
    return bytes([number & 127]) if number < 128 else bytes([0x80 | number & 127]) + _varint(number >> 7)


BOMBS: dict[str, Callable[[Path], None]] = {
    "one text for all": _one_text_for_all,
    "told by differences": _told_by_differences,
    "long texts": _long_texts,
    "rows of nothing": _rows_of_nothing,
    "one row of a long list": _one_row_of_a_long_list,
    "a footer that lies": _lying_footer,
}
CHILD = """
import pathlib, sys
from audit.cli import main
for path in map(pathlib.Path, sys.argv[1:]):
    print(main(["probe", str(path.parent)] if path.name == "manifest.parquet" else ["inspect", str(path)]))
status = pathlib.Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders, each with the same file under two names."""
    folders = [tmp_path_factory.mktemp(kind.replace(" ", "_")) for kind in BOMBS]
    for folder, write in zip(folders, BOMBS.values(), strict=True):
        write(folder / "model.parquet")
        shutil.copy(folder / "model.parquet", folder / "manifest.parquet")
    return folders


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc says what memory a process took")
@pytest.mark.parametrize("name", ["model.parquet", "manifest.parquet"])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(name: str, bombs: list[Path]) -> None:
    """By status 4 and one line each, and the memory that this takes stays far below."""
    lists = name == "manifest.parquet"  # a table of predictions has none, whatever their size
    files = [folder / name for folder in bombs if lists or "list" not in folder.name]
    assert max(file.stat().st_size for file in files) < 200_000
    command = [sys.executable, "-c", CHILD, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    *statuses, most = map(int, done.stdout.split())
    lines = done.stderr.splitlines()

    assert statuses == [4] * len(files)
    assert len(lines) == len(files), done.stderr
    for line, file in zip(lines, files, strict=True):
        assert line.startswith(f"error: {file}: the ")
        assert "unpacks to far more than its size, got '" in line
        assert "Allowed: at most " in line
    assert most < 700_000  # KiB; the libraries alone take 150,000


def test_a_footer_that_arrow_dies_of_ends_in_one_line(tmp_path: Path) -> None:
    """Told to have as many levels as another column has, it ends the process that asks it about the column."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"words": [["a", "b"]] * 200}), path)
    content, said = path.read_bytes(), []
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for at in range(footer, len(content) - 8):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            ParquetTable(path, "the table", ModelError).read(["words"])
        except ModelError as error:
            said.append(str(error))
        except KeyError:
            continue  # the column has another name now

    assert any("istogram" in text for text in said)
    assert all(text.startswith(f"{path}: the table ") and "\n" not in text for text in said)


@pytest.mark.parametrize("packed", PACKED)
def test_a_broken_file_ends_in_one_line(packed: str, tmp_path: Path) -> None:
    """Bytes changed at random, in the headers of pages and elsewhere: read, or refused in words."""
    path, rng = tmp_path / "t.parquet", np.random.default_rng(0)
    pq.write_table(pa.table({name: cells[:200] for name, cells in TABLE.items()}), path, **PACKED[packed])
    honest, said = path.read_bytes(), []
    for _ in range(60):
        content = np.frombuffer(honest, np.uint8).copy()
        content[rng.integers(len(content), size=3)] = rng.integers(256, size=3)
        path.write_bytes(content.tobytes())
        try:
            table = ParquetTable(path, "the table", ModelError)
            table.read(list(dict.fromkeys(table.schema.names)))
        except ModelError as error:
            said.append(str(error))

    assert len(said) > 10
    assert all(text.startswith(f"{path}: the table ") and "\n" not in text for text in said)


def test_a_field_of_another_kind_than_its_own_is_no_word_about_a_page() -> None:
    """A reader passes over it, so that it may not stand in for the true one: here 9 unpacked bytes for 2,000,000."""
    true = bytes([0x15, 0]) + bytes([0x15]) + _varint(4_000_000) + bytes([0x15, 20, 0x2C, 0x15, 8, 0x15, 0, 0, 0])
    decoy = true[:-1] + bytes([0x06, 4, 18, 0])  # field 2 once more, as a number of 64 bits

    for header in (true, decoy):
        (page,) = pages(io.BytesIO(header), 0, len(header), 4)
        assert (page.values, page.unpacked) == (4, 2_000_000)
