"""How to read a report and how its figures are made: one text, `templates/how_to_read.md`, for the report and the docs.

The page in the docs has a picture beside most topics; the report has the one of pass, fail and inconclusive.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator

from reports import _figures as figures
from reports._document import Block, Picture, Section, Text
from reports._reading import Reading
from reports._templates import template_folder

ID = "reading"
LINK = Text(
    "How to read this report: what an interval means, why people are counted and not pictures, why p stands twice, and "
    "why a verdict can be inconclusive.",
    role="small",
    to=ID,
)
PAGE = "docs/how_to_read.md"
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<file>[^)]*)\)")


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """A heading and what stands below it: paragraphs and images, as Markdown."""

    title: str
    parts: tuple[str, ...]


def how_to_read(reading: Reading) -> Section:
    """The topics for a reader without statistics."""
    topics = _topics(_filled(reading.level, reading.alpha, reading.fewest))[0]
    where = Text(f"The same with more pictures is {PAGE} in the source of bias-audit.", role="small")
    return Section(id=ID, title="How to read this report", blocks=(where,), sections=tuple(_sections(topics, ID)))


def statistics(reading: Reading) -> Section:
    """How the figures are made, with the names of the methods."""
    topics = _topics(_filled(reading.level, reading.alpha, reading.fewest))[1]
    return Section(id="statistics", title="Statistics", sections=tuple(_sections(topics, "statistics")))


def page() -> str:
    """The page in the docs: the whole text at the usual settings, with every picture."""
    return _filled("95 %", 0.05, 30)


def verdicts_picture(alt: str) -> Picture:
    """Three differences of made-up size against a bound of 5 points."""
    title = "Three intervals and a bound"
    rows = [
        figures.Dot(label="pass", value=2.1, low=0.6, high=3.9, text="2.1"),
        figures.Dot(label="inconclusive", value=4.5, low=1.5, high=8.2, text="4.5"),
        figures.Dot(label="fail", value=9.0, low=6.1, high=11.9, text="9.0"),
    ]
    svg = figures.dots(
        figures.Named(name="verdicts", title=title, alt=alt),
        rows,
        percent=False,
        overall=5.0,
        unit="largest minus smallest group, in points",
        mark="bound",
    )
    caption = f"{title}: the dot is the value found, the line its interval. An example, not a figure of this audit."
    return Picture(name="verdicts", caption=caption, alt=alt, svg=svg)


def _filled(level: str, alpha: float, fewest: int) -> str:
    text = _source()
    values = {"level": level, "held": f"{100 * (1 - alpha):g}", "missed": f"{100 * alpha:g}", "alpha": f"{alpha:g}"}
    for name, value in {**values, "fewest": str(fewest)}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@functools.cache
def _source() -> str:
    return (template_folder() / "how_to_read.md").read_text(encoding="utf-8")


def _topics(text: str) -> list[tuple[Topic, ...]]:
    """The topics (`##`) of each part (`#`)."""
    parts = re.split(r"^# .*\n", text, flags=re.MULTILINE)[1:]
    return [tuple(map(_topic, re.split(r"^## ", part, flags=re.MULTILINE)[1:])) for part in parts]


def _topic(text: str) -> Topic:
    title, *parts = text.strip().split("\n\n")
    return Topic(title, tuple(parts))


def _sections(topics: tuple[Topic, ...], name: str) -> Iterator[Section]:
    for place, topic in enumerate(topics, 1):
        yield Section(id=f"{name}-{place}", title=topic.title, blocks=tuple(_blocks(topic)))


def _blocks(topic: Topic) -> Iterator[Block]:
    for part in topic.parts:
        image = _IMAGE.fullmatch(part)
        if image is None:
            yield Text(part.replace("`", ""))
        elif image["file"].endswith("verdicts.svg"):
            yield verdicts_picture(image["alt"])
