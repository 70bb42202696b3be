"""How numbers are printed. A finding is never rounded away: "0" and "100" stand only where they are exact."""

from __future__ import annotations

import math
from collections.abc import Mapping

PERCENT = "\u00a0%"  # a no-break space: the sign stays with its number
MINUS = "\u2212"
_UNITS = {"px": "\u00a0px", "bits": "\u00a0bits", "logits": "\u00a0logits"}
_LARGEST_RATIO = 1000  # of an interval that a group of next to nothing leaves open
_SHARES = frozenset({"proportion", "share"})


def number(value: float | None, unit: str) -> str:
    """A value of a measure: percent with one decimal for proportions and shares, else as the unit asks."""
    if value is None:
        return "–"
    if unit in _SHARES:
        return percent(value)
    if unit == "ratio":
        return ratio(value)
    return significant(value) + _UNITS.get(unit, "")


def interval(low: float | None, high: float | None, unit: str) -> str:
    """`3.1 to 8.0 %`, or "" where there is no interval."""
    if low is None or high is None:
        return ""
    shown = number(low, unit), number(high, unit)
    for tail in (PERCENT, *_UNITS.values()):
        if shown[0].endswith(tail) and shown[1].endswith(tail):
            return f"{shown[0].removesuffix(tail)} to {shown[1]}"
    return f"{shown[0]} to {shown[1]}"


def percent(value: float) -> str:
    return _kept(value * 100, 1, exact=(0.0, 100.0)) + PERCENT


def points(value: float | None) -> str:
    """A difference of two percentages, without its unit."""
    return "–" if value is None else _kept(value * 100, 1, exact=(0.0, 100.0))


def ratio(value: float | None) -> str:
    """Two decimals, three where two would say 0 or 1; of what is beyond a thousand times only that."""
    if value is None:
        return "–"
    if value > _LARGEST_RATIO:
        return f">\u2009{_LARGEST_RATIO:,}"
    if f"{value:.2f}" in ("0.00", "1.00"):
        return _kept(value, 3, exact=(0.0, 1.0))
    return f"{value:.2f}"


def significant(value: float, digits: int = 3) -> str:
    """Three significant digits, and all the digits of a large whole part; no exponent between 1e-4 and 1e6."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        text = f"{size:,.0f}" if size < 1e9 else f"{size:.{digits - 1}e}"
    elif size >= 1e-4:
        text = f"{size:#.{digits}g}" if size < 1 else f"{size:.{digits - len(str(int(size)))}f}"
    else:
        text = f"{size:.{digits - 1}e}"
    return (MINUS if value < 0 else "") + text


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def p(value: float | None) -> str:
    """A p value: four decimals where it matters, two where it doesn't; never rounded to 0 or to 1."""
    if value is None:
        return "–"
    if value < 1e-4:
        return "<\u20090.0001"
    return f"{value:.4f}" if value < 0.1 else _kept(value, 2, exact=(1.0,))


def difference(value: float | None, low: float | None, high: float | None, unit: str) -> tuple[str, str]:
    """A difference between two groups and its interval, in percentage points where the unit is a percentage."""
    if unit in _SHARES:
        shown = f"{points(value)} points" if value is not None else "–"
        return shown, "" if low is None or high is None else f"{points(low)} to {points(high)}"
    return number(value, unit), interval(low, high, unit)


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,502 images`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def level(settings: Mapping[str, object]) -> str:
    """`95 %`, from the record's alpha."""
    alpha = settings.get("alpha", 0.05)
    share = 100 * (1 - float(alpha)) if isinstance(alpha, int | float) else 95.0
    return f"{share:.4g}{PERCENT}"


def in_hundred(*shares: float) -> tuple[str, ...]:
    """Shares as people say them, `19 in 100`, on one scale; a finer one where a hundred would show different
    shares as the same number, or as nothing."""
    for base in (100, 1_000, 10_000):
        shown = tuple(_of(share, base) for share in shares)
        if len(set(shown)) == len(set(shares)):
            return shown
    return shown


def _of(share: float, base: int) -> str:
    if share == 0:
        return "none"
    if share == 1:
        return "all"
    nearest = math.floor(share * base + 0.5)  # round() would make 12.5 a 12 and 7.5 an 8
    if nearest == 0:
        return f"fewer than 1 in {base:,}"
    if nearest == base:
        return f"more than {base - 1:,} in {base:,}"
    return f"{nearest:,} in {base:,}"


def _kept(value: float, decimals: int, exact: tuple[float, ...]) -> str:
    """Rounded, but never to one of the `exact` values unless it is that value."""
    size, step = abs(value), 10**-decimals
    sign = MINUS if value < 0 else ""
    rounded = float(f"{size:.{decimals}f}")
    if rounded not in exact:
        return f"{sign}{rounded:.{decimals}f}"
    if size == rounded:
        return f"{sign if size else ''}{rounded:g}"
    if size > rounded:  # just above: under the next step
        return f"{sign}<\u2009{rounded + step:.{decimals}f}" if rounded == 0 else f"{sign}>\u2009{rounded:g}"
    return f"{sign}>\u2009{rounded - step:.{decimals}f}"
