"""What columns are for: labels, subjects, groupings, bands, and the probe folder's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import ExitStatus, ProbeError, SettingsError, UsageError
from audit.probes import ProbeOptions, read_probe
from tests.support.pictures import write_manifest, write_probe


def probe_of(folder: Path, columns: dict[str, list[object]], toml: str = "", **options: object):
    count = len(next(iter(columns.values())))
    base = {"path": [f"{i}.png" for i in range(count)], **columns}
    rows = [{name: cells[i] for name, cells in base.items()} for i in range(count)]
    write_manifest(folder, rows)
    (folder / "0.png").touch()
    if toml:
        (folder / "bias-audit.toml").write_text(toml)
    return read_probe(folder, ProbeOptions(**options))


def test_gender_stands_before_label_and_subject_before_identity(tmp_path) -> None:
    probe = probe_of(tmp_path, {"label": [0, 1], "gender": ["f", "m"], "identity": [1, 2], "subject": [3, 4]})

    assert (probe.label, probe.subject, list(probe.table["subject"])) == ("gender", "subject", ["3", "4"])


@pytest.mark.parametrize("name", ["path", "file", "image", "filename"])
def test_the_image_column_goes_by_four_names(tmp_path, name) -> None:
    write_probe(tmp_path, [{name: "x/1.png", "gender": "f"}], column=name)

    assert list(read_probe(tmp_path).table["path"]) == ["x/1.png"]


def test_other_columns_with_2_to_20_values_are_attributes(tmp_path) -> None:
    columns = {
        "gender": ["f", "m"] * 12,
        "subject": [str(i) for i in range(24)],
        "one": ["same"] * 24,
        "two": ["x", "y", ""] * 8,
        "twenty": [str(i % 20) for i in range(24)],
        "twenty_one": [str(i % 21) for i in range(24)],
        "region.mouth": ["0,0,1,1", "0,0,2,2"] * 12,
        "target": ["a.png", "b.png"] * 12,
        "verdict": ["ok", "wrong"] * 12,
    }

    assert probe_of(tmp_path, columns).groupings == (("gender",), ("two",), ("twenty",))


def test_asked_groups_keep_their_order_after_the_label(tmp_path) -> None:
    columns = {"gender": ["f", "m"], "skin": ["d", "l"], "age": ["1", "2"]}

    probe = probe_of(tmp_path, columns, groups=("skin*gender", "age", "gender", "age"))

    assert probe.groupings == (("gender",), ("skin", "gender"), ("age",))
    assert list(probe.table.columns)[3:] == ["attribute.gender", "attribute.skin", "attribute.age"]


def test_the_label_is_an_attribute_even_with_many_values(tmp_path) -> None:
    assert probe_of(tmp_path, {"label": list(range(30))}).groupings == (("label",),)


def test_the_folders_own_file_is_read_and_flags_win(tmp_path) -> None:
    toml = """
    [probe]
    label = "sex"
    subject = "who"
    groups = ["skin"]
    aligned = true
    [probe.bands]
    age = [0, 18]
    """
    columns = {"sex": ["f", "m"], "who": [1, 2], "skin": ["d", "l"], "age": [3, 40], "kind": ["a", "b"]}

    own = probe_of(tmp_path, columns, toml)
    flags = probe_of(tmp_path, columns, toml, label="kind", groups=("age",), bands={"age": (0, 10, 20)}, aligned=False)

    assert (own.label, own.subject, own.groupings, own.aligned) == ("sex", "who", (("sex",), ("skin",)), True)
    assert (flags.label, flags.groupings, flags.aligned) == ("kind", (("kind",), ("age",)), False)
    assert list(flags.table["attribute.age"]) == ["0-9", "20+"]


def test_bands_replace_a_number_by_its_range(tmp_path) -> None:
    ages = ["0", "17", "17.9", "18", "29", "44", "45", "59", "60", "101", ""]

    probe = probe_of(tmp_path, {"gender": ["f"] * 11, "age": ages}, groups=("age",), bands={"age": (0, 18, 30, 45, 60)})

    assert list(probe.table["attribute.age"]) == [
        *["0-17"] * 3, *["18-29"] * 2, "30-44", *["45-59"] * 2, *["60+"] * 2, None,
    ]  # fmt: skip


def test_bands_with_broken_edges_say_where_they_end(tmp_path) -> None:
    columns = {"gender": ["f"] * 3, "yaw": ["0.5", "0.75", "2"]}

    probe = probe_of(tmp_path, columns, groups=("yaw",), bands={"yaw": (0.5, 0.75, 1.5)})

    assert list(probe.table["attribute.yaw"]) == ["0.5 to under 0.75", "0.75 to under 1.5", "1.5+"]


@pytest.mark.parametrize("cell", ["-1", "old", "nan", "inf"])
def test_a_value_without_a_band_names_its_row(tmp_path, cell) -> None:
    with pytest.raises(ProbeError, match=f"row 2, column age: .* band, got '{cell}'. Allowed: a number from 0 on"):
        probe_of(tmp_path, {"gender": ["f", "m"], "age": ["3", cell]}, bands={"age": (0, 18)})


@pytest.mark.parametrize("edges", [(18,), (18, 18), (30, 18), (), (0, float("nan"))])
def test_edges_must_ascend(tmp_path, edges) -> None:
    with pytest.raises(SettingsError, match="--band age: these are no edges of bands"):
        probe_of(tmp_path, {"gender": ["f", "m"], "age": [1, 2]}, bands={"age": edges})


def test_a_group_with_ten_thousand_values_is_refused_with_the_number_and_the_way_out(tmp_path) -> None:
    columns = {"gender": ["f", "m"] * 5000, "income": [str(i) for i in range(10_000)]}

    with pytest.raises(
        UsageError, match=r"--group: income makes 10,000 groups. Allowed: at most 1,000.*--band income="
    ):
        probe_of(tmp_path, columns, groups=("income",))
    assert probe_of(tmp_path, columns).groupings == (("gender",),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": ("skim",)}, "no such column to group by, got 'skim'.*Did you mean skin"),
        ({"groups": ("gender*skim",)}, "no such column to group by, got 'skim'"),
        ({"groups": ("skin*skin",)}, "names a column twice"),
        ({"label": "sex"}, "no label column of this name, got 'sex'. Allowed: path, gender, skin"),
        ({"subject": "who"}, "no subject column of this name, got 'who'"),
        ({"bands": {"agee": (0, 1)}}, "no such column to cut into bands, got 'agee'"),
        ({"limit": 0}, "--limit: no images would be left, got '0'"),
    ],
)
def test_a_name_that_was_typed_and_does_not_exist_is_a_usage_error(tmp_path, options, words) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        probe_of(tmp_path, {"gender": ["f", "m"], "skin": ["d", "l"]}, **options)

    assert raised.value.status == ExitStatus.USAGE


def test_a_manifest_without_a_label_column_names_the_nearest(tmp_path) -> None:
    with pytest.raises(ProbeError, match="no label column: none is called gender or label; .* Did you mean Gendr") as e:
        probe_of(tmp_path, {"Gendr": ["f", "m"], "skin": ["d", "l"]})

    assert e.value.status == ExitStatus.UNUSABLE


def test_a_label_column_named_by_the_folder_itself_and_missing_makes_the_folder_unusable(tmp_path) -> None:
    with pytest.raises(ProbeError, match=r"bias-audit.toml: probe.label: .*no label column of this name, got 'sex'"):
        probe_of(tmp_path, {"gender": ["f", "m"]}, '[probe]\nlabel = "sex"')


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[run]\nlimit = 3", r"can't set this, got 'run'. Allowed: \[probe\], \[regions\]"),
        ("x = 1", "can't set this, got 'x'"),
        ("[probe]\nlable = 'x'", "probe: unknown key, got 'lable'.*Did you mean label"),
        ("[probe]\nlabel = 3", "probe.label: wrong kind of value, got '3'. Allowed: a column's name"),
        ("[probe]\naligned = 'yes'", "probe.aligned: wrong kind of value"),
        ("[probe]\ngroups = 'skin'", "probe.groups: wrong kind of value"),
        ("[probe.bands]\nage = 3", "probe.bands.age: these are no edges"),
        ("probe = 3", "probe: wrong kind of value"),
        ("[probe", "no TOML"),
    ],
)
def test_a_malformed_file_in_the_folder_names_the_key(tmp_path, toml, words) -> None:
    with pytest.raises(SettingsError, match=words):
        probe_of(tmp_path, {"gender": ["f", "m"]}, toml)


def test_settings_that_an_editor_saved_with_a_byte_order_mark_are_read(tmp_path) -> None:
    probe = probe_of(tmp_path, {"kind": ["f"]}, '\ufeff[probe]\nlabel = "kind"\n')

    assert probe.label == "kind"


def test_an_attribute_stands_in_the_region_of_its_name_or_in_the_one_that_the_folder_names(tmp_path) -> None:
    columns: dict[str, list[object]] = {"gender": ["f", "m"], "make_up": ["yes", "no"], "region.mouth": ["1,1,5,5"] * 2}
    plain = probe_of(tmp_path, columns)
    named = probe_of(tmp_path, columns, '[probe.places]\nmake_up = "mouth"')

    assert (plain.places, named.places) == ({"mouth": "mouth"}, {"mouth": "mouth", "make_up": "mouth"})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('make_up = "moth"', r"no such region, got 'moth'\. Allowed: mouth\. Did you mean mouth"),
        ('makeup = "mouth"', r"no such column, got 'makeup'.* Did you mean make_up"),
        ("make_up = 3", "places.make_up"),
    ],
)
def test_a_place_that_is_none_is_refused_with_its_key(tmp_path, line: str, words: str) -> None:
    columns: dict[str, list[object]] = {"gender": ["f", "m"], "make_up": ["yes", "no"], "region.mouth": ["1,1,5,5"] * 2}
    with pytest.raises(SettingsError, match=words):
        probe_of(tmp_path, columns, f"[probe.places]\n{line}")
