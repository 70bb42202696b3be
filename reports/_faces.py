"""Misjudged pictures, where somebody asked for them: the only place where a report shows people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from audit.result import Attributes, Estimate, Face
from reports import _numbers as numbers
from reports._document import Block, Callout, Gallery, Photo, Section, Text
from reports._reading import Reading, group
from reports._wording import attribute_title, capital, group_phrase, measure_title, shown, value_name

MOST_LINES = 5  # attributes beneath a picture

_LEGEND = (
    "Beneath each picture: its label → what the model said{sure}, and what the probe set states about the picture."
)


def faces(reading: Reading) -> Section | None:
    """A gallery a group, under a word on what this makes of the file. None unless the result was given pictures."""
    albums: dict[tuple[tuple[str, str | None], ...], list[Face]] = {}
    for face in reading.result.faces:
        albums.setdefault(tuple(face.group.items()), []).append(face)
    if not albums:
        return None
    galleries = [
        Section(id=f"faces-{place}", title=_whose(reading, dict(key)), blocks=tuple(_blocks(reading, dict(key), album)))
        for place, (key, album) in enumerate(albums.items(), 1)
    ]
    shows = any(face.jpeg is not None for face in reading.result.faces)
    return Section(
        id="faces",
        title="Misjudged pictures",
        blocks=(_warning(reading), Text(_legend(reading))) if shows else (),
        sections=tuple(galleries),
    )


def _has_confidence(reading: Reading) -> bool:
    return any(face.confidence is not None for face in reading.result.faces)


def _legend(reading: Reading) -> str:
    return _LEGEND.format(sure=", the model's confidence in that" if _has_confidence(reading) else "")


def _warning(reading: Reading) -> Callout:
    folder = PurePath(str(reading.result.run.get("probe") or "")).name
    named = f"the probe set “{shown(folder)}”" if folder else "the probe set"
    return Callout(
        title="Personal data",
        items=(
            f"These are pictures of people from {named} whom this model misjudged; --faces asked for them.",
            "Handle this file as personal data: keep and share it only as far as the probe set's terms and law allow.",
        ),
    )


def _blocks(reading: Reading, attributes: Attributes, album: Sequence[Face]) -> Iterator[Block]:
    seen = [face for face in album if face.jpeg is not None]
    first = reading.result.faces[0].group == attributes
    others = "" if first else "; nobody is shown twice"
    order = "the most confident first" if _has_confidence(reading) else "in the order of their names"
    yield Text(
        f"{_how_many(reading, attributes, len(album))}, {order}, one picture a subject{others}.",
        role="small",
    )
    if seen:
        photos = [_photo(reading, face, place) for place, face in enumerate(seen, 1)]
        yield Gallery(photos=tuple(photos))
    for reason, count in Counter(face.left_out for face in album if face.jpeg is None).items():
        yield Text(f"Left out: {numbers.plural(count, 'picture')}, because {shown(reason, 200)}.", role="small")


def _how_many(reading: Reading, attributes: Attributes, picked: int) -> str:
    """`12 of the 35 wrong answers (Wrong-gender rate 19.4 %)`."""
    errors = reading.errors
    estimate: Estimate | None = None
    if errors is not None:
        estimate = group(errors, attributes) if attributes else errors.overall
    if errors is None or estimate is None or estimate.value is None:
        return capital(numbers.plural(picked, "wrong answer"))
    rate = f"{measure_title(errors)} {numbers.number(estimate.value, errors.unit)}"
    return f"{picked:,} of {numbers.plural(round(estimate.value * estimate.n), 'wrong answer')} ({rate})"


def _whose(reading: Reading, attributes: Attributes) -> str:
    return capital(group_phrase(attributes, reading.label)) if attributes else "All groups"


def _photo(reading: Reading, face: Face, place: int) -> Photo:
    """`female → male`, how sure the model was, and what the probe set says of the person."""
    sure = [] if face.confidence is None else [numbers.percent(face.confidence)]
    stated = [f"{attribute_title(k)}: {value_name(v)}" for k, v in _stated(reading, face)]
    lines = [*stated[:MOST_LINES], *([f"and {len(stated) - MOST_LINES} more"] if len(stated) > MOST_LINES else [])]
    label, decision = value_name(face.label), value_name(face.decision)
    told = f"{' with confidence ' + sure[0] if sure else ''}{'; ' + ', '.join(lines) if lines else ''}"
    return Photo(
        jpeg=face.jpeg or b"",
        alt=f"Misjudged picture {place}: labeled {label}, taken for {decision}{told}.",
        title=f"{label} → {decision}",
        lines=(*sure, *lines),
    )


def _stated(reading: Reading, face: Face) -> list[tuple[str, str | None]]:
    """Attributes but for the label, those of the gallery's group first."""
    first = {k: v for k, v in face.attributes.items() if k in face.group}
    return [(k, v) for k, v in {**first, **face.attributes}.items() if k != reading.label]
