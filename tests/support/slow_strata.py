"""Differences standardized over strata written again, slowly: plain loops over one measure, scipy for quantiles.

It shares no line with `audit.statistics`: a subject's weight in a group's standardized value is worked out first, and
everything follows from these weights.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.slow_statistics import Critical, range_quantile, t_quantile

Cell = tuple[str, str]


@dataclass
class SlowWithin:
    value: float
    low: float
    high: float
    p: float
    pairs: dict[tuple[str, str], float]
    comparable: float


@dataclass
class _Cell:
    x: dict[object, float] = field(default_factory=lambda: defaultdict(float))
    n: dict[object, int] = field(default_factory=lambda: defaultdict(int))

    def settle(self) -> None:
        self.S, self.N = len(self.n), sum(self.n.values())
        self.M = sum(self.x.values()) / self.N
        self.squares = sum(n * n for n in self.n.values())
        self.K = self.N**2 / self.squares
        self.h = {
            s: (self.x[s] - self.M * self.n[s]) / (self.N - self.n[s]) * math.sqrt((self.S - 1) / self.S)
            if self.S > 1 and abs(self.x[s] - self.M * self.n[s]) > 1e-12 * max(1.0, abs(self.x[s]))
            else 0.0
            for s in self.n
        }
        self.V = sum(h * h for h in self.h.values())
        self.events = min(
            self._behind({s: self.x[s] for s in self.n}), self._behind({s: self.n[s] - self.x[s] for s in self.n})
        )

    def _behind(self, events: dict[object, float]) -> float:
        """Effective number of people: K times the squared cosine of pictures and events, and no more than there are."""
        square = sum(e * e for e in events.values())
        cosine = sum(self.n[s] * e for s, e in events.items()) ** 2 / (self.squares * square) if square else 0.0
        return min(self.K * cosine, sum(e > 0 for e in events.values()))


def slow_within(
    values: Sequence[float],
    groups: Sequence[str | None],
    strata: Sequence[str | None],
    subjects: Sequence[object],
    *,
    proportion: bool,
    relative: bool = True,
    alpha: float = 0.05,
    min_subjects: int = 30,
    critical: Critical = range_quantile,
) -> SlowWithin | None:
    cells: dict[Cell, _Cell] = defaultdict(_Cell)
    stated = 0
    for value, group, stratum, subject in zip(values, groups, strata, subjects, strict=True):
        if math.isnan(value) or group is None:
            continue
        stated += 1
        if stratum is not None:
            cells[group, stratum].x[subject] += value
            cells[group, stratum].n[subject] += 1
    for cell in cells.values():
        cell.settle()
    evident = {key: cell for key, cell in cells.items() if min_subjects <= cell.S}
    _share(list(evident.values()), proportion, relative)
    names = list(dict.fromkeys(g for g, _ in evident))
    common = {
        (i, j): [k for k in dict.fromkeys(k for _, k in evident) if (i, k) in evident and (j, k) in evident]
        for i, j in itertools.combinations(names, 2)
    }
    common = {pair: ks for pair, ks in common.items() if ks}
    if not common:
        return None
    inside = {g for pair in common for g in pair}
    used = {(g, k) for pair, ks in common.items() for g in pair for k in ks}
    made = {pair: _Pair(evident, *pair, ks, proportion) for pair, ks in common.items()}
    lows, highs, ps = [], [], []
    for pair in made.values():
        for sign in (1, -1):
            lows.append(pair.limits(critical(alpha, len(inside), pair.df), sign)[0])
            highs.append(pair.limits(t_quantile(alpha, pair.df), sign)[1])
        ps.append(pair.p(len(inside)))
    return SlowWithin(
        max(abs(pair.d) for pair in made.values()),
        max(0.0, *lows),
        max(highs),
        min(ps),
        {names: pair.d for names, pair in made.items()},
        sum(evident[cell].N for cell in used) / stated,
    )


def _share(cells: list[_Cell], proportion: bool, relative: bool) -> None:
    """The variance of each cell by what all share, and the size its weights follow."""
    if not cells:
        return
    if proportion:
        own = [c.M * (1 - c.M) / c.V if c.V > 0 else c.K for c in cells]
        effects = [c.N / n for c, n in zip(cells, own, strict=True)]
        mean_d = sum(effects) / len(cells)
        mean_dm = sum(d * c.K / c.N for c, d in zip(cells, effects, strict=True)) / len(cells)
        for c in cells:
            c.size = c.N / math.sqrt(mean_d * (c.N / c.K) * mean_dm)
            moved = (c.size * c.M + 1) / (c.size + 2)
            c.spread = moved * (1 - moved) / c.size
        return
    scale = [c.M**2 if relative else 1.0 for c in cells]
    pool = [(c, s) for c, s in zip(cells, scale, strict=True) if s > 0]
    weights = sum(c.K - 1 for c, _ in pool)
    a = sum((c.K - 1) * c.V * c.K / s for c, s in pool) / weights
    b = sum((c.K - 1) * c.V * c.N / s for c, s in pool) / weights
    for c, s in zip(cells, scale, strict=True):
        c.size, c.spread = c.K, c.V
        c.F = max(c.V, s * math.sqrt(a / c.K * (b / c.N)))


class _Pair:
    def __init__(self, cells: dict[Cell, _Cell], i: str, j: str, ks: list[str], proportion: bool) -> None:
        harmonic = [1 / (1 / cells[i, k].size + 1 / cells[j, k].size) for k in ks]
        w = [h / sum(harmonic) for h in harmonic]
        if proportion:  # each stratum's rate of both groups together
            both = [(cells[i, k], cells[j, k]) for k in ks]
            p = [(a.size * a.M + b.size * b.M) / (a.size + b.size) for a, b in both]
            level = sum(a * b for a, b in zip(w, p, strict=True))
            floors = [[r * (1 - r) / cells[g, k].size for k, r in zip(ks, p, strict=True)] for g in (i, j)]
        else:
            level, floors = 0.5, [[cells[g, k].F for k in ks] for g in (i, j)]
        self.i, self.j = (
            _Side([cells[g, k] for k in ks], w, proportion, floor, level)
            for g, floor in zip((i, j), floors, strict=True)
        )
        self.proportion = proportion
        self.d = self.i.M - self.j.M
        self.r = self._r()
        both = any(set(a.n) & set(b.n) for a in self.i.cells for b in self.j.cells)
        si, sj = self.i.spread_of_pair(), self.j.spread_of_pair()
        smaller = min(self.i.df, self.j.df)
        welch = (si + sj) ** 2 / (si**2 / self.i.df + sj**2 / self.j.df) if si + sj > 0 else smaller
        self.df = smaller if both else welch

    def _r(self) -> float:
        i, j = self.i, self.j
        if i.V * j.V == 0:
            return 0.0
        together = sum(
            a * b * sum(ca.h[s] * cb.h[s] for s in set(ca.n) & set(cb.n))
            for a, ca in zip(i.w, i.cells, strict=True)
            for b, cb in zip(j.w, j.cells, strict=True)
        )
        r = max(-1.0, min(1.0, together / math.sqrt(i.V * j.V)))
        return 0.0 if self.proportion and r > 0 and min(i.events, j.events) < 6 else r

    def limits(self, c: float, sign: int) -> tuple[float, float]:
        one, other = (self.i, self.j) if sign > 0 else (self.j, self.i)
        (l1, u1), (l2, u2) = one.limits(c), other.limits(c)
        d = sign * self.d
        return d - self._root(one.M - l1, u2 - other.M), d + self._root(u1 - one.M, other.M - l2)

    def _root(self, a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * self.r * a * b))

    def p(self, groups: int) -> float:
        """By bisection of the critical value at which the lower limit is 0."""
        from scipy import stats

        if self.d == 0:
            return 1.0
        sign, low, high = (1 if self.d > 0 else -1), 0.0, 100.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if self.limits(middle, sign)[0] > 0 else (low, middle)
        return float(stats.studentized_range.sf(low * math.sqrt(2), groups, self.df))


class _Side:
    """One group over the strata of a pair."""

    def __init__(self, cells: list[_Cell], w: list[float], proportion: bool, floors: list[float], level: float) -> None:
        self.cells, self.w, self.proportion = cells, w, proportion
        self.M = sum(a * c.M for a, c in zip(w, cells, strict=True))
        crossed = any(set(a.n) & set(b.n) for a, b in itertools.combinations(cells, 2))
        events = [c.events for c in cells]
        self.events = max(events) if crossed else sum(events)
        self.V, shared = self._variance([c.V for c in cells]), self._variance(floors)
        if proportion:
            shared *= self.M * (1 - self.M) / (level * (1 - level)) if 0 < level < 1 else 0.0
        self.variance = max(self.V, shared)
        alike = sum(a * a / c.K for a, c in zip(w, cells, strict=True))
        for (a, one), (b, other) in itertools.permutations(zip(w, cells, strict=True), 2):
            both = len(set(one.n) & set(other.n))
            alike += a * b * both / math.sqrt(one.S * one.K * other.S * other.K)
        self.K = 1 / alike
        spreads = [a * a * c.spread for a, c in zip(w, cells, strict=True)]
        self.spread = sum(spreads)
        own = sum(s * s / (c.K - 1) for s, c in zip(spreads, cells, strict=True))
        self.df = min(self.spread**2 / own, self.K - 1) if own > 0 else self.K - 1
        if proportion:
            n = self.M * (1 - self.M) / self.variance if self.variance > 0 else self.K
            lean = (5 / max(self.events, 5)) ** 4
            self.size = 1 / (1 / n + lean * max(0.0, 1 / self.K - 1 / n))

    def _variance(self, of_cells: list[float]) -> float:
        total = 0.0
        rows = list(zip(self.w, self.cells, of_cells, strict=True))
        for (a, one, v), (b, other, u) in itertools.product(rows, repeat=2):
            r = 1.0
            if one is not other:
                if one.V * other.V == 0:
                    continue
                r = sum(one.h[s] * other.h[s] for s in set(one.n) & set(other.n)) / math.sqrt(one.V * other.V)
                r = max(-1.0, min(1.0, r))
                r = 0.0 if self.proportion and r < 0 and self.events < 6 else r
            total += a * b * r * math.sqrt(v * u)
        return max(0.0, total)

    def spread_of_pair(self) -> float:
        if not self.proportion:
            return self.spread
        moved = (self.size * self.M + 1) / (self.size + 2)
        return moved * (1 - moved) / self.size

    def limits(self, c: float) -> tuple[float, float]:
        if not self.proportion:
            return self.M - c * math.sqrt(self.variance), self.M + c * math.sqrt(self.variance)
        p, n = self.M, self.size
        center = (p + c * c / (2 * n)) / (1 + c * c / n)
        half = c / (1 + c * c / n) * math.sqrt(p * (1 - p) / n + c * c / (4 * n * n))
        return max(0.0, center - half), min(1.0, center + half)
