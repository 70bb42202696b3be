"""The statistics page written again, slowly: plain loops over one measure, scipy for quantiles.

It shares no line with `audit.statistics`, so that an error would have to be made twice.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Critical = Callable[[float, int, float], float]
Tail = Callable[[float, int, float], float]


@lru_cache(maxsize=4096)
def t_quantile(alpha: float, df: float) -> float:
    from scipy import stats

    return float(stats.t.isf(alpha / 2, max(df, 0.25)))  # below that an interval says nothing anyhow


@lru_cache(maxsize=4096)
def range_quantile(alpha: float, groups: int, df: float) -> float:
    """The critical value of simultaneous pairs, straight from scipy (0.2 s a call)."""
    from scipy import stats

    return float(stats.studentized_range.ppf(1 - alpha, groups, df)) / math.sqrt(2)


@lru_cache(maxsize=4096)
def range_tail(critical: float, groups: int, df: float) -> float:
    """The p of a critical value of simultaneous pairs, straight from scipy."""
    from scipy import stats

    return float(stats.studentized_range.sf(critical * math.sqrt(2), groups, df))


@dataclass
class SlowGroup:
    value: float | None
    low: float | None
    high: float | None
    n: int
    subjects: int
    evidence: bool


@dataclass
class Slow:
    groups: dict[str | None, SlowGroup]
    difference: tuple[float, float, float] | None
    ratio: tuple[float | None, float, float] | None
    pairs: dict[tuple[str, str], tuple[float, float, float]]
    max_geomean: tuple[float, float, float] | None = None  # also None where a group is at 0
    gini: tuple[float, float, float] | None = None  # also None where all are
    p: float | None = None
    pair_p: dict[tuple[str, str], float] = field(default_factory=dict)


def slow(
    values: Sequence[float],
    groups: Sequence[str | None],
    subjects: Sequence[object],
    *,
    proportion: bool,
    non_negative: bool = True,
    can_be_zero: bool = False,
    share: bool = False,
    alpha: float = 0.05,
    min_subjects: int = 30,
    critical: Critical = range_quantile,
    tail: Tail = range_tail,
) -> Slow:
    stats = {g: _Group(g, values, groups, subjects) for g in dict.fromkeys(groups)}
    needed = max(min_subjects, 2)
    evidence = [stats[g] for g in stats if g is not None and needed <= stats[g].S]
    for s in stats.values():
        s.settle(evidence if s in evidence else [], proportion, non_negative and not can_be_zero)
        if share and not proportion and s.M in (0.0, 1.0):  # as a proportion of one item a subject
            s.proportion, s.size = True, s.K
    rows = {}
    for g, s in stats.items():
        low = high = None
        if s.S >= 2:
            low, high = s.limits(t_quantile(alpha, s.K - 1))
            low = max(low, 0.0) if non_negative else low  # no value that the measure can't have
            high = min(high, 1.0) if share else high
        rows[g] = SlowGroup(s.M, low, high, s.N, s.S, s in evidence)
    if len(evidence) < 2:
        return Slow(rows, None, None, {})
    simultaneous = {(i.name, j.name): critical(alpha, len(evidence), _df(i, j)) for i, j in _ordered(evidence)}
    pair_p = {(i.name, j.name): _pair_p(i, j, len(evidence), tail) for i, j in _ordered(evidence)}
    return Slow(
        rows,
        _difference(evidence, alpha, critical),
        _ratio(evidence, alpha, critical) if non_negative else None,
        {(i.name, j.name): _difference_limits(i, j, simultaneous[i.name, j.name]) for i, j in _ordered(evidence)},
        _max_geomean(evidence, simultaneous) if non_negative else None,
        _gini(evidence, simultaneous) if non_negative else None,
        min(pair_p.values()),
        pair_p,
    )


class _Group:
    def __init__(
        self, name: str | None, values: Sequence[float], groups: Sequence[str | None], subjects: Sequence[object]
    ) -> None:
        self.name = name
        self.x: dict[object, float] = defaultdict(float)
        self.n: dict[object, int] = defaultdict(int)
        for value, group, subject in zip(values, groups, subjects, strict=True):
            if group == name and not math.isnan(value):
                self.x[subject] += value
                self.n[subject] += 1
        self.S = len(self.n)
        self.N = sum(self.n.values())
        self.M = sum(self.x.values()) / self.N if self.N else None
        self.K = self.N**2 / sum(n * n for n in self.n.values()) if self.N else 0.0
        self.h: dict[object, float] = {}
        self.V = 0.0
        if self.S >= 2:
            for s in self.n:
                self.h[s] = (self.x[s] - self.M * self.n[s]) / (self.N - self.n[s]) * math.sqrt((self.S - 1) / self.S)
                if abs(self.x[s] - self.M * self.n[s]) < 1e-12 * max(1.0, abs(self.x[s])):
                    self.h[s] = 0.0
            self.V = sum(h * h for h in self.h.values())
        self.events = min(self.behind(self.x), self.behind({s: self.n[s] - self.x[s] for s in self.n}))

    def behind(self, x: dict[object, float]) -> float:
        """K times the squared cosine between a subject's items and those that x counts, and no more than there are."""
        squares = sum(v * v for v in x.values())
        if squares == 0:
            return 0.0
        cosine = sum(self.n[s] * x[s] for s in self.n) ** 2 / squares / sum(n * n for n in self.n.values())
        return min(self.K * cosine, sum(v > 0 for v in x.values()))

    def settle(self, evidence: list[_Group], proportion: bool, relative: bool) -> None:
        self.proportion = proportion
        if self.S < 2:
            return
        if proportion:
            mine = self.N / self.own_size()
            m = self.N / self.K
            if evidence:
                designs = [(g.N / g.own_size(), g.N / g.K) for g in evidence]
                mean_d = sum(d for d, _ in designs) / len(designs)
                mean_dm = sum(d / m_h for d, m_h in designs) / len(designs)
                mine = max(mine, math.sqrt(mean_d * m * mean_dm))
            self.size = self.N / mine
            return
        self.floored = self.V
        scale = (lambda g: g.M**2) if relative else (lambda g: 1.0)
        pool = [g for g in evidence if scale(g) > 0]
        if pool:
            weights = sum(g.K - 1 for g in pool)
            a = sum((g.K - 1) * g.V * g.K / scale(g) for g in pool) / weights
            b = sum((g.K - 1) * g.V * g.N / scale(g) for g in pool) / weights
            self.floored = max(self.V, scale(self) * math.sqrt(a / self.K * (b / self.N)))

    def own_size(self) -> float:
        if self.M in (0.0, 1.0) or self.V == 0:
            return self.K
        mine, alike = self.N / (self.M * (1 - self.M) / self.V), self.N / self.K
        if mine < alike:
            mine += min(1.0, (5 / self.events) ** 4) * (alike - mine)
        return self.N / mine

    def limits(self, c: float) -> tuple[float, float]:
        if not self.proportion:
            return self.M - c * math.sqrt(self.floored), self.M + c * math.sqrt(self.floored)
        p, n = self.M, self.size
        center = (p + c * c / (2 * n)) / (1 + c * c / n)
        half = c / (1 + c * c / n) * math.sqrt(p * (1 - p) / n + c * c / (4 * n * n))
        low, high = max(0.0, center - half), min(1.0, center + half)
        return (0.0 if p == 0 else low), (1.0 if p == 1 else high)

    def log_margins(self, c: float) -> tuple[float, float]:
        if not self.proportion:
            return (c * math.sqrt(self.floored) / self.M,) * 2
        low, high = self.limits(c)
        return math.log(self.M / low), math.log(high / self.M)

    def spread(self) -> float:
        if not self.proportion:
            return self.V
        moved = (self.size * self.M + 1) / (self.size + 2)
        return moved * (1 - moved) / self.size


def _r(i: _Group, j: _Group) -> float:
    both = set(i.n) & set(j.n)
    if i.V * j.V == 0:
        return 0.0
    r = max(-1.0, min(1.0, sum(i.h[s] * j.h[s] for s in both) / math.sqrt(i.V * j.V)))
    # "Event subjects": with and without the event alike, so that a rate and its complement get the same interval.
    return 0.0 if i.proportion and r > 0 and min(i.events, j.events) < 6 else r


def _df(i: _Group, j: _Group) -> float:
    if set(i.n) & set(j.n) or i.spread() + j.spread() == 0:
        return min(i.K, j.K) - 1
    return (i.spread() + j.spread()) ** 2 / (i.spread() ** 2 / (i.K - 1) + j.spread() ** 2 / (j.K - 1))


def _root(a: float, b: float, r: float) -> float:
    return math.sqrt(max(0.0, a * a + b * b - 2 * r * a * b))


def _difference_limits(i: _Group, j: _Group, c: float) -> tuple[float, float, float]:
    d, r = i.M - j.M, _r(i, j)
    if not i.proportion and not j.proportion:
        half = c * math.sqrt(max(0.0, i.floored + j.floored - 2 * r * math.sqrt(i.floored * j.floored)))
        return d, d - half, d + half
    (l_i, u_i), (l_j, u_j) = i.limits(c), j.limits(c)
    return d, d - _root(i.M - l_i, u_j - j.M, r), d + _root(u_i - i.M, j.M - l_j, r)


def _ordered(evidence: list[_Group]) -> list[tuple[_Group, _Group]]:
    return [(i, j) for i in evidence for j in evidence if i is not j]


def _difference(evidence: list[_Group], alpha: float, critical: Critical) -> tuple[float, float, float]:
    lows = [_difference_limits(i, j, critical(alpha, len(evidence), _df(i, j)))[1] for i, j in _ordered(evidence)]
    highs = [_difference_limits(i, j, t_quantile(alpha, _df(i, j)))[2] for i, j in _ordered(evidence)]
    means = [g.M for g in evidence]
    return max(means) - min(means), max(0.0, *lows), max(highs)


def _ratio_limits(i: _Group, j: _Group, c: float) -> tuple[float, float]:
    (l_i, u_i), (l_j, u_j) = i.limits(c), j.limits(c)
    if i.M == 0 and j.M == 0:
        return 0.0, 1.0
    if i.M == 0:
        return 0.0, (u_i / l_j if l_j > 0 else math.inf)
    if j.M == 0:
        return (l_i / u_j if u_j > 0 and l_i > 0 else 0.0), math.inf
    e, r = math.log(i.M / j.M), _r(i, j)
    (below_i, above_i), (below_j, above_j) = i.log_margins(c), j.log_margins(c)
    return math.exp(e - _root(below_i, above_j, r)), math.exp(e + _root(above_i, below_j, r))


def _ratio(evidence: list[_Group], alpha: float, critical: Critical) -> tuple[float | None, float, float]:
    lows = [_ratio_limits(i, j, t_quantile(alpha, _df(i, j)))[0] for i, j in _ordered(evidence)]
    highs = [_ratio_limits(i, j, critical(alpha, len(evidence), _df(i, j)))[1] for i, j in _ordered(evidence)]
    means = [g.M for g in evidence]
    value = None if max(means) == 0 else min(means) / max(means)
    return value, min(lows), min(1.0, *highs)


def _max_geomean(evidence: list[_Group], critical: dict[tuple[str, str], float]) -> tuple[float, float, float] | None:
    if any(g.M == 0 for g in evidence):
        return None
    product = math.prod(g.M ** (1 / len(evidence)) for g in evidence)
    lows, highs = [], []
    for g in evidence:
        limits = [_ratio_limits(g, h, critical[g.name, h.name]) for h in evidence if h is not g]
        lows.append(sum(math.log(low) for low, _ in limits) / len(evidence))
        highs.append(sum(math.log(high) for _, high in limits) / len(evidence))
    return max(g.M for g in evidence) / product, math.exp(max(0.0, *lows)), math.exp(max(highs))


def _gini(evidence: list[_Group], critical: dict[tuple[str, str], float]) -> tuple[float, float, float] | None:
    n, mean = len(evidence), sum(g.M for g in evidence) / len(evidence)
    if mean == 0:
        return None
    value = n / (n - 1) * sum(abs(i.M - j.M) for i in evidence for j in evidence) / (2 * n**2 * mean)
    low = high = 0.0
    for a, i in enumerate(evidence):
        for j in evidence[:a]:
            if i.M == j.M == 0:
                continue
            least, most = _ratio_limits(i, j, critical[i.name, j.name])
            ends = [1.0 if math.isinf(x) else abs(1 - x) / (1 + x) for x in (least, most)]
            share = (i.M + j.M) / (n * (n - 1) * mean)
            low += share * (0.0 if least <= 1 <= most else min(ends))
            high += share * max(ends)
    return value, low, min(1.0, high)


def _pair_p(i: _Group, j: _Group, groups: int, tail: Tail) -> float:
    """From the critical value at which the lower limit of the larger against the smaller is 0, by halving."""
    if i.M == j.M:
        return 1.0
    more, less = (i, j) if i.M > j.M else (j, i)
    low, high = 0.0, 1.0
    while _difference_limits(more, less, high)[1] > 0:
        low, high = high, 2 * high
        if high > 1e9:
            return 1e-12
    for _ in range(80):
        c = (low + high) / 2
        if c == 0.0 or _difference_limits(more, less, c)[1] > 0:
            low = c
        else:
            high = c
    return max(1e-12, tail(high, groups, _df(i, j)))


def holm(p: Sequence[float]) -> list[float]:
    """Each p times the number of those not yet dealt with, from the smallest up; never below one before it."""
    adjusted: dict[int, float] = {}
    most = 0.0
    for done, k in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        most = max(most, min(1.0, (len(p) - done) * p[k]))
        adjusted[k] = most
    return [adjusted[k] for k in range(len(p))]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Each p times the number of all over its rank, from the largest down; never above one after it."""
    adjusted: dict[int, float] = {}
    least = 1.0
    for before, k in enumerate(sorted(range(len(p)), key=lambda k: -p[k])):
        least = min(least, len(p) / (len(p) - before) * p[k])
        adjusted[k] = least
    return [adjusted[k] for k in range(len(p))]
