"""How groups and answers are spoken of. Plain where the record uses plain words, literal where it does not.

An attribute called gender with the values female and male makes "women" and "men"; race makes an adjective, skin, hair
and age have their own turn of phrase; whatever else there is reads `with pose = left`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.result import Attributes, Measurement
from reports._characters import visible

NOT_STATED = "not stated"
_GENDER = frozenset({"gender", "sex"})
_NOUNS = {
    **dict.fromkeys(("female", "f", "woman", "women"), "women"),
    **dict.fromkeys(("male", "m", "man", "men"), "men"),
}
_PEOPLE = frozenset({"race", "ethnicity", "age", "age_band", "age_group", "skin", "skin_tone", "gender", "sex"})
_ADJECTIVES = frozenset({"race", "ethnicity"})
_WITH = {"skin": "skin", "skin_tone": "skin", "hair": "hair", "hair_color": "hair"}
_AGED = frozenset({"age", "age_band", "age_group"})
_VAGUE = frozenset({"other", "others", "unknown", "mixed", "none", "na", "nan", "all"})
_YES, _NO = frozenset({"yes", "true", "with"}), frozenset({"no", "false", "without", "none"})


def is_gender(label: str, classes: Sequence[str]) -> bool:
    """Whether the model tells women from men, so that its mistakes can be said in those words."""
    return label.casefold() in _GENDER and {_NOUNS.get(c.casefold()) for c in classes} == {"women", "men"}


def shown(text: object, most: int = 60) -> str:
    """A name from the record: controls made visible, shortened when very long."""
    line = " ".join(visible(str(text)).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def value_name(value: str | None) -> str:
    return NOT_STATED if value is None else shown(value)


def group_label(attributes: Attributes) -> str:
    """`black · female`, for tables and plots, where the attribute stands in the heading."""
    return " · ".join(value_name(v) for v in attributes.values())


def attribute_title(attribute: str) -> str:
    """`gender × race`."""
    return " × ".join(shown(part) for part in attribute.split("*"))


def group_phrase(attributes: Attributes, label: str = "") -> str:
    """`black women`, `women with dark skin`, `images with pose = left`."""
    noun = "people" if label.casefold() in _GENDER or set(map(str.casefold, attributes)) & _PEOPLE else "images"
    before: list[str] = []
    after: list[str] = []
    for key, value in attributes.items():
        name = key.casefold()
        if name in _GENDER and value is not None and value.casefold() in _NOUNS:
            noun = _NOUNS[value.casefold()]
        elif name in _ADJECTIVES and _plain_word(value):
            before.append(shown(value))
        else:
            after.append(_turn(key, value))
    said = [t.removeprefix("with ") if p.startswith("with ") else t for p, t in zip(["", *after], after, strict=False)]
    return " ".join([*before, noun, *([" and ".join(said)] if said else [])])


def _turn(key: str, value: str | None) -> str:
    name = key.casefold()
    if value is None:
        return f"with {shown(key)} not stated"
    if name in _WITH and _plain_word(value):
        return f"with {shown(value)} {_WITH[name]}"
    if name in _AGED and value[:1].isdigit():
        return f"aged {shown(value)}"
    if name == "glasses" and value.casefold() in _YES | _NO:
        return "with glasses" if value.casefold() in _YES else "without glasses"
    return f"with {shown(key)} = {shown(value)}"


def value_turn(column: str, value: str) -> str:
    """What is said of pictures with this value: `are men`, `are black`, `are aged 30-49`, `have light = dark`."""
    name = column.casefold()
    if name in _GENDER and value.casefold() in _NOUNS:
        return f"are {_NOUNS[value.casefold()]}"
    if name in _ADJECTIVES and _plain_word(value):
        return f"are {shown(value)}"
    if name in _AGED and value[:1].isdigit():
        return f"are aged {shown(value)}"
    return f"have {shown(column)} = {shown(value)}"


def _plain_word(value: str | None) -> bool:
    return value is not None and value.isalpha() and len(value) <= 20 and value.casefold() not in _VAGUE


def mistake(attributes: Attributes, label: str, classes: Sequence[str]) -> str:
    """What is done to the wrongly judged of a group: `called men`, `given the wrong gender`, `labelled wrongly`."""
    if not is_gender(label, classes):
        return "labeled wrongly"
    own = _NOUNS.get((attributes.get(label) or "").casefold())
    return f"called {({'women', 'men'} - {own}).pop()}" if own else f"given the wrong {shown(label)}"


def joined(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def parameters_text(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{shown(k)} = {shown(v, 80)}" for k, v in sorted(parameters.items()))


def measure_title(measurement: Measurement) -> str:
    """The title, with whose it is when it is not the model's own."""
    title = shown(measurement.title)
    return title if measurement.of is None else f"{title} ({shown(measurement.of)})"
