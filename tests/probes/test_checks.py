"""Probe sets that can't be used, or only in part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audit.errors import ExitStatus, ProbeError, UsageError
from audit.probes import ProbeOptions, read_probe
from tests.support.pictures import noise, write_manifest, write_probe


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path) -> None:
    with pytest.raises(UsageError, match="--probe: there is no such probe folder, got '.*faces'"):
        read_probe(tmp_path / "faces")


def test_a_file_in_place_of_the_folder_is_a_usage_error(tmp_path) -> None:
    (tmp_path / "faces.csv").touch()

    with pytest.raises(UsageError, match="the probe set is a file, not a folder"):
        read_probe(tmp_path / "faces.csv")


def test_an_empty_folder_is_unusable(tmp_path) -> None:
    with pytest.raises(ProbeError, match="the folder is empty. Allowed: manifest.csv") as raised:
        read_probe(tmp_path)

    assert raised.value.status == ExitStatus.UNUSABLE


def test_pictures_without_labels_are_unusable(tmp_path) -> None:
    noise(4, 4).save(tmp_path / "1.png")

    with pytest.raises(ProbeError, match="no manifest and no folder of images"):
        read_probe(tmp_path)


@pytest.mark.parametrize(
    "path", ["../x.png", "a/../../x.png", "/etc/passwd", "C:\\x.png", "\\\\host\\x.png", "a\\..\\x.png", "x\0.png"]
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, path) -> None:
    write_manifest(tmp_path, [{"path": "1.png", "gender": "f"}, {"path": path, "gender": "m"}])

    with pytest.raises(ProbeError, match="row 2: the path of an image leaves the probe folder, got") as raised:
        read_probe(tmp_path)
    assert raised.value.value == path


@pytest.mark.parametrize("what", ["the file", "a folder above it"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, what) -> None:
    probe, outside = tmp_path / "probe", tmp_path / "outside"
    outside.mkdir()
    noise(4, 4).save(outside / "1.png")
    write_manifest(probe, [{"path": "in/1.png", "gender": "f"}])
    if what == "the file":
        (probe / "in").mkdir()
        (probe / "in" / "1.png").symlink_to(outside / "1.png")
    else:
        (probe / "in").symlink_to(outside)

    with pytest.raises(ProbeError, match="leaves the probe folder, got 'in/1.png'"):
        read_probe(probe)


def test_a_link_that_stays_inside_is_followed(tmp_path) -> None:
    write_probe(tmp_path, [{"path": "1.png", "gender": "f"}])
    (tmp_path / "2.png").symlink_to(tmp_path / "1.png")
    write_manifest(tmp_path, [{"path": "1.png", "gender": "f"}, {"path": "2.png", "gender": "f"}])

    assert len(read_probe(tmp_path)) == 2


def test_a_probe_folder_reached_through_a_link_is_fine(tmp_path) -> None:
    write_probe(tmp_path / "real", [{"path": "1.png", "gender": "f"}])
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert len(read_probe(tmp_path / "link")) == 1


def test_the_same_path_twice_names_both_rows(tmp_path) -> None:
    rows = [{"path": p, "gender": "f"} for p in ("x/1.png", "2.png", "./x//1.png")]
    write_manifest(tmp_path, rows)

    with pytest.raises(ProbeError, match=r"the same image stands in rows 1 and 3, got 'x/1.png'"):
        read_probe(tmp_path)


def test_a_row_without_a_path_is_named(tmp_path) -> None:
    write_manifest(tmp_path, [{"path": "1.png", "gender": "f"}, {"path": "", "gender": "f"}])

    with pytest.raises(ProbeError, match="row 2: the cell `path` is empty"):
        read_probe(tmp_path)


def test_a_few_missing_files_are_noted_and_all_missing_is_an_error(tmp_path) -> None:
    rows = [{"path": f"{i}.png", "gender": "f"} for i in range(3)]
    write_probe(tmp_path, rows)
    (tmp_path / "1.png").unlink()

    notes = read_probe(tmp_path).notes
    for path in tmp_path.glob("*.png"):
        path.unlink()

    assert "1 of 3 images are listed and not there; they count as unreadable." in notes
    with pytest.raises(ProbeError, match="none of the 3 images exists; the first is 0.png"):
        read_probe(tmp_path)


@pytest.mark.parametrize(
    ("column", "words"),
    [("region.mouth", "row 1: the path of a mask leaves"), ("target", "row 1: the path of a target leaves")],
)
def test_masks_and_targets_must_stay_inside_too(tmp_path, column, words) -> None:
    write_probe(tmp_path, [{"path": "1.png", "gender": "f", column: "../m.png"}])

    with pytest.raises(ProbeError, match=words):
        read_probe(tmp_path)


def test_a_file_name_that_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "f").mkdir()
    name = os.fsencode(tmp_path / "f") + b"/\xff.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such name")

    with pytest.raises(ProbeError, match="characters that can't be shown"):
        read_probe(tmp_path)


def test_odd_labels_and_names_are_text(tmp_path) -> None:
    rows = [{"path": "=1+1.png", "gender": "<script>"}, {"path": "naïve 日本.png", "gender": "=cmd()"}]
    write_probe(tmp_path, rows)

    probe = read_probe(tmp_path)

    assert list(probe.table["path"]) == ["=1+1.png", "naïve 日本.png"]
    assert list(probe.table["label"]) == ["<script>", "=cmd()"]


def rows_with_subjects() -> list[dict[str, object]]:
    """300 images: subjects of 1 to 3 pictures, two thirds `f`, one third `m`."""
    rows = []
    for subject in range(150):
        for picture in range(1 + subject % 3):
            rows.append(
                {"path": f"{subject}-{picture}.png", "gender": "fmf"[subject % 7 % 3], "subject": f"s{subject}"}
            )
    return rows


@pytest.mark.parametrize("limit", [10, 57, 200])
def test_a_sample_takes_whole_subjects_in_proportion_and_keeps_the_order(tmp_path, limit) -> None:
    rows = rows_with_subjects()
    write_manifest(tmp_path, rows)
    (tmp_path / "0-0.png").touch()

    probe = read_probe(tmp_path, ProbeOptions(limit=limit, seed=4))

    paths = list(probe.table["path"])
    everything = {row["path"]: row for row in rows}
    subjects = {everything[p]["subject"] for p in paths}
    whole = [row["path"] for row in rows if row["subject"] in subjects]
    share = sum(everything[p]["gender"] == "f" for p in paths) / len(paths)
    of_all = sum(row["gender"] == "f" for row in rows) / len(rows)
    assert paths == whole
    assert limit - 2 <= len(paths) <= limit
    assert abs(share - of_all) <= 3 / limit
    assert (probe.total, probe.sampled) == (300, True)
    assert any(f"a sample: {len(paths)} of 300 images" in note for note in probe.notes)


def test_a_sample_is_seeded_and_a_larger_one_holds_a_smaller_one(tmp_path) -> None:
    write_manifest(tmp_path, rows_with_subjects())
    (tmp_path / "0-0.png").touch()

    def drawn(limit: int, seed: int) -> set[str]:
        return set(read_probe(tmp_path, ProbeOptions(limit=limit, seed=seed)).table["path"])

    assert drawn(40, 1) == drawn(40, 1)
    assert drawn(40, 1) < drawn(90, 1)
    assert drawn(40, 1) != drawn(40, 2)


def test_no_sample_is_drawn_from_a_smaller_set(tmp_path) -> None:
    write_probe(tmp_path, [{"path": "1.png", "gender": "f", "subject": "x"}])

    probe = read_probe(tmp_path, ProbeOptions(limit=5))

    assert (probe.sampled, probe.notes) == (False, ())


@pytest.mark.parametrize("groups", [(), ("race",), ("gender*race",)])
def test_a_column_with_one_value_is_said_to_compare_nothing(tmp_path, groups: tuple[str, ...]) -> None:
    write_probe(
        tmp_path, [{"path": f"{k}.png", "gender": "fm"[k % 2], "subject": k, "race": "asian"} for k in range(6)]
    )
    probe = read_probe(tmp_path, ProbeOptions(groups=groups))

    assert probe.notes == ("race has one value only (asian), so there is nothing to compare by it.",)
    assert read_probe(tmp_path, ProbeOptions(groups=("gender",))).notes == ()


def test_columns_with_one_value_share_a_sentence(tmp_path) -> None:
    rows = [{"path": f"{k}.png", "gender": "f", "subject": k, "race": ["asian", ""][k % 2]} for k in range(6)]
    write_probe(tmp_path, rows)

    assert read_probe(tmp_path).notes == (
        "These columns have one value only, so there is nothing to compare by them: gender (f), race (asian).",
    )


def test_groupings_are_those_of_the_whole_set_in_a_sample(tmp_path) -> None:
    rows = [{**row, "rare": "yes" if i == 7 else "no"} for i, row in enumerate(rows_with_subjects())]
    write_manifest(tmp_path, rows)
    (tmp_path / "0-0.png").touch()

    assert read_probe(tmp_path, ProbeOptions(limit=3)).groupings == (("gender",), ("rare",))


@pytest.mark.parametrize("name", ["manifest.csv", "bias-audit.toml"])
def test_a_manifest_or_settings_file_that_is_a_link_out_of_the_folder_is_refused(tmp_path, name) -> None:
    write_probe(tmp_path / "probe", [{"path": "1.png", "gender": "f"}])
    (tmp_path / "secret").write_text("path,gender\n1.png,f\n")
    (tmp_path / "probe" / name).unlink(missing_ok=True)
    (tmp_path / "probe" / name).symlink_to(tmp_path / "secret")

    with pytest.raises(ProbeError, match=f"leaves the probe folder, got '{name}'"):
        read_probe(tmp_path / "probe")
