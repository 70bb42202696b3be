"""No bias at all, 40 measures by five attributes: how many audits flag anything in the headline family?

Summary and adjustment are the audit's own. Two of the 40 are the headline rates; the others stand in families of their
own, and hang together as layers and maps of one model do.
"""

from __future__ import annotations

import numpy as np

from audit.families import HEADLINE, adjusted
from audit.groups import make_groupings, subject_codes
from audit.measures import Measure
from audit.summary import Options, Summary
from tests.benchmarks._people import ALPHA, Row
from tests.support.figures import a_measure, a_table

MOST = 0.1  # fewer than 20 of 200
WEIGHT = 4
_SHARE = 20  # an audit of all of it is worth that many runs of a cell elsewhere: 200 audits where those have 4,000
_SUBJECTS, _MEASURES = 300, 40
_GROUPS = (2, 3, 4, 5, 6)  # of the five attributes


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell: pictures of each, and how much their errors are alike."""
    return [
        _row(
            f"{pictures} picture{'s' * (pictures > 1)}, ICC {icc:g}",
            pictures,
            icc,
            max(1, runs // _SHARE),
            [seed, 8, k],
        )
        for k, (pictures, icc) in enumerate(((1, 0.0), (2, 0.5)))
    ]


def _row(cell: str, pictures: int, icc: float, audits: int, seed: list[int]) -> Row:
    flags = [_audit(pictures, icc, [*seed, k]) for k in range(audits)]
    headline, anywhere, raw = np.mean(np.array(flags), axis=0)
    return {
        "claim": "audits without bias that flag anything in the headline family",
        "cell": f"{_MEASURES} measures, {len(_GROUPS)} attributes of 2 to 6 groups, {_SUBJECTS} people, {cell}",
        "bar": f"< {MOST}",
        "measured": float(headline),
        "runs": audits,
        "in any other family": float(anywhere),
        "unadjusted p anywhere": float(raw),
    }


def _audit(pictures: int, icc: float, seed: list[int]) -> tuple[bool, bool, bool]:
    """Whether one audit flags something in the headline family, in another, and by an unadjusted p."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(_SUBJECTS), pictures)
    names = {f"a{g}": [f"g{v}" for v in rng.integers(0, g, _SUBJECTS)[person]] for g in _GROUPS}
    table = a_table(person.tolist(), **names)
    groupings = make_groupings(table, tuple((name,) for name in names))
    measures = [*_headline(), *(_diagnostic(k) for k in range(_MEASURES - 2))]
    values = np.column_stack([_wrong(rng, person, icc), _wrong(rng, person, icc), *_layers(rng, person, _MEASURES - 2)])
    summary = Summary(groupings, subject_codes(table), "gender", Options())
    measurements, families = adjusted(summary.of(values, measures)[0])
    first = {m for family in families if family.name == HEADLINE for m in family.measures}
    gaps = [(m.measure in first, d) for m in measurements for d in m.disparities if d.kind == "difference"]
    return (
        any(inside and d.p_adjusted is not None and d.p_adjusted < ALPHA for inside, d in gaps),
        any(not inside and d.p_adjusted is not None and d.p_adjusted < ALPHA for inside, d in gaps),
        any(d.p_value is not None and d.p_value < ALPHA for _, d in gaps),
    )


def _headline() -> list[Measure]:
    return [a_measure("failure_rate"), a_measure("wrong_label_rate")]


def _diagnostic(number: int) -> Measure:
    """A measure inside the model, in one of two families."""
    return a_measure(f"inside{number}", proportion=False, family=("activations", "focus")[number % 2])


def _wrong(rng: np.random.Generator, person: np.ndarray, icc: float) -> np.ndarray:
    scale = 1 / icc - 1 if icc else None
    prone = np.full(_SUBJECTS, 0.15) if scale is None else rng.beta(0.15 * scale, 0.85 * scale, _SUBJECTS)
    return (rng.random(len(person)) < prone[person]).astype(np.float64)


def _layers(rng: np.random.Generator, person: np.ndarray, measures: int) -> list[np.ndarray]:
    """Positive values of one person alike, and of neighboring layers."""
    common = rng.standard_normal((_SUBJECTS, 1))
    own = np.cumsum(rng.standard_normal((_SUBJECTS, measures)), axis=1) / np.sqrt(np.arange(1, measures + 1))
    noise = rng.standard_normal((len(person), measures))
    return list(np.exp(0.15 * (common + own)[person] + 0.1 * noise).T)
