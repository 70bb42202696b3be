"""The probe set by itself: what is planted in it is found, and what is written is complete and nobody's face."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audit
import reports
from audit.cli import main
from audit.errors import FolderOccupied, ProbeError, SettingsError, UsageError
from audit.survey import LISTED, Survey
from reports._survey_findings import survey_findings
from reports._survey_power import power
from tests.support.data import shared_data
from tests.support.pictures import noise, write_manifest, write_probe


def survey(tmp_path: Path, rows: list[dict[str, object]], **options: Any) -> Survey:
    return audit.survey_probe(write_probe(tmp_path / "set", rows), **options)


def people(count: int = 80, **columns: Any) -> list[dict[str, object]]:
    """One row a person; a column is a list, or a function of the person's number."""
    return [
        {
            "path": f"{k:04}.png",
            "subject": f"p{k}",
            "gender": "female" if k % 2 else "male",
            **{name: made(k) if callable(made) else made[k] for name, made in columns.items()},
        }
        for k in range(count)
    ]


def text(found: Survey) -> str:
    """What a terminal shows, in one line."""
    return " ".join(reports.survey_text(found).split())


def test_empty_and_thin_cells(tmp_path: Path) -> None:
    rows = people(skin=lambda k: "dark" if k % 2 and k > 70 else "light" if k % 4 else "medium")
    (crossing,) = survey(tmp_path, rows).crossings

    assert (crossing.attribute, crossing.cells, crossing.empty, crossing.thin) == ("gender*skin", 6, 2, 3)
    assert crossing.listed == ({"gender": "female", "skin": "medium"}, {"gender": "male", "skin": "dark"})


def test_an_intersection_asked_for_takes_the_place_of_label_by_attribute(tmp_path: Path) -> None:
    rows = people(skin=lambda k: "ab"[k % 3 % 2], hair=lambda k: "xy"[k % 5 % 2])
    found = survey(tmp_path, rows, groups=("skin", "skin*hair"))

    assert [c.attribute for c in found.crossings] == ["skin*hair"]


def test_empty_cells_of_a_large_intersection_are_counted_and_some_are_listed(tmp_path: Path) -> None:
    rows = people(80, one=lambda k: f"a{k % 20}", other=lambda k: f"b{k % 16}", third=lambda k: f"c{k % 5}")
    (crossing,) = survey(tmp_path, rows, groups=("one*other*third",)).crossings

    assert crossing.cells == 20 * 16 * 5
    assert crossing.empty == crossing.cells - 80
    assert len(crossing.listed) == LISTED


def test_missing_values_by_column(tmp_path: Path) -> None:
    rows = people(skin=lambda k: "" if k < 5 else "ab"[k % 2])
    for row in rows[:3]:
        row["gender"] = ""
    rows[9]["subject"] = ""
    found = survey(tmp_path, rows)

    assert [(m.column, m.role, m.images) for m in found.missing] == [
        ("gender", "label", 3),
        ("subject", "subject", 1),
        ("skin", "attribute", 5),
    ]
    assert "not stated: gender of 3, subject of 1 and skin of 5" in text(found)


def test_several_labels_for_one_subject(tmp_path: Path) -> None:
    rows = [*people(40), *({**row, "path": f"again-{row['path']}"} for row in people(40))]
    rows[45]["gender"] = "male"
    (conflict,) = survey(tmp_path, rows).conflicts

    assert (conflict.column, conflict.role, conflict.several, conflict.subjects) == ("gender", "label", 1, 40)
    assert conflict.listed[0].subject == "p5"
    assert conflict.listed[0].values == {"female": 1, "male": 1}
    assert conflict.listed[0].paths == ("0005.png", "again-0005.png")


def test_what_varies_within_many_subjects_is_no_conflict(tmp_path: Path) -> None:
    rows = [{**row, "path": f"{n}-{row['path']}", "pose": f"pose{n}"} for n in range(2) for row in people(40)]

    assert survey(tmp_path, rows).conflicts == ()


def test_a_label_is_given_less_benefit_of_the_doubt(tmp_path: Path) -> None:
    rows = [{**row, "path": f"{n}-{row['path']}", "skin": row["gender"]} for n in range(2) for row in people(40)]
    for row in rows[40:54]:
        row["gender"] = row["skin"] = "male"
    found = survey(tmp_path, rows)

    assert [(c.column, c.several) for c in found.conflicts] == [("gender", 7)]
    assert "7 of 40 subjects with several pictures have more than one gender" in text(found)


def test_without_a_subject_column_there_is_no_conflict_and_the_page_says_so(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "subject"} for row in people()]
    found = survey(tmp_path, rows)

    assert found.conflicts == ()
    assert "No subject column" in text(found)
    assert {r.icc for r in found.reaches} == {0.0}


def test_unreadable_pictures_are_counted_with_their_reasons(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "set", people())
    (folder / "0003.png").write_bytes(b"no picture")
    (folder / "0004.png").unlink()
    found = audit.survey_probe(folder)

    assert found.result.probe["unreadable"] == 2
    assert [(u.path, u.reason) for u in found.unreadable] == [
        ("0003.png", "this is no JPEG, PNG, WebP, BMP or TIFF picture"),
        ("0004.png", "there is no such file"),
    ]
    assert "2 pictures can't be read" in text(found)


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "set", people(4))
    for path in folder.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ProbeError, match=r"no picture of the probe set can be read.*the file is empty"):
        audit.survey_probe(folder)


def test_a_planted_association_is_said_in_plain_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    young = rng.random(300) < np.where(np.arange(300) % 2, 0.7, 0.3)
    found = survey(tmp_path, people(300, age_band=lambda k: "0-17" if young[k] else "18+"))
    (tie,) = found.associations

    assert tie.v == pytest.approx(0.4, abs=0.12)
    assert tie.p_adjusted is not None
    assert tie.p_adjusted < 1e-6
    assert "The label gender goes together with age_band" in text(found)
    assert re.search(r"(Women are younger|Men are older) than the others", text(found))


def test_pairs_without_the_label_are_a_sentence_of_their_own(tmp_path: Path) -> None:
    number = np.random.default_rng(0).random(400)
    rows = people(
        400,
        beard=lambda k: "" if k % 10 == 0 else "yes" if number[k] < (0.2 if k % 2 else 0.5) else "no",
        skin=lambda k: "dark" if number[k] > 0.6 else "light",
        light=lambda k: "dim" if number[k] > 0.55 else "bright",
    )
    found = survey(tmp_path, rows)
    own, others = (f for f in survey_findings(found) if f.topic == "Columns that hang together")
    first = found.associations[0].tie
    stated = [row["beard"] for row in rows if row["beard"] and row["gender"] == first.first]
    sizes = [float(v) for line in others.details for v in re.findall(r"V (\d\.\d+)", line)]

    assert own.sentence == "The label gender goes together with beard: a difference by one may be one by the other."
    assert others.sentence == (
        "Other columns go together (skin with light, beard with light and beard with skin): a difference by one may be "
        "one by the other."
    )
    assert re.match("Of the (wo)?men whose beard is stated, ", own.details[0])
    assert first.share == pytest.approx(stated.count(first.second) / len(stated))
    assert (len(own.details), len(sizes)) == (1, 3)
    assert sizes == sorted(sizes, reverse=True)


def test_columns_that_have_nothing_to_do_with_each_other_are_not_said_to_hang_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    skins, hairs = rng.integers(0, 3, 200), rng.integers(0, 2, 200)
    found = survey(tmp_path, people(200, skin=lambda k: "abc"[skins[k]], hair=lambda k: "xy"[hairs[k]]))

    assert len(found.associations) == 3
    assert all(a.p_adjusted is not None and a.p_adjusted > 0.05 for a in found.associations)
    assert "go together" not in text(found)


def test_values_of_few_people_take_no_part_in_an_association(tmp_path: Path) -> None:
    found = survey(tmp_path, people(100, skin=lambda k: "rare" if k < 5 else "ab"[k % 3 % 2]))

    assert found.associations[0].left_out == ("skin = rare",)
    assert found.associations[0].images == 95


def test_dark_pictures_of_one_group_are_noticed(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "set", people(120))
    for k in range(1, 120, 2):
        noise(12, 10, k).point(lambda v: v // 3).save(folder / f"{k:04}.png")
    found = audit.survey_probe(folder)
    gap = found.result.find("brightness").disparity("gender")

    assert (gap.worst, gap.best) == ({"gender": "male"}, {"gender": "female"})
    assert gap.clear
    assert gap.p_adjusted < 0.001
    assert "The pictures themselves differ between the groups of gender" in text(found)


def test_the_power_table_has_the_worst_and_the_best_pair(tmp_path: Path) -> None:
    rows = people(160, skin=lambda k: "rare" if k < 31 else "some" if k < 80 else "many")
    found = [r for r in survey(tmp_path, rows).reaches if r.attribute == "skin" and r.rate == 0.1]
    (reach,) = found

    assert (reach.groups, reach.fewest, reach.most) == (3, 31, 80)
    assert reach.worst == ({"skin": "rare"}, {"skin": "some"})
    assert reach.best == ({"skin": "many"}, {"skin": "some"})
    assert reach.worst_gap > reach.best_gap > 0.15
    assert reach.to_find == 889  # 686 for two groups, times 1.29 for three


def test_several_pictures_a_person_are_shown_with_two_assumptions(tmp_path: Path) -> None:
    rows = [{**row, "path": f"{n}-{row['path']}"} for n in range(3) for row in people(60)]
    found = [r for r in survey(tmp_path, rows).reaches if r.rate == 0.1]

    assert [r.icc for r in found] == [0.0, 0.3]
    assert found[0].worst_gap < found[1].worst_gap


def test_the_page_the_card_and_the_terminal_begin_with_the_same_assumption(tmp_path: Path) -> None:
    rows = [{**row, "path": f"{n}-{row['path']}", "pose": f"pose{n}"} for n in range(3) for row in people(60)]
    found = survey(tmp_path, rows)
    careful = {r.attribute: f"{100 * r.worst_gap:.1f} points" for r in found.reaches if r.rate == 0.1}
    first = power(found).blocks[1]
    (card,) = [f for f in survey_findings(found) if f.topic == "What this set can find"]

    assert "(intraclass correlation 0.3)" in first.caption
    assert "(intraclass correlation 0.3)" in card.details[0]
    assert {row[0].text: row[4].text for row in first.rows} == careful
    assert set(careful) == {"gender", "pose"}  # of each pose everybody has one picture: no assumption is needed there
    assert all(f"{name}: {gap}" in card.details[0] for name, gap in careful.items())


def test_one_group_only(tmp_path: Path) -> None:
    rows = [{**row, "gender": "female"} for row in people(50)]
    found = survey(tmp_path, rows)

    assert (found.reaches, found.associations) == ((), ())
    assert "Nothing can be compared" in text(found)


def test_groups_too_small_to_compare_are_said(tmp_path: Path) -> None:
    found = survey(tmp_path, people(20))

    assert "no column has two groups of at least 30 subjects" in text(found)
    assert "2 groups with fewer than 30 subjects" in text(found)


def test_an_attribute_with_5000_values_is_refused_and_without_being_named_left_aside(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    rows = [{"path": f"{k}.png", "gender": "ab"[k % 2], "code": f"c{k}"} for k in range(5000)]
    write_manifest(folder, rows)
    noise(8, 8).save(folder / "0.png")

    with pytest.raises(UsageError, match="code makes 5,000 groups"):
        audit.survey_probe(folder, groups=("code",))
    assert audit.survey_probe(folder).result.probe["attributes"] == ["gender"]


def test_an_attribute_with_hundreds_of_values_gives_what_can_be_had(tmp_path: Path) -> None:
    rows = people(300, code=lambda k: f"c{k // 2}")
    found = survey(tmp_path, rows, groups=("code",), min_subjects=2)

    assert not [r for r in found.reaches if r.attribute == "code"]
    assert {s.attribute for s in found.result.skipped} == {"code"}
    json.loads(found.to_bytes())


def test_every_number_of_the_file_is_one(tmp_path: Path) -> None:
    found = survey(tmp_path, people(3))
    record = json.loads(found.to_bytes(), parse_constant=pytest.fail)

    assert record["format"] == 1
    assert list(record) == [
        "format", "tool", "notes", "probe", "settings", "crossings", "missing", "unreadable", "conflicts", "copies",
        "associations", "reaches", "measurements", "skipped", "families", "run",
    ]  # fmt: skip


def test_twice_gives_the_same_but_for_the_run(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "set", people())
    one, two = (audit.survey_probe(folder).to_json() for _ in range(2))
    one.pop("run")
    two.pop("run")

    assert one == two


def test_the_command_prints_for_a_terminal_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_probe(tmp_path / "set", people())
    before = sorted(tmp_path.rglob("*"))
    status = main(["probe", str(folder)])
    out, err = capsys.readouterr()

    assert status == 0
    assert out.startswith("Survey of the probe set set\n80 images of 80 subjects")
    assert max(map(len, out.splitlines())) <= 80
    assert "--out DIR" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_a_page_and_a_file_for_their_owner_only(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "set", people())
    status = main(["probe", str(folder), "--out", str(tmp_path / "out"), "-q"])
    files = {p.name: p for p in (tmp_path / "out").iterdir()}

    assert (status, set(files)) == (0, {"probe.json", "probe.html"})
    assert {stat.S_IMODE(p.stat().st_mode) for p in files.values()} == {0o600}
    page = files["probe.html"].read_text()
    assert "<img" not in page
    assert "data:image" not in page.replace("img-src data:", "")
    assert "What to know about this probe set" in page


def test_the_command_says_where_page_and_file_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["probe", str(write_probe(tmp_path / "set", people())), "--out", str(tmp_path / "out")])
    err = capsys.readouterr().err.splitlines()

    assert err == [f"{name}: {tmp_path / 'out' / name}" for name in ("probe.html", "probe.json")]


def test_json_goes_to_standard_output_in_place_of_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["probe", str(write_probe(tmp_path / "set", people())), "--json", "-", "-q"])
    out, err = capsys.readouterr()

    assert json.loads(out)["probe"]["images"] == 80
    assert err == ""


def test_names_from_the_manifest_can_do_no_harm(tmp_path: Path) -> None:
    rows = people(skin=lambda k: "<script>alert(1)</script>" if k % 3 else "\x1b[31mred\u202e")
    folder = write_probe(tmp_path / "set", rows)
    main(["probe", str(folder), "--out", str(tmp_path / "out"), "-q"])

    assert "<script>" not in (tmp_path / "out" / "probe.html").read_text()
    assert not {"\x1b", "\u202e"} & set(reports.survey_text(audit.survey_probe(folder)))


def test_a_folder_that_holds_something_else_needs_force(tmp_path: Path) -> None:
    folder, out = write_probe(tmp_path / "set", people()), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(FolderOccupied, match=r"holds something else \(mine.txt\)"):
        audit.survey_probe(folder, out=out)
    audit.survey_probe(folder, out=out, force=True)

    assert {p.name for p in out.iterdir()} == {"mine.txt", "probe.json"}


def test_the_survey_of_the_same_set_is_written_over_and_of_another_is_not(tmp_path: Path) -> None:
    folder, out = write_probe(tmp_path / "set", people()), tmp_path / "out"
    audit.survey_probe(folder, out=out)
    audit.survey_probe(folder, out=out)
    with pytest.raises(FolderOccupied, match="another probe set"):
        audit.survey_probe(write_probe(tmp_path / "other", people(30)), out=out)


def test_a_slip_of_the_pen_is_status_two_and_a_broken_set_four(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_probe(tmp_path / "set", people())
    empty = tmp_path / "empty"
    empty.mkdir()

    assert main(["probe", str(folder), "--group", "skin"]) == 2
    assert main(["probe", str(tmp_path / "nowhere")]) == 2
    assert main(["probe", str(empty)]) == 4
    assert main(["probe"]) == 2
    assert "no such column to group by" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="unknown setting"):
        audit.survey_probe(folder, grups=("skin",))


def test_a_sample_is_said_to_be_one(tmp_path: Path) -> None:
    found = survey(tmp_path, people(), limit=20)

    assert found.result.probe["images"] == 20
    assert "This is a sample" in text(found)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    survey(tmp_path, people(130), progress=lambda done, total: told.append((done, total)))

    assert told == [(64, 130), (128, 130), (130, 130)]


def test_real_faces_as_a_sceptic_would_check_them() -> None:
    found = audit.survey_probe(shared_data("faces"))
    ties = {(a.first, a.second): a for a in found.associations}

    assert found.result.probe["images"] == 1502
    assert [(m.column, m.images) for m in found.missing] == [("skin_est", 92)]
    assert ties["gender", "race"].v == 0  # the set was balanced on purpose
    assert ties["gender", "race"].p_value > 0.9
    assert ties["race", "skin_est"].p_adjusted < 1e-10
    assert [(c.column, c.several) for c in found.conflicts] == [
        ("gender", 7),  # subjects are found by machine there, and some are two people
        ("race", 4),
        ("age_band", 1),
        ("skin_est", 1),
    ]
    assert found.crossings[0].empty == 0
    gaps = {r.attribute: r.worst_gap for r in found.reaches if r.rate == 0.1 and r.icc == 0}
    assert gaps["gender"] == pytest.approx(0.048, abs=0.001)
    assert gaps["gender*race"] > 0.15
