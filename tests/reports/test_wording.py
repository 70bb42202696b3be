from __future__ import annotations

from collections.abc import Mapping

import pytest

from reports._characters import drawable, visible
from reports._wording import attribute_title, group_phrase, mistake


@pytest.mark.parametrize(
    ("attributes", "phrase"),
    [
        ({"gender": "female", "race": "black"}, "black women"),
        ({"race": "asian"}, "asian people"),
        ({"race": "other", "gender": "male"}, "men with race = other"),
        ({"skin": "dark", "gender": "female"}, "women with dark skin"),
        ({"age_band": "0-14"}, "people aged 0-14"),
        ({"gender": "male", "glasses": "yes", "age": "60+"}, "men with glasses and aged 60+"),
        ({"race": None}, "people with race not stated"),
        ({"pose": "left"}, "images with pose = left"),
        ({"color": "red", "shape": "round"}, "images with color = red and shape = round"),
    ],
)
def test_groups_are_named_in_plain_words(attributes: Mapping[str, str | None], phrase: str) -> None:
    assert group_phrase(attributes) == phrase


def test_a_mistake_about_a_woman_is_called_what_it_is() -> None:
    classes = ("female", "male")
    said = [mistake(a, "gender", classes) for a in ({"gender": "female"}, {"gender": "male"}, {"race": "black"})]

    assert said == ["called men", "called women", "given the wrong gender"]


def test_other_labels_are_labeled_wrongly() -> None:
    assert mistake({"color": "red"}, "digit", tuple("0123456789")) == "labeled wrongly"


def test_a_third_gender_class_falls_back_to_plain_wording() -> None:
    assert mistake({"gender": "female"}, "gender", ("female", "male", "other")) == "labeled wrongly"


def test_an_intersection_is_written_with_a_cross() -> None:
    assert attribute_title("gender*race") == "gender × race"


def test_control_characters_are_named_and_chinese_is_kept_on_a_page() -> None:
    assert visible("日\x07\u202e\udcff\n") == "日U+0007U+202EU+DCFF\n"


def test_what_the_pdf_fonts_lack_is_named_by_code_point() -> None:
    assert drawable("Zoë Łuk 日\x07") == "Zoë Łuk U+65E5U+0007"
