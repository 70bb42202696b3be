"""From the rows of the simulations to the tables of the page: one line a claim, and its cells nearest to the bar."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

ERRORS = 3.1  # standard errors that a cell may be beyond the bar: one cell in a thousand is so by chance
SHOWN = 6  # cells of a claim
_KNOWN = ("claim", "cell", "bar", "measured", "runs")


@dataclasses.dataclass(frozen=True)
class Bar:
    """What a cell must keep to."""

    least: float = -math.inf
    most: float = math.inf
    below: bool = False  # strictly below `most`, and nothing allowed for chance

    @classmethod
    def of(cls, bar: float | str | Sequence[float]) -> Bar:
        if isinstance(bar, str):
            if " to " in bar:
                return cls(*map(float, bar.split(" to ")))
            sign, number = bar.split()
            if sign == "<":
                return cls(most=float(number), below=True)
            return cls(**{{"<=": "most", ">=": "least"}[sign]: float(number)})
        if isinstance(bar, Sequence):
            return cls(*bar)
        return cls(least=float(bar))

    @property
    def words(self) -> str:
        if self.below:
            return f"below {self.most:g}"
        if math.isinf(self.most):
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if math.isinf(self.least) else f"{self.least:g} to {self.most:g}"

    def room(self, measured: float, runs: int) -> float:
        """How far a share lies within the bar, in standard errors of that many runs at the bar."""
        sides = [(1, self.least), (-1, self.most)]
        return min(side * (measured - bar) / _error(bar, runs) for side, bar in sides if math.isfinite(bar))

    def met(self, measured: float, runs: int) -> bool:
        return measured < self.most if self.below else self.room(measured, runs) >= -ERRORS

    def allowance(self, runs: int) -> float:
        bars = [] if self.below else [bar for bar in (self.least, self.most) if math.isfinite(bar)]
        return ERRORS * max((_error(bar, runs) for bar in bars), default=0.0)


@dataclasses.dataclass(frozen=True)
class Claim:
    """All cells of one claim, those nearest to the bar first."""

    name: str
    bar: Bar
    rows: tuple[Mapping[str, Any], ...]

    @property
    def met(self) -> bool:
        return all(self.bar.met(row["measured"], row["runs"]) for row in self.rows)


def claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Rows by claim, in the order in which the claims first come."""
    found = []
    for name in dict.fromkeys(row["claim"] for row in rows):
        own = [row for row in rows if row["claim"] == name]
        bars = {Bar.of(row["bar"]) for row in own}
        if len(bars) != 1:
            raise ValueError(f"{name}: one claim has one bar, not {sorted(b.words for b in bars)}")
        (bar,) = bars
        own.sort(key=lambda row: bar.room(row["measured"], row["runs"]))
        found.append(Claim(name, bar, tuple(own)))
    return found


def summary(claims: Sequence[Claim]) -> str:
    """One line a claim."""
    lines = ["| claim | cells | runs a cell | bar | allowed for chance | lowest | median | highest | met |", _rule(9)]
    for claim in claims:
        shares = sorted(row["measured"] for row in claim.rows)
        runs = sorted(row["runs"] for row in claim.rows)
        spread = f"{runs[0]:,}" if runs[0] == runs[-1] else f"{runs[0]:,} to {runs[-1]:,}"
        cells = [
            claim.name,
            f"{len(claim.rows):,}",
            spread,
            claim.bar.words,
            f"{claim.bar.allowance(runs[len(runs) // 2]):.3f}",
            *(_number(share) for share in (shares[0], shares[len(shares) // 2], shares[-1])),
            "yes" if claim.met else "**no**",
        ]
        lines.append(_line(cells))
    return "\n".join(lines)


def details(claims: Sequence[Claim]) -> str:
    """The cells of each claim that are nearest to its bar."""
    return "\n\n".join(_nearest(claim) for claim in claims)


def put(text: str, mark: str, table: str) -> str:
    """Replace what stands between <!-- MARK --> and <!-- /MARK -->."""
    begin, end = f"<!-- {mark} -->\n", f"\n<!-- /{mark} -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{table}{end}{after}"


def _nearest(claim: Claim) -> str:
    """The median over all cells stands in the last line, so that the few are not taken for the rule."""
    extra = [key for key in dict.fromkeys(key for row in claim.rows for key in row) if key not in _KNOWN]
    extra = [key for key in extra if any(row.get(key) not in (None, 0.0) for row in claim.rows)]
    lines = [_line([f"{claim.name}: cell", "measured", *extra]), _rule(2 + len(extra))]
    lines += [
        _line([row["cell"], _number(row["measured"]), *(_number(row.get(key)) for key in extra)])
        for row in claim.rows[:SHOWN]
    ]
    if len(claim.rows) > SHOWN:
        lines.append(
            _line([f"median of all {len(claim.rows):,}", *(_number(_median(claim, k)) for k in ("measured", *extra))])
        )
    return "\n".join(lines)


def _median(claim: Claim, key: str) -> Any:
    values = sorted(row[key] for row in claim.rows if isinstance(row.get(key), int | float))
    return values[len(values) // 2] if values else None


def _error(bar: float, runs: int) -> float:
    """Standard error of a share over that many runs, were it exactly the bar."""
    return math.sqrt(bar * (1 - bar) / runs)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _rule(columns: int) -> str:
    return _line(["---"] * columns)
