"""`bias-audit.toml` in a probe folder: `[probe]` and `[regions]`, nothing else.

A probe folder comes from outside, so it can say how it is to be read and can't switch any other option.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit._toml import read_toml
from audit.errors import SettingsError, nearest

NAME = "bias-audit.toml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeFile:
    """What the folder says of itself. `regions` is checked where the regions are read."""

    label: str | None = None
    subject: str | None = None
    groups: tuple[str, ...] = ()
    bands: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    aligned: bool | None = None
    regions: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    places: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read_config(folder: Path) -> ProbeFile:
    """The folder's own settings, empty where it has none. Raises SettingsError with the key path."""
    path = folder / NAME
    if not path.is_file():
        return ProbeFile()
    try:
        tables = read_toml(path)  # no larger and no deeper than a settings file is: the folder is untrusted
    except SettingsError as error:
        raise SettingsError(f"the file is no TOML that can be read: {error.what}", where=path) from None
    for name in tables:
        if name not in ("probe", "regions"):
            raise SettingsError(
                "a probe folder can't set this",
                value=name,
                allowed=("[probe]", "[regions]"),
                where=path,
                hint="Options of a run stand in [run] of bias-audit.toml in the folder that you work in",
            )
    probe, regions = (
        _expect(tables.get(name, {}), dict, "a table", f"{path}: {name}") for name in ("probe", "regions")
    )
    return _probe(probe, regions, path)


def _probe(probe: Mapping[str, Any], regions: Mapping[str, Any], path: Path) -> ProbeFile:
    known = ("label", "subject", "groups", "aligned", "bands", "places")
    for key in probe:
        if key not in known:
            raise SettingsError(
                "unknown key", value=key, allowed=known, where=f"{path}: probe", hint=nearest(key, known)
            )
    where = f"{path}: probe."
    texts = {
        key: _expect(probe[key], str, "a column's name", where + key) for key in ("label", "subject") if key in probe
    }
    groups = _expect(probe.get("groups", []), list, "a list of columns", where + "groups")
    bands, places = (_expect(probe.get(key, {}), dict, "a table", where + key) for key in ("bands", "places"))
    return ProbeFile(
        **texts,
        groups=tuple(_expect(group, str, "a column's name", where + "groups") for group in groups),
        bands={name: edges(numbers, f"{where}bands.{name}") for name, numbers in bands.items()},
        aligned=_expect(probe["aligned"], bool, "true or false", where + "aligned") if "aligned" in probe else None,
        regions=regions,
        places={
            name: _expect(region, str, "a region's name", f"{where}places.{name}") for name, region in places.items()
        },
    )


def edges(numbers: Any, where: str) -> tuple[float, ...]:
    """The edges of bands: at least two numbers, each larger than the one before."""
    fine = isinstance(numbers, list | tuple) and len(numbers) > 1 and all(map(is_number, numbers))
    if not fine or any(low >= high for low, high in itertools.pairwise(numbers)):
        raise SettingsError(
            "these are no edges of bands", value=numbers, allowed="two or more numbers, ascending", where=where
        )
    return tuple(map(float, numbers))


def is_number(value: object) -> bool:
    """Whether TOML gave a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _expect(value: Any, kind: type, words: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise SettingsError("wrong kind of value", value=value, allowed=words, where=where)
    return value
