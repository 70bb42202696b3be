"""Which characters can be shown where. The others are named by their code point, never dropped."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from pathlib import Path

# Line ends and tabs have a place in a page; all other controls, and marks that turn the direction of reading, do
# harm in one (they can hide or reorder text). Surrogates come from file names that are not UTF-8.
_NEVER = {"Cc", "Cf", "Cs", "Co", "Cn"}
_ALWAYS = "\n\t"
_JOINERS = "\u200c\u200d\u00ad"  # scripts and emoji need the joiners, hyphenation the soft hyphen


def visible(text: str) -> str:
    """`text` with control, private-use and unassigned characters as `U+0007`: for HTML, Markdown and XML."""
    return _named(text, lambda c: c in _JOINERS or unicodedata.category(c) not in _NEVER)


def drawable(text: str) -> str:
    """`text` with every character that the PDF's own fonts can't draw as `U+65E5`."""
    known = _drawn()
    return _named(text, lambda c: ord(c) in known and unicodedata.category(c) not in _NEVER)


def _named(text: str, keep: Callable[[str], bool]) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _ALWAYS or keep(c) else f"U+{ord(c):04X}" for c in text)


@functools.cache
def _drawn() -> frozenset[int]:
    """Code points of the regular face of the font that stands in for all others in the PDF."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_folder() / "DejaVuSans.ttf")).get_charmap())


@functools.cache
def font_folder() -> Path:
    """Where matplotlib keeps DejaVu Sans: it is on every machine that has this package, and the same everywhere."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"
