"""Folders as well-known face datasets are shipped: what is read from where, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import ProbeError
from audit.probes import LAYOUTS, ProbeOptions, ProbeSet, read_probe
from tests.support import layouts
from tests.support.layouts import TWO, lines, put


def column(probe: ProbeSet, name: str) -> list[str | None]:
    return list(probe.table[name])


# UTKFace


@pytest.mark.parametrize("below", ["", "UTKFace", "UTKFace/UTKFace", "part1", "crop_part1"])
@pytest.mark.parametrize("ending", [".jpg", ".jpg.chip.jpg"])
def test_utkface_is_read_off_the_names(tmp_path: Path, below: str, ending: str) -> None:
    probe = read_probe(layouts.utkface(tmp_path, below=below, ending=ending))

    assert column(probe, "label") == ["female", "male"]
    assert column(probe, "attribute.race") == ["white", "black"]
    assert column(probe, "path")[0] == f"{below}/20_1_0_20170109000000000{ending}".lstrip("/")
    assert (probe.label, probe.subject, probe.aligned) == ("gender", None, ending == ".jpg.chip.jpg")


def test_utkface_ages_come_in_bands_and_as_they_are(tmp_path: Path) -> None:
    for age in (1, 17, 18, 44, 60, 116):
        put(tmp_path, f"{age}_0_0_20170109142408075.jpg")
    bands = read_probe(tmp_path)
    own = read_probe(tmp_path, ProbeOptions(bands={"age": (0, 50, 100)}))

    assert bands.groupings == (("gender",), ("age_band",))
    assert column(bands, "attribute.age_band") == ["60+", "0-17", "18-29", "0-17", "30-44", "60+"]  # by name
    assert ("age",) in own.groupings
    assert column(read_probe(tmp_path, ProbeOptions(groups=("age",))), "attribute.age")[0] == "116"


MALFORMED = {
    "39_1_20170116174525125.jpg.chip.jpg": ("39", None, None),  # gender or race: nobody knows
    "61_3_20170109150557335.jpg.chip.jpg": ("61", None, None),
    "53__0_20170116184028385.jpg.chip.jpg": ("53", None, "white"),
    "44_1_4_20170116235150272.pg.chip.jpg": ("44", "female", "other"),
    "24_0_1_20170116220224657 .jpg.chip.jpg": ("24", "male", "black"),
    "55_0_0_20170116232725357jpg.chip.jpg": ("55", "male", "white"),
    "999_0_0_20170116232725357.jpg": (None, "male", "white"),
    "30_3_9_20170116232725357.jpg": ("30", None, None),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_utkface_name_leaves_a_gap_and_is_never_guessed(tmp_path: Path, name: str) -> None:
    layouts.utkface(tmp_path)
    put(tmp_path, f"UTKFace/{name}")
    probe = read_probe(tmp_path, ProbeOptions(groups=("age", "race")))
    row = probe.table[probe.table["path"] == f"UTKFace/{name}"].iloc[0]

    assert (row["attribute.age"], row["label"], row["attribute.race"]) == MALFORMED[name]
    gap = None in MALFORMED[name]
    assert any("1 of 3 pictures lack age, gender or race in their name" in note for note in probe.notes) is gap


def test_other_pictures_beside_utkface_are_left_out_and_counted(tmp_path: Path) -> None:
    layouts.utkface(tmp_path)
    for name in ("UTKFace/cover.jpg", "UTKFace/a_b_c_d.jpg", "UTKFace/.20_1_0_20170109000000000.jpg"):
        put(tmp_path, name)
    probe = read_probe(tmp_path)

    assert len(probe) == 2
    assert "2 pictures are named in another way and are left out, the first is UTKFace/a_b_c_d.jpg." in probe.notes


def test_a_utkface_picture_in_two_folders_is_taken_once(tmp_path: Path) -> None:
    layouts.utkface(tmp_path)
    layouts.utkface(tmp_path, TWO[:1], below="part1", ending=".jpg")
    probe = read_probe(tmp_path)

    assert len(probe) == 2
    assert "1 pictures stand in more than one of the folders and are taken once." in probe.notes


# FairFace


def test_fairface_is_read_from_its_lists(tmp_path: Path) -> None:
    probe = read_probe(layouts.fairface(tmp_path, [*TWO, *TWO]))

    assert column(probe, "path") == ["train/1.jpg", "train/2.jpg", "val/1.jpg", "val/2.jpg"]
    assert column(probe, "label") == ["female", "female", "male", "male"]
    assert probe.groupings == (("gender",), ("race",), ("age",))
    assert column(probe, "attribute.race") == ["White", "East Asian", "Black", "Latino_Hispanic"]
    assert column(probe, "attribute.age") == ["3-9", "more than 70", "20-29", "3-9"]
    assert any("2 of train and 2 of val" in note for note in probe.notes)
    assert ("partition",) in read_probe(tmp_path, ProbeOptions(groups=("partition",))).groupings


def test_one_fairface_list_is_enough(tmp_path: Path) -> None:
    layouts.fairface(tmp_path, [*TWO, *TWO])
    (tmp_path / "fairface_label_train.csv").unlink()
    probe = read_probe(tmp_path)

    assert column(probe, "path") == ["val/1.jpg", "val/2.jpg"]
    assert "2 pictures stand in no list and are left out." in probe.notes


def test_fairface_pictures_may_lie_in_the_archives_folder(tmp_path: Path) -> None:
    layouts.fairface(tmp_path)
    archive = tmp_path / "fairface-img-margin025-trainval"
    archive.mkdir()
    for part in ("train", "val"):
        (tmp_path / part).rename(archive / part)

    assert column(read_probe(tmp_path), "path")[0] == "fairface-img-margin025-trainval/train/1.jpg"


def test_fairface_pictures_that_are_not_there_count_as_unreadable(tmp_path: Path) -> None:
    layouts.fairface(tmp_path)
    (tmp_path / "val/1.jpg").unlink()

    assert "1 of 2 images are listed and not there; they count as unreadable." in read_probe(tmp_path).notes


# CelebA


@pytest.mark.parametrize("pictures", ["img_align_celeba", "img_align_celeba/img_align_celeba", "Img/img_align_celeba"])
def test_celeba_is_read_from_its_lists(tmp_path: Path, pictures: str) -> None:
    probe = read_probe(layouts.celeba(tmp_path, [*TWO, TWO[0]], pictures=pictures))

    assert column(probe, "path") == [f"{pictures}/00000{n}.jpg" for n in (1, 2, 3)]
    assert column(probe, "label") == ["female", "male", "female"]
    assert column(probe, "subject") == ["1", "2", "1"]
    assert probe.groupings == (("gender",), ("Young",), ("Pale_Skin",), ("Eyeglasses",), ("Smiling",))
    assert column(probe, "attribute.Young") == ["no", "yes", "no"]
    assert probe.aligned
    assert not any("no row" in note for note in probe.notes)


def test_any_attribute_of_celeba_can_be_label_or_group(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    probe = read_probe(tmp_path, ProbeOptions(label="Smiling", groups=("Wavy_Hair", "partition")))

    assert column(probe, "label") == ["no", "yes"]
    assert column(probe, "attribute.Wavy_Hair") == ["no", "yes"]
    assert column(probe, "attribute.partition") == ["val", "test"]
    assert ("gender",) in read_probe(tmp_path, ProbeOptions(label="Smiling")).groupings


def test_celeba_as_csv_and_in_the_folders_it_is_handed_out_in(tmp_path: Path) -> None:
    put(tmp_path, "Img/img_align_celeba_png/000001.png")
    put(tmp_path, "Img/img_align_celeba_png/000002.png")
    put(tmp_path, "Img/img_align_celeba_png/000003.png")
    lines(tmp_path / "Anno/list_attr_celeba.csv", ["image_id,Male,Young", "000001.jpg,-1,1", "000002.jpg,1,-1"])
    lines(tmp_path / "Eval/list_eval_partition.csv", ["image_id,partition", "000001.jpg,0"])
    probe = read_probe(tmp_path, ProbeOptions(groups=("Young", "partition")))

    assert column(probe, "path") == ["Img/img_align_celeba_png/000001.png", "Img/img_align_celeba_png/000002.png"]
    assert column(probe, "label") == ["female", "male"]
    assert column(probe, "attribute.partition") == ["train", None]
    assert probe.subject is None
    assert "1 pictures stand in no row of list_attr_celeba.csv and are left out." in probe.notes


def test_celeba_without_pictures_is_refused(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    for path in tmp_path.glob("img*/*"):
        path.unlink()

    with pytest.raises(ProbeError, match=r"none of the 2 images exists; the first is img_align_celeba/000001\.jpg"):
        read_probe(tmp_path)


def test_celeba_as_found_is_not_taken_for_aligned(tmp_path: Path) -> None:
    assert not read_probe(layouts.celeba(tmp_path, pictures="img_celeba")).aligned


def test_what_the_folder_says_of_itself_comes_before_what_the_layout_supposes(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    lines(tmp_path / "bias-audit.toml", ["[probe]", "aligned = false", 'groups = ["Young"]'])
    probe = read_probe(tmp_path)

    assert not probe.aligned
    assert probe.groupings == (("gender",), ("Young",))


def test_no_line_of_a_long_celeba_list_is_lost(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    rows = [f"{n:06d}.jpg {1 if n % 3 else -1}" for n in range(1, 10_001)]
    lines(tmp_path / "list_attr_celeba.txt", ["10000", "Male", *rows])
    probe = read_probe(tmp_path)

    assert column(probe, "path") == [f"img_align_celeba/{n:06d}.jpg" for n in range(1, 10_001)]
    assert column(probe, "label") == ["male" if n % 3 else "female" for n in range(1, 10_001)]
    assert not any("says that it lists" in note for note in probe.notes)


def test_a_celeba_list_that_was_cut_off_is_said(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    text = (tmp_path / "list_attr_celeba.txt").read_text()
    (tmp_path / "list_attr_celeba.txt").write_text(text.replace("2\n", "202599\n", 1))

    assert "list_attr_celeba.txt says that it lists 202,599 pictures and lists 2." in read_probe(tmp_path).notes


# LFW


@pytest.mark.parametrize("below", ["", "lfw", "lfw-deepfunneled", "lfw_funneled", "lfw/lfw"])
def test_lfw_people_are_the_subjects_and_the_lists_name_the_gender(tmp_path: Path, below: str) -> None:
    probe = read_probe(layouts.lfw(tmp_path, [*TWO, TWO[0]], below=below))

    assert column(probe, "path")[1] == f"{below}/Ada_Person1/Ada_Person1_0002.jpg".lstrip("/")
    assert column(probe, "subject") == ["Ada_Person1", "Ada_Person1", "Ben_Person2"]
    assert column(probe, "label") == ["female", "female", "male"]
    assert probe.groupings == (("gender",),)
    assert probe.aligned is ("funneled" in below)
    assert "Gender is from female_names.txt and male_names.txt." in probe.notes


def test_lfw_lists_may_name_people(tmp_path: Path) -> None:
    layouts.lfw(tmp_path, [*TWO, TWO[0]])
    lines(tmp_path / "female_names.txt", ["Ada Person1"])
    lines(tmp_path / "male_names.txt", ["Ben_Person2_0001", ""])

    assert column(read_probe(tmp_path), "label") == ["female", "female", "male"]


def test_who_stands_in_no_lfw_list_or_in_both_is_not_stated(tmp_path: Path) -> None:
    layouts.lfw(tmp_path, [*TWO, TWO[0]])
    lines(tmp_path / "female_names.txt", ["Ada_Person1_0001.jpg", "Ben_Person2_0001.jpg"])

    assert column(read_probe(tmp_path), "label") == ["female", None, None]


def test_lfw_attributes_are_scores_cut_at_zero_and_said_to_be_so(tmp_path: Path) -> None:
    probe = read_probe(layouts.lfw(tmp_path, [*TWO, TWO[0]], attributes=True))

    assert column(probe, "label") == ["female", "female", "male"]
    assert column(probe, "attribute.Senior") == ["no", "no", "yes"]
    assert probe.groupings == (("gender",), ("Senior",))  # nobody here is Black, so there is nothing to compare
    assert any("scores of other classifiers" in note for note in probe.notes)


def test_names_checked_by_people_stand_before_scores(tmp_path: Path) -> None:
    layouts.lfw(tmp_path, attributes=True)
    lines(tmp_path / "male_names.txt", ["Ada_Person1_0001.jpg"])
    probe = read_probe(tmp_path)

    assert column(probe, "label") == ["male", None]
    assert column(probe, "attribute.Senior") == ["no", "yes"]


def test_lfw_without_any_list_says_which_file_would_help(tmp_path: Path) -> None:
    layouts.lfw(tmp_path)
    for path in tmp_path.glob("*_names.txt"):
        path.unlink()

    with pytest.raises(
        ProbeError, match=r"LFW has no labels of its own.*female_names\.txt and male_names\.txt, or lfw_attributes\.txt"
    ):
        read_probe(tmp_path)


def test_labels_that_are_numbered_like_lfw_are_labels(tmp_path: Path) -> None:
    for name in ("female/female_0001.jpg", "male/male_0001.jpg"):
        put(tmp_path, name)

    assert column(read_probe(tmp_path), "label") == ["female", "male"]


def test_people_as_labels_without_the_numbering_are_labels(tmp_path: Path) -> None:
    for name in ("Ada_Person/1.jpg", "Ben_Person/1.jpg"):
        put(tmp_path, name)

    assert column(read_probe(tmp_path), "label") == ["Ada_Person", "Ben_Person"]


# what can be wrong


def broken(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ProbeError) as caught:
        read_probe(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FAIRFACE = {
    "a column missing": ("file,age,gender\ntrain/1.jpg,3-9,Male\n", ["lacks a column, got 'race'"]),
    "no rows": ("file,age,gender,race,service_test\n", ["the list names no picture"]),
    "a ragged row": ("file,age,gender,race\ntrain/1.jpg,3-9\n", ["train.csv, line 2: the row has 2 cells"]),
    "nothing": ("", ["lacks a column"]),
    "a path that leaves": ("file,age,gender,race\n../1.jpg,3-9,Male,White\n", ["leaves the probe folder", "row 1"]),
    "an absolute path": ("file,age,gender,race\n/etc/1.jpg,3-9,Male,White\n", ["leaves the probe folder"]),
    "an empty cell for a path": ("file,age,gender,race\n,3-9,Male,White\n", ["the cell `path` is empty"]),
}


@pytest.mark.parametrize("case", FAIRFACE)
def test_a_broken_fairface_list_ends_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, words = FAIRFACE[case]
    said = broken(layouts.fairface(tmp_path), "fairface_label_train.csv", text)

    for word in words:
        assert word in said


CELEBA = {
    "a cut-off line": ("2\nMale Young\n000001.jpg 1 -1\n000002.jpg 1\n", ["celeba.txt, line 4: the line has 2 cells"]),
    "neither yes nor no": ("1\nMale Young\n000001.jpg 1 0\n", ["line 3: the attribute Young is neither", "got '0'"]),
    "a word": ("1\nMale Young\n000001.jpg yes -1\n", ["line 3: the attribute Male", "'yes'"]),
    "a header alone": ("0\nMale Young\n", ["the list names no picture"]),
    "nothing": ("", ["the list names no picture"]),
    "an attribute twice": ("1\nMale Male\n000001.jpg 1 -1\n", ["two columns have the same name"]),
    "a path that leaves": ("1\nMale Young\n../../x.jpg 1 -1\n", ["leaves the probe folder"]),
    "a picture twice": ("2\nMale\n000001.jpg 1\n000001.jpg 1\n", ["the same image stands in rows 1 and 2"]),
    "no gender": ("1\nYoung\n000001.jpg 1\n", ["no label column", "--label NAME"]),
}


@pytest.mark.parametrize("case", CELEBA)
def test_a_broken_celeba_list_ends_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, words = CELEBA[case]
    said = broken(layouts.celeba(tmp_path), "list_attr_celeba.txt", text)

    for word in words:
        assert word in said


def test_broken_lists_beside_celebas_attributes_are_named_with_their_line(tmp_path: Path) -> None:
    layouts.celeba(tmp_path)
    assert "identity_CelebA.txt, line 1: the line has 3 cells" in broken(tmp_path, "identity_CelebA.txt", "a b c\n")
    (tmp_path / "identity_CelebA.txt").unlink()
    said = broken(tmp_path, "list_eval_partition.txt", "000001.jpg 0\n000002.jpg 7\n")

    assert "list_eval_partition.txt, line 2: no such part, got '7'" in said


LFW = {
    "no header": ("Ada Person1\t1\t0.5\n", ["line 1", "#, person, imagenum"]),
    "a ragged line": ("#\tperson\timagenum\tMale\nAda Person1\t1\n", ["lfw_attributes.txt, line 2: the line has 2"]),
    "no number": ("#\tperson\timagenum\tMale\nAda Person1\t1\tmaybe\n", ["line 2", "is no number, got 'maybe'"]),
    "not finite": ("#\tperson\timagenum\tMale\nAda Person1\t1\tnan\n", ["is no number, got 'nan'"]),
    "no rows": ("#\tperson\timagenum\tMale\n", ["the list names no picture"]),
}


@pytest.mark.parametrize("case", LFW)
def test_broken_lfw_scores_end_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, words = LFW[case]
    said = broken(layouts.lfw(tmp_path), "lfw_attributes.txt", text)

    for word in words:
        assert word in said


@pytest.mark.parametrize("name", ["utkface", "fairface", "celeba", "lfw"])
def test_no_layout_follows_a_link_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Where the pictures are a link to somewhere else, nothing of that is opened."""
    folder = {"utkface": "UTKFace", "fairface": "train", "celeba": "img_align_celeba", "lfw": "lfw"}[name]
    getattr(layouts, name)(tmp_path / "set")
    (tmp_path / "set" / folder).rename(tmp_path / "elsewhere")
    (tmp_path / "set" / folder).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ProbeError, match="leaves the probe folder"):
        read_probe(tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fairface", "fairface_label_train.csv"),
        ("celeba", "identity_CelebA.txt"),
        ("lfw", "male_names.txt"),
    ],
)
def test_no_list_is_read_through_a_link_out_of_the_folder(tmp_path: Path, name: str, file: str) -> None:
    getattr(layouts, name)(tmp_path / "set")
    (tmp_path / "set" / file).rename(tmp_path / "elsewhere")
    (tmp_path / "set" / file).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ProbeError, match="the manifest leaves the probe folder"):
        read_probe(tmp_path / "set")


def test_all_four_are_registered() -> None:
    assert {"utkface", "fairface", "celeba", "lfw"} <= set(LAYOUTS.names())
