"""What the reports make of the pictures they are given, and that without any nothing is different."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import shutil
import subprocess
from pathlib import Path

import pytest

import reports
from audit.gallery import worst_groups
from audit.result import AuditResult, Face
from reports._document import Gallery
from reports._findings import findings
from reports._reading import Reading
from reports._view import view
from tests.reports.test_html import Page
from tests.support import results
from tests.support.pictures import noise

BLACK_WOMEN = {"gender": "female", "race": "black"}


@functools.cache
def jpeg(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    noise(90, 112, seed).save(stream, "JPEG")
    return stream.getvalue()


def face(seed: int = 0, **more: object) -> Face:
    fields = {
        "group": BLACK_WOMEN, "attributes": {"gender": "female", "race": "black", "light": None}, "label": "female",
        "decision": "male", "confidence": 0.9731, "jpeg": jpeg(seed),
    }  # fmt: skip
    return Face(**{**fields, **more})  # type: ignore[arg-type]


def with_faces(*faces: Face, base: AuditResult | None = None) -> AuditResult:
    return dataclasses.replace(base or results.faces(), faces=faces)


def page(result: AuditResult) -> str:
    return reports.render(result, None, "html").decode()


def test_without_pictures_there_is_no_section_no_style_and_no_image() -> None:
    text = page(results.faces())

    assert ("gallery" in text, "<img" in text, "Misjudged pictures" in text) == (False, False, False)


def test_every_picture_is_inside_the_page_with_words_for_it() -> None:
    images = Page(page(with_faces(face(1), face(2)))).every("img")
    sources = [base64.b64decode((i["src"] or "").removeprefix("data:image/jpeg;base64,")) for i in images]

    assert sources == [jpeg(1), jpeg(2)]
    assert images[0]["alt"] == (
        "Misjudged picture 1: labeled female, taken for male with confidence 97.3\u00a0%; race: black, "
        "light: not stated."
    )


def test_the_caption_says_label_decision_confidence_and_attributes() -> None:
    text = page(with_faces(face()))

    assert (
        "<figcaption><strong>female → male</strong><br>97.3\u00a0%<br>race: black<br>light: not stated</figcaption>"
        in text
    )


def test_whose_pictures_they_are_and_how_to_handle_the_file_stands_above_them() -> None:
    result = with_faces(face())
    named = dataclasses.replace(result, run={**result.run, "probe": "photos/staff"})
    section = next(s for s in view(named, None).sections if s.id == "faces")
    (warning, _) = section.blocks

    assert warning.items == (  # type: ignore[union-attr]
        "These are pictures of people from the probe set “staff” whom this model misjudged; --faces asked for them.",
        "Handle this file as personal data: keep and share it only as far as the probe set's terms and law allow.",
    )


def test_the_gallery_counts_the_wrong_answers_it_is_drawn_from() -> None:
    section = next(s for s in view(with_faces(face(1), face(2)), None).sections if s.id == "faces")
    (album,) = section.sections

    assert (album.title, album.blocks[0].text) == (  # type: ignore[union-attr]
        "Black women",
        "2 of 35 wrong answers (Wrong-gender rate 19.4\u00a0%), the most confident first, one picture a subject.",
    )


def test_pictures_of_all_groups_are_called_that() -> None:
    section = next(s for s in view(with_faces(face(group={})), None).sections if s.id == "faces")

    assert section.sections[0].title == "All groups"


def test_what_is_left_out_is_counted_by_reason() -> None:
    gone = [face(jpeg=None, left_out=why) for why in ("there is no such file", "it changed", "it changed")]
    section = next(s for s in view(with_faces(*gone), None).sections if s.id == "faces")
    said = [b.text for b in section.sections[0].blocks[1:]]  # type: ignore[union-attr]

    assert said == [
        "Left out: 1 picture, because there is no such file.",
        "Left out: 2 pictures, because it changed.",
    ]
    assert section.blocks == ()


def test_many_attributes_are_cut_those_of_the_group_first() -> None:
    many = {**{f"a{n}": "x" for n in range(9)}, "gender": "female", "race": "black"}
    section = next(s for s in view(with_faces(face(attributes=many)), None).sections if s.id == "faces")
    gallery = next(b for b in section.sections[0].blocks if isinstance(b, Gallery))

    assert gallery.photos[0].lines[1:] == ("race: black", "a0: x", "a1: x", "a2: x", "a3: x", "and 5 more")


def hostile() -> AuditResult:
    names = dict.fromkeys(results.HOSTILE, results.HOSTILE[0])
    evil = face(
        group={},
        attributes={**names, '"><img src=x onerror=alert(1)>': results.HOSTILE[2]},
        label='"><script>alert(1)</script>',
        decision=results.HOSTILE[4],
    )
    left_out = face(group={}, jpeg=None, left_out="<script>alert(2)</script>")
    return with_faces(evil, left_out, base=results.hostile())


def test_names_in_captions_and_alternative_text_are_text() -> None:
    text = page(hostile())
    found = Page(text)

    assert ("<script" in text, len(found.every("img")), found.wrong, found.open) == (False, 1, [], [])
    assert set(found.every("img")[0]) == {"src", "alt"}


def test_hostile_captions_can_be_set_in_the_pdf() -> None:
    data = reports.render(hostile(), None, "pdf")

    assert (data[:5], b"pdfuaid" in data) == (b"%PDF-", True)


def test_the_pdf_holds_the_pictures_and_stays_tagged(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(reports.render(with_faces(face(1), face(2)), None, "pdf"))
    plain = reports.render(results.faces(), None, "pdf")
    images = [data.count(b"/Subtype/Image") + data.count(b"/Subtype /Image") for data in (plain, path.read_bytes())]
    program = shutil.which("pdfinfo") or pytest.skip("pdfinfo (poppler-utils) is not installed")
    told = subprocess.run([program, path], capture_output=True, check=True, text=True).stdout

    assert images[1] - images[0] == 2
    assert "Tagged:          yes" in told


def test_two_renderings_are_the_same_bytes() -> None:
    result = with_faces(face(1))

    assert [reports.render(result, None, f) for f in ("html", "pdf")] == [
        reports.render(result, None, f) for f in ("html", "pdf")
    ]


@pytest.mark.parametrize("form", ["md", "json", "junit"])
def test_other_formats_are_the_same_with_and_without(form: str) -> None:
    assert reports.render(with_faces(face()), None, form) == reports.render(results.faces(), None, form)


def test_headings_and_ids_hold_with_a_gallery() -> None:
    found = Page(page(with_faces(face(1), face(2, group={"race": "black"}))))
    ids = [a["id"] for _, a in found.tags if "id" in a]

    assert (found.wrong, found.open, len(ids)) == ([], [], len(set(ids)))


def test_galleries_are_of_the_groups_that_the_findings_name() -> None:
    result = results.faces()
    said = [f.sentence for f in findings(Reading(result)) if f.level == "clear" and "wrong" in f.topic.lower()]

    assert worst_groups(result) == (BLACK_WOMEN,)
    assert [s.startswith("Of the black women") for s in said] == [True]
