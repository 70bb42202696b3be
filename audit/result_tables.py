"""A measurement as tidy pandas tables: what `result["wrong_label_rate"]` gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from audit.errors import UsageError, nearest
from audit.result import Estimate, Measurement, Pair, attribute_name

if TYPE_CHECKING:
    import pandas as pd


class MeasurementTable:
    """A measurement as tidy pandas tables: `result["wrong_label_rate"].by_group("skin")`."""

    def __init__(self, measurement: Measurement) -> None:
        self.measurement = measurement

    @property
    def overall(self) -> Estimate:
        return self.measurement.overall

    def by_group(self, attribute: str) -> pd.DataFrame:
        """One row a group: value, low, high, n, subjects, indicative; indexed by the attribute's values."""
        import pandas as pd

        rows = self.measurement.groups(attribute)
        if not rows:
            names = list(dict.fromkeys(attribute_name(g.attributes) for g in self.measurement.by_group))
            raise UsageError(
                "this audit has no such attribute", value=attribute, allowed=names, hint=nearest(attribute, names)
            )
        names = attribute.split("*")
        keys = [tuple("not stated" if g.attributes[k] is None else g.attributes[k] for k in names) for g in rows]
        index = (
            pd.Index([k[0] for k in keys], name=names[0])
            if len(names) == 1
            else pd.MultiIndex.from_tuples(keys, names=names)
        )
        fields = ("value", "low", "high", "n", "subjects", "indicative")
        return pd.DataFrame([{f: getattr(g, f) for f in fields} for g in rows], index=index)

    def disparities(self) -> pd.DataFrame:
        """One row an attribute and kind."""
        import pandas as pd

        fields = ("attribute", "kind", "value", "low", "high", "p_value", "p_adjusted", "worst", "best", "descriptive")
        return pd.DataFrame([{f: getattr(d, f) for f in fields} for d in self.measurement.disparities], columns=fields)

    def pairs(self, attribute: str) -> pd.DataFrame:
        """One row a pair of groups of one attribute, with simultaneous intervals."""
        import pandas as pd

        fields = [f.name for f in dataclasses.fields(Pair)]
        rows = [p for p in self.measurement.pairs if p.attribute == attribute]
        return pd.DataFrame([{f: getattr(p, f) for f in fields} for p in rows], columns=fields)
