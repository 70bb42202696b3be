"""What an audit found, as plain values: the record. To and from JSON; format number 1.

Changes of the format: 1, the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit._json import json_bytes
from audit._map_rows import DifferenceMap, MeanMap
from audit._rows import (
    PICTURE_QUALITY,
    Attributes,
    Disparity,
    Estimate,
    Face,
    Family,
    GroupEstimate,
    Measurement,
    Pair,
    Skipped,
    Stratum,
    Within,
    attribute_name,
    column_name,
    group_name,
    measurement_of,
    plain,
)
from audit._trust_rows import (
    INCONCLUSIVE,
    NOT_SUPPORTED,
    SUPPORTED,
    Trust,
    TrustCheck,
    TrustCurves,
    TrustLevel,
    trust_of,
)
from audit.errors import UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from audit.result_tables import MeasurementTable

__all__ = [
    "FORMAT",
    "INCONCLUSIVE",
    "NOT_SUPPORTED",
    "PICTURE_QUALITY",
    "SUPPORTED",
    "Attributes",
    "AuditResult",
    "DifferenceMap",
    "Disparity",
    "Estimate",
    "Face",
    "Family",
    "GroupEstimate",
    "MeanMap",
    "Measurement",
    "Pair",
    "Skipped",
    "Stratum",
    "Trust",
    "TrustCheck",
    "TrustCurves",
    "TrustLevel",
    "Within",
    "attribute_name",
    "column_name",
    "group_name",
]

FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditResult:
    """Everything an audit found. The dictionaries are the blocks of `audit.json` (interface page, section 4).

    `verdict` is the block that `gate.Verdict.to_json()` gives, or None when nothing was judged.
    """

    model: Mapping[str, Any]
    probe: Mapping[str, Any]
    settings: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    skipped: tuple[Skipped, ...]
    tool: Mapping[str, Any]
    run: Mapping[str, Any]
    families: tuple[Family, ...] = ()  # who is adjusted with whom
    notes: tuple[str, ...] = ()  # what a reader must know first, as sentences
    verdict: Mapping[str, Any] | None = None
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mean_maps: tuple[MeanMap, ...] = ()
    trust: Trust | None = None  # whether focus can be read off the maps; None: not looked into
    difference_maps: tuple[DifferenceMap, ...] = ()
    records: pd.DataFrame | Path | None = None  # records.parquet: the table, or where it lies
    faces: tuple[Face, ...] = ()  # only by `audit.with_faces`; in no file of the record

    @property
    def items(self) -> pd.DataFrame:
        """The per-item table: one row an image (interface page, section 4)."""
        import pandas as pd

        if self.records is None:
            raise UsageError("this result was made without its per-item table")
        return pd.read_parquet(self.records) if isinstance(self.records, Path) else self.records

    def find(self, measure: str, parameters: Mapping[str, str] | None = None) -> Measurement | None:
        """The model's own measurement of this name; without parameters the first one listed."""
        for found in self.measurements:
            if found.measure == measure and found.of is None and parameters in (None, dict(found.parameters)):
                return found
        return None

    def all(self, measure: str) -> tuple[Measurement, ...]:
        return tuple(m for m in self.measurements if m.measure == measure and m.of is None)

    def difference_map(self, attribute: str, group: str | Attributes) -> DifferenceMap:
        """Where the maps of one group differ from those of the others: `difference_map("skin", "dark")`.

        Args:
            attribute: "skin", "gender*skin"; "decision": wrong against right answers of a class.
            group: as the record has it, or its values joined by `*`.

        Raises:
            UsageError: there is no such map.
        """
        known = {group_name(m.group): m for m in self.difference_maps if m.attribute == attribute}
        name = group if isinstance(group, str) else group_name(group)
        if name in known:
            return known[name]
        if not known:
            names = list(dict.fromkeys(m.attribute for m in self.difference_maps))
            about = (s for s in self.skipped if s.measure in ("difference_map", "mean_map", "cam"))
            why = next((s.reason for s in about if s.attribute in (None, attribute)), None)
            raise UsageError(f"no difference maps: {why or 'no such attribute'}", value=attribute, allowed=names)
        raise UsageError("no such group in the difference maps", value=name, allowed=list(known))

    def __getitem__(self, asked: str | tuple[str, Mapping[str, str]]) -> MeasurementTable:
        """By measure name, or by full column name (`relevance_mass[cam=cam,…]`). Of a measure with several variants the
        first one listed that has these parameters: `result["relevance_mass", {"region": "mouth"}]`.

        Raises:
            UsageError: there is no such measure or variant, or why it was skipped.
        """
        name, parameters = (asked, {}) if isinstance(asked, str) else asked
        named = [m for m in self.measurements if name in (m.measure, m.column)]
        for found in named:
            if parameters.items() <= found.parameters.items():
                from audit.result_tables import MeasurementTable

                return MeasurementTable(found)
        if named:
            raise _no_variant(name, parameters, named)
        why = next((s.reason for s in self.skipped if name in (s.measure, column_name(s.measure, s.parameters))), None)
        if why is not None:
            raise UsageError(f"{name} was skipped: {why}")
        names = sorted({m.measure for m in self.measurements})
        raise UsageError("no such measure in this audit", value=name, allowed=names, hint=nearest(name, names))

    def to_json(self) -> dict[str, Any]:
        """The record, ready for `json.dumps`: no NaN, keys in a fixed order."""
        return {
            "format": FORMAT,
            "tool": dict(self.tool),
            "notes": list(self.notes),
            "model": dict(self.model),
            "probe": dict(self.probe),
            "settings": dict(self.settings),
            "measurements": [plain(m) for m in self.measurements],
            "skipped": [plain(s) for s in self.skipped],
            "families": [plain(f) for f in self.families],
            "trust": plain(self.trust),
            "difference_maps": [m.to_json(float(self.settings.get("alpha", 0.05))) for m in self.difference_maps],
            "verdict": dict(self.verdict) if self.verdict is not None else {"status": "not judged", "rules": []},
            "files": dict(self.files),
            "run": dict(self.run),
        }

    def to_bytes(self) -> bytes:
        """The bytes of `audit.json`."""
        return json_bytes(self.to_json())

    @classmethod
    def from_json(
        cls,
        record: Mapping[str, Any],
        *,
        mean_maps: Iterable[MeanMap] = (),
        difference_maps: Iterable[DifferenceMap] = (),
        records: Path | None = None,
    ) -> AuditResult:
        """The inverse of `to_json`. Raises UsageError on another format number."""
        if record.get("format") != FORMAT:
            raise UsageError("this record has another format", value=record.get("format"), allowed=str(FORMAT))
        return cls(
            model=record["model"],
            probe=record["probe"],
            settings=record["settings"],
            measurements=tuple(measurement_of(m) for m in record["measurements"]),
            skipped=tuple(Skipped(**s) for s in record["skipped"]),
            families=tuple(Family(**{**f, "measures": tuple(f["measures"])}) for f in record.get("families", ())),
            trust=trust_of(record.get("trust")),
            tool=record["tool"],
            run=record["run"],
            notes=tuple(record.get("notes", ())),
            verdict=record.get("verdict"),
            files=record.get("files", {}),
            mean_maps=tuple(mean_maps),
            difference_maps=tuple(difference_maps),
            records=records,
        )


def _no_variant(name: str, parameters: Mapping[str, str], known: Iterable[Measurement]) -> UsageError:
    """What is wrong with these parameters: the first that no variant has, else all of them together."""
    for key, value in parameters.items():
        values = list(dict.fromkeys(m.parameters[key] for m in known if key in m.parameters))
        if value not in values:
            hint = nearest(str(value), values)
            return UsageError(f"{name} has no such variant", value=f"{key}={value}", allowed=values, hint=hint)
    return UsageError(f"{name} has no variant with all of these parameters", value=dict(parameters))
