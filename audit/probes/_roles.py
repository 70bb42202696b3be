"""What the columns of a probe set's table are for: path, label, subject, attributes, bands, groupings."""

from __future__ import annotations

import dataclasses
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import pandas as pd

from audit.errors import ProbeError, UsageError, nearest
from audit.groups import check_strata

PATHS = ("path", "file", "image", "filename")
LABELS = ("gender", "label")
SUBJECTS = ("subject", "identity", "person")
OTHER_ROLES = ("target", "verdict")
REGION = "region."

_FEW = 20  # a column with more distinct values is not grouped by unless asked for
_MANY = 1_000  # nor is one with more than this even then


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A name somebody gave, and where: by a flag, or in the probe folder's own file."""

    name: str
    where: str
    by_flag: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    path: str
    label: str
    subject: str | None


def choose(columns: list[str], label: Asked | None, subject: Asked | None, source: object) -> Roles:
    """The columns by the names asked for, else by the default ones.

    Raises UsageError (a name that was typed does not exist), ProbeError (the table lacks what it must have).
    """
    return Roles(
        path=_by_default(columns, PATHS, "image", source, "Add a column `path`: each image's file, below the folder"),
        label=_asked(columns, label, "label", source)
        if label
        else _by_default(columns, LABELS, "label", source, "Say which column it is: --label NAME"),
        subject=_asked(columns, subject, "subject", source)
        if subject
        else next((name for name in SUBJECTS if name in columns), None),
    )


def _asked(columns: list[str], asked: Asked, role: str, source: object) -> str:
    if asked.name in columns:
        return asked.name
    error = UsageError if asked.by_flag else ProbeError
    raise error(
        f"{source} has no {role} column of this name",
        value=asked.name,
        allowed=columns,
        where=asked.where,
        hint=nearest(asked.name, columns),
    )


def _by_default(columns: list[str], names: tuple[str, ...], role: str, source: object, hint: str) -> str:
    found = next((name for name in names if name in columns), None)
    if found is not None:
        return found
    near = next((text for text in (nearest(name, columns) for name in names) if text), None)
    raise ProbeError(
        f"the manifest has no {role} column: none is called {' or '.join(names)}; it has {', '.join(columns)}",
        where=source,
        hint=f"{near} {hint}" if near else hint,
    )


def band_columns(raw: pd.DataFrame, bands: Mapping[str, tuple[float, ...]], where: object) -> pd.DataFrame:
    """The table with numbers replaced by their bands: edges 0, 18, 30 give "0-17", "18-29" and "30+".

    Raises UsageError (no such column), ProbeError (a cell that is no number, or lies under the first edge).
    """
    columns = {}
    for name, edges in bands.items():
        if name not in raw:
            known = [str(column) for column in raw.columns]
            raise UsageError(
                "no such column to cut into bands", value=name, allowed=known, where="--band", hint=nearest(name, known)
            )
        words = _band_names(edges)
        columns[name] = [
            None if cell is None else words[_band(cell, edges, f"{where}, row {row}, column {name}")]
            for row, cell in enumerate(raw[name], start=1)
        ]
    return raw.assign(**{name: pd.Series(cells, index=raw.index, dtype=object) for name, cells in columns.items()})


def _band(cell: str, edges: tuple[float, ...], where: str) -> int:
    try:
        number = float(cell)
    except ValueError:
        number = float("nan")
    if not edges[0] <= number < float("inf"):
        raise ProbeError(
            "this value can't be put in a band", value=cell, allowed=f"a number from {edges[0]:g} on", where=where
        )
    return bisect_right(edges, number) - 1


def _band_names(edges: tuple[float, ...]) -> list[str]:
    """Bands of whole edges are "18-29", as years and counts are read; of others, "0.5 to under 1"."""
    whole = all(edge.is_integer() for edge in edges)
    names = []
    for low, high in itertools.pairwise(edges):
        if not whole:
            names.append(f"{low:g} to under {high:g}")
        else:
            names.append(f"{low:.0f}-{high - 1:.0f}" if high - low > 1 else f"{low:.0f}")
    return [*names, f"{edges[-1]:.0f}+" if whole else f"{edges[-1]:g}+"]


def groupings(
    raw: pd.DataFrame, roles: Roles, asked: tuple[str, ...], where: str, usual: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], ...]:
    """Tuples of attribute names to group by; the label alone comes first.

    Asked for: those, with `a*b` an intersection. Else every other column, or every `usual` one, with 2 to 20 distinct
    values.
    """
    columns = [str(column) for column in raw.columns]
    if asked:
        found = [_parse(text, columns, where) for text in asked]
    else:
        found = [(c,) for c in _others(raw, roles, usual) if 2 <= raw[c].nunique() <= _FEW]
    chosen = tuple(dict.fromkeys([(roles.label,), *found]))
    for group in chosen:
        _check_few(raw, group, where if group != (roles.label,) else "the label column")
    return chosen


def one_valued(raw: pd.DataFrame, roles: Roles, asked: tuple[str, ...], usual: tuple[str, ...] = ()) -> Iterator[str]:
    """A sentence about the columns that are to be grouped by, or would be, and have one value in all these rows."""
    if len(raw) == 1:
        return
    wanted = [name for text in asked for name in _parse(text, list(map(str, raw.columns)), "")]
    columns = dict.fromkeys([roles.label, *(wanted if asked else _others(raw, roles, usual))])
    found = {name: values[0] for name in columns if len(values := raw[name].dropna().unique()) == 1}
    if len(found) == 1:
        name, value = next(iter(found.items()))
        yield f"{name} has one value only ({value}), so there is nothing to compare by it."
    elif found:
        named = ", ".join(f"{name} ({value})" for name, value in found.items())
        yield f"These columns have one value only, so there is nothing to compare by them: {named}."


def _others(raw: pd.DataFrame, roles: Roles, usual: tuple[str, ...]) -> list[str]:
    """Columns that may be grouped by without being asked for."""
    taken = {roles.label, roles.subject, *PATHS, *OTHER_ROLES}
    return [c for c in usual or map(str, raw.columns) if c not in taken and not c.startswith(REGION)]


def strata(raw: pd.DataFrame, roles: Roles, asked: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Tuples of attribute names to compare groups within, `a*b` an intersection; what says whose or which picture it is
    makes no strata."""
    columns = [c for c in map(str, raw.columns) if c not in (roles.path, roles.subject) and not c.startswith(REGION)]
    found = tuple(dict.fromkeys(_parse(text, columns, "--within") for text in asked))
    for group in found:
        check_strata(raw[list(group)])
    return found


def _check_few(raw: pd.DataFrame, group: tuple[str, ...], where: str) -> None:
    count = len(raw[list(group)].dropna().drop_duplicates())
    if count > _MANY:
        raise UsageError(
            f"{'*'.join(group)} makes {count:,} groups",
            allowed=f"at most {_MANY:,}",
            where=where,
            hint=f"Cut a number into bands: --band {group[-1]}=0,18,30,45,60",
        )


def _parse(text: str, columns: list[str], where: str) -> tuple[str, ...]:
    if text in columns:
        return (text,)
    names = tuple(part.strip() for part in text.split("*"))
    for name in names:
        if name not in columns:
            raise UsageError(
                "no such column to group by", value=name, allowed=columns, where=where, hint=nearest(name, columns)
            )
    if len(set(names)) < len(names):
        raise UsageError("an intersection names a column twice", value=text, where=where)
    return names
