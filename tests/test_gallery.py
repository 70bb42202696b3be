"""Which pictures `--faces` shows, and what it never hands on."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
import audit.demo
from audit.cli import main
from audit.errors import ProbeError, UnusableInput, UsageError
from audit.gallery import LONGEST, MOST_FACES, pick, worst_groups
from audit.result import AuditResult
from tests.support.audits import gap, measured, result
from tests.support.pictures import noise
from tests.support.planted import drawn_probe

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"  # how a thumbnail begins, also inside a PDF
CLEAR = gap(0.06, 0.1, 0.14)
UNCLEAR = gap(0.0, 0.1, 0.2)
Row = tuple[str | None, str, str, float]  # subject, skin, decision (all are women), score of the decision


def audited(folder: Path, rows: Sequence[Row], disparity: object = CLEAR) -> AuditResult:
    """A result with a picture and a row for each of these, without a model."""
    folder.mkdir(exist_ok=True)
    items = []
    for number, (subject, skin, decision, score) in enumerate(rows):
        path = folder / f"{number}.png"
        noise(20, 16, number).save(path)
        items.append(
            {
                "path": path.name,
                "image_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "subject": subject,
                "status": "ok",
                "label": "female",
                "decision": decision,
                "score.female": score if decision == "female" else 1 - score,
                "score.male": score if decision == "male" else 1 - score,
                "attribute.gender": "female",
                "attribute.skin": skin,
                "wrong_label_rate": float(decision != "female"),
            }
        )
    table = pd.DataFrame(items)
    return result(measured(disparities=(disparity,)), records=table, run={"probe": str(folder)})  # type: ignore[arg-type]


def scores(found: AuditResult) -> list[float]:
    return [round(f.confidence, 2) for f in found.faces]


def test_the_most_confident_mistakes_of_the_worst_group_one_a_subject(tmp_path: Path) -> None:
    rows = [
        ("ann", "dark", "male", 0.7),
        ("ann", "dark", "male", 0.9),
        ("bea", "dark", "male", 0.8),
        ("bea", "dark", "female", 0.99),  # right
        ("cleo", "light", "male", 0.95),  # not of the worst group
        (None, "dark", "male", 0.6),
        (None, "dark", "male", 0.65),
    ]
    shown = audit.with_faces(audited(tmp_path, rows))

    assert scores(shown) == [0.9, 0.8, 0.65, 0.6]
    assert {(f.label, f.decision, f.attributes["skin"]) for f in shown.faces} == {("female", "male", "dark")}


def test_all_groups_where_no_difference_is_clear(tmp_path: Path) -> None:
    rows = [("ann", "dark", "male", 0.7), ("cleo", "light", "male", 0.95)]
    shown = audit.with_faces(audited(tmp_path, rows, UNCLEAR))

    assert [(f.group, f.attributes["skin"]) for f in shown.faces] == [({}, "light"), ({}, "dark")]


def test_at_most_twelve_a_group(tmp_path: Path) -> None:
    rows: list[Row] = [(f"p{n}", "dark", "male", 0.5 + n / 100) for n in range(20)]
    shown = audit.with_faces(audited(tmp_path, rows))

    assert scores(shown) == [round(0.5 + n / 100, 2) for n in range(19, 19 - MOST_FACES, -1)]


def test_nobody_is_shown_twice_where_groups_overlap(tmp_path: Path) -> None:
    crossed = dataclasses.replace(
        CLEAR, attribute="gender*skin", low=0.3, worst={"gender": "female", "skin": "dark"}, best=None
    )
    rows: list[Row] = [(f"p{n}", "dark", "male", 0.5 + n / 100) for n in range(14)]
    found = audited(tmp_path, rows)
    both = dataclasses.replace(found, measurements=(measured(disparities=(CLEAR, crossed)),))
    shown = audit.with_faces(both)

    assert worst_groups(both) == ({"gender": "female", "skin": "dark"}, {"skin": "dark"})
    assert scores(shown) == [round(0.5 + n / 100, 2) for n in range(13, -1, -1)]
    assert [len(f.group) for f in shown.faces] == [2] * 12 + [1] * 2


def test_a_model_that_errs_about_nobody_has_no_gallery(tmp_path: Path) -> None:
    assert audit.with_faces(audited(tmp_path, [("ann", "dark", "female", 0.9)])).faces == ()


def test_a_picture_changed_since_the_audit_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9), ("bea", "dark", "male", 0.8), ("c", "dark", "male", 0.7)])
    noise(20, 16, 99).save(tmp_path / "0.png")
    (tmp_path / "1.png").unlink()
    shown = audit.with_faces(found).faces

    assert [(f.jpeg is None, f.left_out) for f in shown] == [
        (True, "the file is not the one that was audited"),
        (True, "there is no such file"),
        (False, ""),
    ]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "link.png", "a/../../secret.png"])
def test_a_path_outside_the_probe_folder_is_refused(tmp_path: Path, path: str) -> None:
    found = audited(tmp_path / "faces", [("ann", "dark", "male", 0.9)])
    noise(20, 16).save(tmp_path / "secret.png")
    (tmp_path / "faces" / "link.png").symlink_to(tmp_path / "secret.png")
    table = found.items.assign(
        path=path, image_sha256=hashlib.sha256((tmp_path / "secret.png").read_bytes()).hexdigest()
    )

    with pytest.raises(ProbeError, match="the path of an image leaves the probe folder"):
        audit.with_faces(dataclasses.replace(found, records=table))


def test_a_pipe_in_a_pictures_place_is_left_out(tmp_path: Path) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9)])
    (tmp_path / "0.png").unlink()
    os.mkfifo(tmp_path / "0.png")

    assert audit.with_faces(found).faces[0].left_out == "this is not a file"


def test_thumbnails_are_small_upright_and_hold_nothing_but_pixels(tmp_path: Path) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9)])
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "her name"  # turned by a quarter; a description
    left_dark = Image.fromarray(np.hstack([np.zeros((300, 250), np.uint8), np.full((300, 250), 255, np.uint8)]))
    left_dark.convert("RGB").save(tmp_path / "0.png", "JPEG", exif=exif, comment="her name")
    table = found.items.assign(image_sha256=hashlib.sha256((tmp_path / "0.png").read_bytes()).hexdigest())
    (face,) = audit.with_faces(dataclasses.replace(found, records=table)).faces
    with Image.open(io.BytesIO(face.jpeg or b"")) as small:
        pixels = np.asarray(small.convert("L"))
        held = (small.format, small.size, len(small.getexif()), small.info.get("comment"))

    assert held == ("JPEG", (round(LONGEST * 300 / 500), LONGEST), 0, None)
    assert (pixels[:50].mean() < 10, pixels[-50:].mean() > 245) == (True, True)
    assert b"her name" not in (face.jpeg or b"")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA"])
def test_every_mode_of_picture_becomes_a_thumbnail(tmp_path: Path, mode: str) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9)])
    noise(20, 16).convert(mode).save(tmp_path / "0.png")
    table = found.items.assign(image_sha256=hashlib.sha256((tmp_path / "0.png").read_bytes()).hexdigest())
    (face,) = audit.with_faces(dataclasses.replace(found, records=table)).faces

    assert face.jpeg is not None
    assert face.jpeg[:2] == b"\xff\xd8"


def test_a_probe_folder_that_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    found = audited(tmp_path / "faces", [("ann", "dark", "male", 0.9)])
    shutil.move(tmp_path / "faces", tmp_path / "moved")

    with pytest.raises(UsageError, match=r"--faces: the probe folder is not there.*got '.*faces'\. Put it back"):
        audit.with_faces(found)
    assert scores(audit.with_faces(found, tmp_path / "moved")) == [0.9]


def test_a_result_without_its_table_or_with_a_broken_one_is_said(tmp_path: Path) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9)])
    (tmp_path / "records.parquet").write_bytes(b"no table")

    with pytest.raises(UsageError, match="without its per-item table"):
        pick(dataclasses.replace(found, records=None), tmp_path)
    with pytest.raises(UnusableInput, match=r"records\.parquet: the per-item table can't be read"):
        pick(dataclasses.replace(found, records=tmp_path / "records.parquet"), tmp_path)
    with pytest.raises(UnusableInput, match="the per-item table lacks path, decision"):
        pick(dataclasses.replace(found, records=found.items.drop(columns=["path", "decision"])), tmp_path)


def test_faces_stand_in_no_record(tmp_path: Path) -> None:
    found = audited(tmp_path, [("ann", "dark", "male", 0.9)])
    shown = audit.with_faces(found)

    assert (shown.to_bytes(), "jpeg" in repr(shown)) == (found.to_bytes(), False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn faces and what a run without `--faces` leaves in `out`."""
    folder = tmp_path_factory.mktemp("ran")
    drawn_probe(folder / "faces", subjects=48, pictures=2, seed=3)
    for name in ("model.onnx", "model.onnx.toml"):
        shutil.copy(Path(audit.demo.__file__).parent / name, folder / name)
    status = main(
        ["-q", "run", str(folder / "model.onnx"), "--probe", str(folder / "faces"), "--out", str(folder / "out")]
    )
    assert status == 0
    return folder


def left(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_no_face_in_any_file_of_a_run_unless_asked_for(ran: Path) -> None:
    files = left(ran / "out")

    assert (b"data:image/jpeg" in files["report.html"], b"<img" in files["report.html"]) == (False, False)
    assert not [name for name, data in files.items() if JPEG in data]


def test_report_shows_and_takes_away_again(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = left(ran / "out")
    shown_status = main(["report", str(ran / "out"), "--faces", "-q"])
    shown = left(ran / "out")
    gone_status = main(["report", str(ran / "out"), "-q"])
    after = left(ran / "out")

    assert (shown_status, gone_status, capsys.readouterr().err) == (0, 0, "")
    assert after == before
    assert {name for name in before if before[name] != shown[name]} == {"report.html", "report.pdf"}
    assert shown["report.html"].count(b"data:image/jpeg;base64,") > 0


def test_a_run_shows_the_most_confident_mistakes_of_its_table(ran: Path) -> None:
    found = audit.with_faces(audit.read_run(ran / "out"))
    items = found.items
    group = worst_groups(found)[0] if worst_groups(found) else {}
    inside = items[items["decision"] != items["label"]]
    for name, value in group.items():
        inside = inside[inside[f"attribute.{name}"] == value]
    by_hand: dict[str, float] = {}
    for row in inside.to_dict("records"):
        by_hand[row["subject"]] = max(by_hand.get(row["subject"], 0.0), row[f"score.{row['decision']}"])
    expected = sorted(by_hand.values(), reverse=True)[:MOST_FACES]

    assert expected
    assert [f.confidence for f in found.faces if f.group == group] == expected


def test_a_probe_folder_that_is_gone_ends_in_one_line_and_status_2(
    ran: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(ran / "faces", ran / "elsewhere")
    before = left(ran / "out")
    status = main(["report", str(ran / "out"), "--faces"])
    shutil.move(ran / "elsewhere", ran / "faces")
    said = capsys.readouterr().err

    assert (status, said.count("\n"), "--faces: the probe folder is not there" in said) == (2, 1, True)
    assert left(ran / "out") == before


def test_an_audit_can_be_asked_for_faces_at_once(ran: Path) -> None:
    shutil.copytree(ran / "faces", ran / "again")
    words = ["-q", "run", ran / "model.onnx", "--probe", ran / "again", "--out", ran / "out2", "--faces"]
    status = main([str(word) for word in (*words, "--formats", "html,md,json")])
    files = left(ran / "out2")

    assert (status, b"data:image/jpeg" in files["report.html"]) == (0, True)
    assert not [n for n, data in files.items() if n != "report.html" and (b"base64" in data or JPEG in data)]


def test_nothing_to_show_is_said(
    ran: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("audit.gallery.pick", lambda *_: ())
    main(["report", str(ran / "out"), "--faces", "--formats", "md"])

    assert "No picture was misjudged, so --faces has none to show." in capsys.readouterr().err
