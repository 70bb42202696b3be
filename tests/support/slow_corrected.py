"""Corrected rates written again, slowly: plain loops over one measure, plain bisection for the limits.

It shares no line with `audit.statistics`; the group's own interval and the correlation are those of `slow_statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.slow_statistics import _Group, _root, range_quantile, t_quantile

Rows = Sequence[tuple[float, str, object]]  # value (NaN: does not count), group, subject


@dataclass
class SlowCorrected:
    value: dict[str, float]
    limits: dict[str, tuple[float, float]]
    difference: tuple[float, float, float]


class _One:
    """One group: three rates, and what they leave possible."""

    def __init__(self, name: str, rows: tuple[Rows, Rows, Rows]) -> None:
        self.parts = [
            _Group(name, [v for v, _, _ in part], [g for _, g, _ in part], [s for _, _, s in part]) for part in rows
        ]
        self.o, self.a, self.b = self.parts
        self.t = min(1.0, max(0.0, (self.o.M - self.a.M) / (1 - self.a.M - self.b.M)))
        self.K = min(p.K for p in self.parts)
        self.r = 0.0
        if self.o.V * self.a.V > 0:
            both = set(self.o.n) & set(self.a.n)
            self.r = sum(self.o.h[s] * self.a.h[s] for s in both) / math.sqrt(self.o.V * self.a.V)
            if self.r > 0 and min(self.o.events, self.a.events) < 6:
                self.r = 0.0
        gain = 1 - self.a.M - self.b.M
        self.h: dict[object, float] = {}
        for part, share in ((self.o, 1.0), (self.a, -(1 - self.t)), (self.b, self.t)):
            for s in part.n:
                self.h[s] = self.h.get(s, 0.0) + share / gain * part.h[s]
        self.V = sum(h * h for h in self.h.values())
        self.events = min(self.o.events, self.a.events)

    def limits(self, critical: Callable[[Any], float]) -> tuple[float, float]:
        (lo, uo), (la, ua), (lb, ub) = (p.limits(critical(p)) for p in self.parts)
        o, a, b = (p.M for p in self.parts)
        if ua + ub >= 1:
            return 0.0, 1.0

        def below(t: float) -> float:  # L(t): t is possible where this is at most 0
            return o - (1 - t) * a + t * b - t - math.hypot(_root(o - lo, (1 - t) * (ua - a), self.r), t * (b - lb))

        def above(t: float) -> float:  # U(t): possible where at least 0
            return o - (1 - t) * a + t * b - t + math.hypot(_root(uo - o, (1 - t) * (a - la), self.r), t * (ub - b))

        return (
            self.t if below(self.t) > 0 else 0.0 if below(0.0) <= 0 else bisected(lambda t: below(t) <= 0, 0.0, self.t),
            self.t if above(self.t) < 0 else 1.0 if above(1.0) >= 0 else bisected(lambda t: above(t) < 0, self.t, 1.0),
        )

    def spread(self) -> float:
        o, a, b = (p.spread() for p in self.parts)
        variance = o + (1 - self.t) ** 2 * a - 2 * self.r * (1 - self.t) * math.sqrt(o * a) + self.t**2 * b
        return max(0.0, variance) / (1 - self.a.M - self.b.M) ** 2


def bisected(holds: Callable[[float], bool], no: float, yes: float) -> float:
    """Where `holds` turns from false (at `no`) to true (at `yes`)."""
    for _ in range(80):
        middle = (no + yes) / 2
        no, yes = (no, middle) if holds(middle) else (middle, yes)
    return (no + yes) / 2


def slow_corrected(
    generated: Rows,
    untouched: Rows,
    other: Rows,
    *,
    alpha: float = 0.05,
    critical: Callable[[float, int, float], float] = range_quantile,
) -> SlowCorrected:
    """Every group is taken to have the evidence and a judge that supports a correction."""
    names = list(dict.fromkeys(g for _, g, _ in generated))
    ones = [_One(name, (generated, untouched, other)) for name in names]
    for k in range(3):
        parts = [one.parts[k] for one in ones]
        for part in parts:
            part.settle(parts, proportion=True, relative=False)
    lows, highs = [0.0], []
    for i in ones:
        for j in ones:
            if i is not j:
                df = _df(i, j)
                lows.append(_pair(i, j, critical(alpha, len(ones), df))[0])
                highs.append(_pair(i, j, t_quantile(alpha, df))[1])
    values = [one.t for one in ones]
    return SlowCorrected(
        value={name: one.t for name, one in zip(names, ones, strict=True)},
        limits={name: one.limits(lambda p: t_quantile(alpha, p.K - 1)) for name, one in zip(names, ones, strict=True)},
        difference=(max(values) - min(values), max(lows), max(highs, default=0.0)),
    )


def _pair(i: _One, j: _One, c: float) -> tuple[float, float]:
    r = 0.0
    if i.V * j.V > 0:
        r = sum(h * j.h[s] for s, h in i.h.items() if s in j.h) / math.sqrt(i.V * j.V)
        r = 0.0 if r > 0 and min(i.events, j.events) < 6 else max(-1.0, min(1.0, r))
    (li, ui), (lj, uj) = i.limits(lambda _: c), j.limits(lambda _: c)
    d = i.t - j.t
    return d - _root(i.t - li, uj - j.t, r), d + _root(ui - i.t, j.t - lj, r)


def _df(i: _One, j: _One) -> float:
    if set(i.h) & set(j.h):
        return min(i.K, j.K) - 1
    return (i.spread() + j.spread()) ** 2 / (i.spread() ** 2 / (i.K - 1) + j.spread() ** 2 / (j.K - 1))
