"""Matplotlib's SVG made fit for a page: no style attributes (a strict Content-Security-Policy blocks them), colors of
text and axes that follow the page (dark mode), ids that are unique in the document, words for a screen reader."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from reports._characters import drawable

INK = "#010203"  # what is drawn in this color takes the page's own text color
FAINT = "#010204"  # the same, weaker: grid lines

_NAMESPACE = re.compile(r"^\{.*\}")
_URL = re.compile(r"^url\(#([^)]+)\)$")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_NO_TURN = re.compile(r"^rotate\(-?0 ")
_FONT = frozenset({"font-family", "font-style", "font-variant", "font-stretch"})  # the root's font is everybody's


def clean(svg: str, *, name: str, title: str, alt: str, words: Mapping[str, str]) -> str:
    """One `<svg>` element for the page.

    Args:
        svg: what matplotlib wrote.
        name: prefix of every id.
        title: short name for a screen reader.
        alt: what the drawing shows, in words.
        words: stand-ins that were drawn in place of text that matplotlib's font lacks, and the true text.
    """
    root = ET.fromstring(svg)  # noqa: S314  our own drawing, made a moment ago
    _drop(root, {"metadata", "style"})
    used = {target for e in root.iter() for k, v in e.attrib.items() if (target := _target(_NAMESPACE.sub("", k), v))}
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.attrib = _attributes(element, name, used)
        text = (element.text or "").strip()
        element.text, element.tail = words.get(text, text) or None, None
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "fill": "currentColor",
        "font-family": "DejaVu Sans, sans-serif",
        "stroke-linejoin": "round",
    }
    for place, (tag, said) in enumerate({"title": title, "desc": alt}.items()):
        element = ET.Element(tag, {"id": f"{name}-{tag}"})
        element.text = said
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")


def drawable_texts(svg: str, most: int = 26) -> str:
    """The same drawing for the PDF: characters its fonts lack named by code point, and the longer text cut to fit."""

    def fit(found: re.Match[str]) -> str:
        text = html.unescape(found[1])
        named = drawable(text)
        if named != text and len(named) > most:
            named = f"{named[: most - 1]}…"
        return f">{html.escape(named, quote=False)}</text>"

    return drawable(re.sub(r">([^<>]*)</text>", fit, svg))


def _drop(root: ET.Element, names: set[str]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _NAMESPACE.sub("", child.tag) in names:
                parent.remove(child)


def _target(key: str, value: str) -> str | None:
    """The id that an attribute points at, if it points."""
    if key == "href" and value.startswith("#"):
        return value[1:]
    found = _URL.match(value)
    return found[1] if found else None


def _attributes(element: ET.Element, name: str, used: set[str]) -> dict[str, str]:
    """Style declarations as presentation attributes; ids and links prefixed, unused ids dropped."""
    plain = {_NAMESPACE.sub("", k): v for k, v in element.attrib.items() if k != "style"}
    for declaration in filter(None, element.get("style", "").split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        plain[key] = value
    kept: dict[str, str] = {}
    for key, value in plain.items():
        if key in _FONT or (key == "id" and value not in used) or (key == "transform" and _NO_TURN.match(value)):
            continue
        if key == "id":
            kept[key] = f"{name}-{value}"
        elif _target(key, value):
            kept[key] = value.replace("#", f"#{name}-")
        elif value in (INK, FAINT):
            kept[key] = "currentColor"
            if value == FAINT:
                kept[f"{key}-opacity"] = "0.22"
        elif key in ("d", "transform", "x", "y", "width", "height", "viewBox"):
            kept[key] = _LONG.sub(lambda m: f"{float(m[0]):.2f}", " ".join(value.split()))
        else:
            kept[key] = value
    return kept
