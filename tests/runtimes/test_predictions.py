"""A table of predictions: what is read, in which order of classes, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.errors import ModelError
from audit.runtimes import Capture, Model, Request, open_model
from audit.runtimes.predictions import CLOSED, NO_ANSWER, NOT_ASKED
from tests.support.slow_predictions import slow_lookup

OUTPUT = "predictions"


def table(folder: Path, text: str) -> Path:
    path = folder / "predictions.csv"
    path.write_text(text, encoding="utf-8")
    return path


def asked(path: Path, *paths: str, classes: tuple[str, ...] = ()) -> Capture:
    model = open_model(path)
    model.prepare(Request(output=OUTPUT, classes=classes))
    return model.run(np.empty((len(paths), 1, 1, 3), dtype=np.uint8), list(paths))


def answers(model: Model):
    found = model.describe((1, 3, 1, 1)).answers
    assert found is not None
    return found


SCORES = "path,female,male\na.png,0.25,0.75\nb.png,0.9,0.1\n"


@pytest.mark.parametrize("header", ["path", "file", "image", "filename"])
@pytest.mark.parametrize("prefix", ["", "score."])
def test_a_probability_a_class_is_read(tmp_path: Path, header: str, prefix: str) -> None:
    text = SCORES.replace("path,female,male", f"{header},{prefix}female, {prefix}male ")
    capture = asked(table(tmp_path, text), "b.png", "a.png")

    assert capture.outputs.tolist() == [[0.9, 0.1], [0.25, 0.75]]
    assert capture.decisions is None
    assert capture.reasons == (None, None)


def test_classes_come_in_the_order_asked_for(tmp_path: Path) -> None:
    assert asked(table(tmp_path, SCORES), "a.png", classes=("male", "female")).outputs.tolist() == [[0.75, 0.25]]


def test_named_classes_leave_other_columns_aside(tmp_path: Path) -> None:
    path = table(tmp_path, "path,loss,female,male,comment\na.png,7.5,0.25,0.75,dark\n")

    assert asked(path, "a.png", classes=("female", "male")).outputs.tolist() == [[0.25, 0.75]]
    with pytest.raises(ModelError, match=r"predictions\.csv, line 2.*comment.*no number.*got 'dark'.*score\.CLASS"):
        asked(path, "a.png")


def test_prefixed_columns_are_the_only_probabilities(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score.female,score.male,age\na.png,0.25,0.75,old\n")

    assert answers(open_model(path)).classes == ("female", "male")


def test_decisions_stand_before_probabilities(tmp_path: Path) -> None:
    path = table(tmp_path, "path,decision,female,male\na.png,female,0.25,0.75\nb.png,,0.9,0.1\n")
    capture = asked(path, "a.png", "b.png", "c.png", classes=("female", "male"))

    assert capture.decisions is not None
    assert capture.decisions.tolist() == [0, -1, -1]
    assert capture.outputs[:2].tolist() == [[0.25, 0.75], [0.9, 0.1]]
    assert capture.reasons == (None, NO_ANSWER, NOT_ASKED)


def test_decisions_alone_give_no_probabilities_and_say_so(tmp_path: Path) -> None:
    path = table(tmp_path, "path,decision\na.png,female\nb.png,male\n")
    found = answers(open_model(path))
    capture = asked(path, "b.png", "a.png", classes=("other", "male", "female"))

    assert (found.classes, found.complete, found.decided) == (("female", "male"), False, True)
    assert "no probability" in str(found.scores_missing(("female", "male")))
    assert capture.decisions is not None
    assert capture.decisions.tolist() == [1, 2]
    assert np.isnan(capture.outputs).all()
    assert capture.outputs.shape == (2, 3)


def test_columns_of_probabilities_without_a_single_one_count_as_none(tmp_path: Path) -> None:
    """What an audit of bare decisions leaves in records.parquet can be audited again."""
    frame = pd.DataFrame({"path": ["a.png"], "decision": ["x"], "score.x": [np.nan], "score.y": [np.nan]})
    frame.to_parquet(tmp_path / "records.parquet")

    assert answers(open_model(tmp_path / "records.parquet")).scores_missing(("x", "y")) is not None


def test_the_other_columns_of_a_table_with_decisions_do_no_harm(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "decision": ["x", "y"], "embedding": [[0.1, 0.2], [0.3, 0.4]]})
    frame.to_parquet(tmp_path / "t.parquet")

    assert asked(tmp_path / "t.parquet", "b.png", classes=("x", "y")).reasons == (None,)


@pytest.mark.parametrize(
    "values", [["1", "0"], [1, 0], [1.0, 0.0], pd.Categorical(["1", "0"])], ids=["text", "int", "float", "category"]
)
def test_decisions_in_parquet_read_as_in_csv(tmp_path: Path, values: object) -> None:
    pd.DataFrame({"path": ["a.png", "b.png"], "decision": values}).to_parquet(tmp_path / "t.parquet")

    assert answers(open_model(tmp_path / "t.parquet")).classes == ("0", "1")


@pytest.mark.parametrize("spelled", ["./x/a.png", "x\\a.png", "x//a.png", "x/./a.png"])
def test_paths_are_compared_as_the_probe_set_spells_them(tmp_path: Path, spelled: str) -> None:
    assert asked(table(tmp_path, f"path,f,m\n{spelled},0,1\n"), "x/a.png").reasons == (None,)


@pytest.mark.parametrize("spelled", ["../a.png", "/etc/a.png", "x/../a.png"])
def test_a_path_that_leaves_the_folder_is_simply_unknown(tmp_path: Path, spelled: str) -> None:
    assert asked(table(tmp_path, f"path,f,m\n{spelled},0,1\n"), "a.png").reasons == (NOT_ASKED,)


def test_a_byte_order_mark_blank_lines_and_an_unnamed_column_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",path,decision\n\n0,a.png,x\n\n1,b.png,y\n", encoding="utf-8-sig")

    assert asked(tmp_path / "t.csv", "b.png", classes=("x", "y")).reasons == (None,)


def test_nothing_inside_can_be_seen_and_every_place_says_why(tmp_path: Path) -> None:
    seen = open_model(table(tmp_path, SCORES)).describe((1, 3, 1, 1))

    assert seen.layers == ()
    assert {seen.closed, seen.gradients, *seen.heads_missing.values()} == {CLOSED}


def test_a_slow_second_reading_says_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = ["path,decision,score.a,score.b,score.c"]
    for k in range(300):
        scores = [("" if rng.random() < 0.1 else f"{x:.4f}") for x in rng.random(3)]
        rows.append(",".join([f"p/{k}.png", str(rng.choice(["a", "b", "c", ""])), *scores]))
    path = table(tmp_path, "\n".join(rows) + "\n")
    paths = [f"p/{k}.png" for k in rng.permutation(330)]
    capture = asked(path, *paths, classes=("c", "a", "b"))
    decisions, scores = slow_lookup(path, paths, ("c", "a", "b"))

    assert capture.decisions is not None
    assert capture.decisions.tolist() == decisions
    assert np.array_equal(capture.outputs, scores, equal_nan=True)


BROKEN = {
    "nothing but a header": ("path,a,b\n", "has no rows"),
    "no column of pictures": ("pth,a,b\nx,0,1\n", r"no column of pictures.*it has pth, a, b\..*a column path"),
    "another separator": ("path;a;b\nx;0;1\n", r"no column of pictures.*it has path;a;b"),
    "neither decision nor classes": ("path\nx.png\n", "neither a column decision nor one probability a class"),
    "one probability": ("path,male\nx.png,0.5\n", "For two classes write both columns"),
    "a picture twice": (
        "path,a,b\nx.png,0,1\n\n./x.png,1,0\n",
        r"line 4: the same picture .* line 2, got 'x\.png'",
    ),
    "an empty path": ("path,a,b\nx.png,0,1\n,1,0\n", r"csv, line 3: the cell `path` is empty"),
    "a word for a number": ("path,a,b\nx.png,0,1\ny.png,high,0\n", r"csv, line 3: the column a .* got 'high'"),
    "two columns of one name": ("path,a,a\nx.png,0,1\n", "two columns of the table have the same name, got 'a'"),
    "a ragged row": ("path,a,b\nx.png,0,1\ny.png,0\n", "no CSV file that can be read: .*Expected 3 columns, got 2"),
    "an open quote": ('path,a,b\n"x.png,0,1\n', "the table"),
    "no text": (b"path,decision\n\xff\xfe\xff,x\n", "UTF8|UTF-8"),
    "no text in the header": (b"path\xff,decision\na,x\n", "can't be read.*UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_table_ends_in_one_sentence(tmp_path: Path, case: str) -> None:
    content, words = BROKEN[case]
    path = tmp_path / "predictions.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ModelError, match=words) as caught:
        asked(path, "x.png")
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_decision_that_is_no_class_is_named_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, "path,decision\na.png,female\n\nb.png,mael\n")

    with pytest.raises(ModelError, match=r"line 4, column decision: .*got 'mael'.*Allowed: female, male.*mean male"):
        asked(path, "a.png", classes=("female", "male"))


def test_a_class_without_a_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no probability column for a class, got 'other'. Allowed: female, male"):
        asked(table(tmp_path, SCORES), "a.png", classes=("female", "other"))


def test_too_many_different_decisions_are_no_classes(tmp_path: Path) -> None:
    rows = "".join(f"{k}.png,answer {k}\n" for k in range(1001))

    with pytest.raises(ModelError, match="1,001 different answers"):
        open_model(table(tmp_path, "path,decision\n" + rows))


def test_a_header_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="too many columns"):
        open_model(table(tmp_path, "path," + ",".join(f"c{k}" for k in range(2_000_000)) + "\n"))


@pytest.mark.parametrize("kind", ["list", "struct", "bytes"])
def test_nested_columns_are_refused(tmp_path: Path, kind: str) -> None:
    cell = {"list": [0.5], "struct": {"p": 0.5}, "bytes": b"0.5"}[kind]
    pd.DataFrame({"path": ["a.png"], "a": [cell], "b": [0.5]}).to_parquet(tmp_path / "t.parquet")

    with pytest.raises(ModelError, match="the column a holds .*, not one text or number a row"):
        asked(tmp_path / "t.parquet", "a.png")


def test_a_date_is_no_probability(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["a.png"], "a": pd.to_datetime(["2026-01-01"]), "b": [0.5]})
    frame.to_parquet(tmp_path / "t.parquet")

    with pytest.raises(ModelError, match="the column a holds timestamp.*where a probability is wanted"):
        asked(tmp_path / "t.parquet", "a.png")


def test_a_row_of_parquet_is_named_by_its_number(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.png", "b.png"], "a": ["0.5", "x"], "b": ["0.5", "1"]}).to_parquet(tmp_path / "t.parquet")

    with pytest.raises(ModelError, match=r"t\.parquet, row 2: the column a .*got 'x'"):
        asked(tmp_path / "t.parquet", "a.png")


@pytest.mark.parametrize(("cell", "shown"), [("-0.02", "-0.02"), ("1.02", "1.02"), ("87.5", "87.5")])
def test_a_number_that_is_no_probability_is_named_with_line_and_column(tmp_path: Path, cell: str, shown: str) -> None:
    path = table(tmp_path, f"path,decision,score.f,score.m\na.png,f,1.01,-0.01\n\nb.png,f,inf,{cell}\n")

    with pytest.raises(ModelError, match=rf"line 4: the column score\.m holds .* got '{shown}'\. Allowed: .* 0 to 1"):
        asked(path, "a.png", classes=("f", "m"))


def test_decisions_are_counted_in_the_order_of_the_rows(tmp_path: Path) -> None:
    found = answers(open_model(table(tmp_path, "path,decision\na,z\nb,\nc,a\nd,z\n")))

    assert list(found.said.items()) == [("z", 2), ("a", 1)]
    assert found.place("a").endswith("predictions.csv, line 4, column decision")
