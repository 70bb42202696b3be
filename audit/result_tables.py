"""A measurement as tidy pandas tables: what `result["wrong_label_rate"]` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.errors import UsageError, nearest
from audit.result import Estimate, Measurement, attribute_name, group_name

if TYPE_CHECKING:
    import pandas as pd

_GROUP = ("value", "low", "high", "n", "subjects", "indicative")
_DISPARITY = (
    *("attribute", "kind", "value", "low", "high", "p_value", "p_method", "p_adjusted", "null_quantile"),
    *("worst", "best", "left_out", "descriptive", "note"),
)
_PAIR = (
    *("first", "second", "difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "p_value"),
)


class MeasurementTable:
    """A measurement as tidy pandas tables. Proportions are shares of 1, never percent.

    A group is named by its values, `black` or `female*black`; an empty cell of the manifest is `not stated`.
    `measurement.parameters` and the repr say which variant of a measure it is.
    """

    def __init__(self, measurement: Measurement) -> None:
        self.measurement = measurement

    def __repr__(self) -> str:
        """Variant, value, interval, pictures and people."""
        seen = self.overall
        value, low, high = ("none" if x is None else f"{x:.4g}" for x in (seen.value, seen.low, seen.high))
        return f"<{self.measurement.column}: {value} ({low} to {high}), n={seen.n}, subjects={seen.subjects}>"

    @property
    def overall(self) -> Estimate:
        return self.measurement.overall

    def by_group(self, attribute: str) -> pd.DataFrame:
        """One row a group: value, low, high, n, subjects, indicative; indexed by the attribute's values.

        Raises:
            UsageError: this measure has no groups by that attribute.
        """
        import pandas as pd

        self._check(attribute)
        rows = self.measurement.groups(attribute)
        names = attribute.split("*")
        keys = [tuple("not stated" if g.attributes[k] is None else g.attributes[k] for k in names) for g in rows]
        index = (
            pd.Index([k[0] for k in keys], name=names[0])
            if len(names) == 1
            else pd.MultiIndex.from_tuples(keys, names=names)
        )
        return pd.DataFrame([{f: getattr(g, f) for f in _GROUP} for g in rows], index=index)

    def disparities(self, attribute: str | None = None) -> pd.DataFrame:
        """One row an attribute and kind (`difference`, `ratio`, `max_geomean`, `gini`), or those of one attribute.

        The kinds of one attribute share one p: they test the same thing. `worst` and `best` are names of groups,
        `left_out` a list of them.

        Raises:
            UsageError: this measure has no groups by that attribute.
        """
        import pandas as pd

        if attribute is not None:
            self._check(attribute)
        rows = [
            {
                **{f: getattr(d, f) for f in _DISPARITY},
                "worst": None if d.worst is None else group_name(d.worst),
                "best": None if d.best is None else group_name(d.best),
                "left_out": [group_name(a) for a in d.left_out],
            }
            for d in self.measurement.disparities
            if attribute in (None, d.attribute)
        ]
        return pd.DataFrame(rows, columns=_DISPARITY)

    def pairs(self, attribute: str) -> pd.DataFrame:
        """One row a pair of groups with evidence: first minus second, and smaller over larger, with intervals and a p
        that hold for all pairs of the attribute together. Empty for an attribute of more than 12 groups.

        Raises:
            UsageError: this measure has no groups by that attribute.
        """
        import pandas as pd

        self._check(attribute)
        rows = [
            {**{f: getattr(p, f) for f in _PAIR}, "first": group_name(p.first), "second": group_name(p.second)}
            for p in self.measurement.pairs
            if p.attribute == attribute
        ]
        return pd.DataFrame(rows, columns=_PAIR)

    def _check(self, attribute: str) -> None:
        names = list(dict.fromkeys(attribute_name(g.attributes) for g in self.measurement.by_group))
        if attribute not in names:
            raise UsageError(
                "this audit has no such attribute", value=attribute, allowed=names, hint=nearest(attribute, names)
            )
