"""Cramér's V and its test written again, slowly: loops over pictures and subjects, no line shared with the tool."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from scipy import stats


def slow_association(
    first: Sequence[object], second: Sequence[object], subjects: Sequence[object]
) -> tuple[float, float]:
    """V and p."""
    n = len(first)
    p = {a: c / n for a, c in Counter(first).items()}
    q = {b: c / n for b, c in Counter(second).items()}
    joint = Counter(zip(first, second, strict=True))
    cells = [(a, b) for a in p for b in q]
    phi2 = sum((joint[a, b] / n - p[a] * q[b]) ** 2 / (p[a] * q[b]) for a, b in cells)
    people = list(dict.fromkeys(subjects))
    influence = []
    for person in people:
        mine = [k for k in range(n) if subjects[k] == person]
        influence.append(
            [
                sum(((first[k] == a) - p[a]) * ((second[k] == b) - q[b]) for k in mine) / math.sqrt(p[a] * q[b]) / n
                for a, b in cells
            ]
        )
    scale = len(people) / (len(people) - 1)
    size = len(cells)
    cov = [[scale * sum(u[i] * u[j] for u in influence) for j in range(size)] for i in range(size)]
    trace = sum(cov[i][i] for i in range(size))
    trace2 = sum(cov[i][j] ** 2 for i in range(size) for j in range(size))
    df = trace**2 / trace2
    counts = Counter(subjects)
    kish = n**2 / sum(c * c for c in counts.values())
    p_value = float(stats.f.sf(phi2 / trace, df, df * (kish - 1)))
    r, c = len(p), len(q)
    n_eff = (r - 1) * (c - 1) / trace
    r_ = r - (r - 1) ** 2 / n_eff
    c_ = c - (c - 1) ** 2 / n_eff
    return math.sqrt(min(1.0, max(0.0, phi2 - trace) / (min(r_, c_) - 1))), p_value
