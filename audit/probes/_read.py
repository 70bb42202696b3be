"""From a folder to a checked probe set. Nothing is decoded yet."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from audit.errors import ProbeError, SettingsError, UsageError, nearest
from audit.probes import LAYOUTS, Layout, Listing, ProbeOptions, ProbeSet
from audit.probes._alignment import align
from audit.probes._config import NAME, ProbeFile, edges, read_config
from audit.probes._landmarks import LANDMARKS
from audit.probes._paths import Inside
from audit.probes._regions import read_regions
from audit.probes._roles import Asked, Roles, band_columns, choose, groupings, one_valued, strata
from audit.probes._sample import draw


def read(folder: Path, options: ProbeOptions) -> ProbeSet:
    """Layout, roles, paths, bands, groupings, sample, regions; see `audit.probes.read_probe`."""
    found = _found(folder, options.layout)
    config = found.config
    roles = choose(
        found.columns,
        _asked(options.label, config.label, folder, "label"),
        _asked(options.subject, config.subject, folder, "subject"),
        found.source,
    )
    paths = _image_paths(found, roles.path)
    _check_targets(found, roles)
    present = _present(found, paths)
    groups = _groups(found, roles, options)
    table = _table(groups, roles, paths)
    rows = _sampled(table, options)
    kept, raw = table.iloc[rows].reset_index(drop=True), groups.raw.iloc[rows]
    regions = read_regions(folder, raw, list(kept["path"]), config.regions, found.inside, found.source)
    _check_places(found, regions.names)
    aligned = next(a for a in (options.aligned, config.aligned, found.listing.aligned) if a is not None)
    notes = (
        *found.listing.notes,
        *_notes(roles, present, total=len(table), kept=len(kept), seed=options.seed),
        *one_valued(raw, roles, groups.asked, groups.usual),
        *regions.notes,
    )
    return ProbeSet(
        folder=folder,
        table=kept,
        label=roles.label,
        subject=roles.subject,
        groupings=groups.by,
        regions=regions.names,
        places={**{name: name for name in regions.names}, **config.places},
        aligned=aligned,
        manifest_sha256=_manifest_hash(found.files, paths),
        total=len(table),
        within=groups.within,
        notes=notes,
        region_sources=regions.sources,
        alignment=align(regions.landmarks.points) if regions.landmarks is not None and not aligned else None,
        files={name: _hash(folder / name) for name in (NAME, LANDMARKS) if (folder / name).is_file()},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """What stands in a probe folder."""

    folder: Path
    inside: Inside
    config: ProbeFile
    files: tuple[Path, ...]  # the manifest's
    listing: Listing

    @property
    def source(self) -> Path:
        """Where the rows stand, for a message."""
        return self.files[0] if self.files else self.folder

    @property
    def columns(self) -> list[str]:
        return [str(column) for column in self.listing.table.columns]


def _found(folder: Path, layout_name: str | None) -> _Found:
    """The folder's own settings and its rows; no path of it leads out of it."""
    if not folder.is_dir():
        what = "the probe set is a file, not a folder" if folder.exists() else "there is no such probe folder"
        raise UsageError(what, value=folder, where="--probe", hint="Give the folder that holds the images")
    inside = Inside(folder)
    inside.check(NAME, what="the settings file", where=folder)
    config = read_config(folder)
    layout = _layout(folder, layout_name)
    files = layout.files(folder)
    for file in files:
        if file.is_relative_to(folder):
            inside.check(file.relative_to(folder).as_posix(), what="the manifest", where=folder)
    found = _Found(folder=folder, inside=inside, config=config, files=files, listing=layout.read(folder))
    if len(found.listing.table) == 0:
        raise ProbeError("the probe set lists no image", where=found.source)
    return found


def _check_places(found: _Found, regions: Sequence[str]) -> None:
    """Whether `[probe.places]` says of a column that there is in which region that there is it stands."""
    for name, region in found.config.places.items():
        for what, value, known in (("column", name, found.columns), ("region", region, regions)):
            if value not in known:
                raise SettingsError(
                    f"the probe set has no such {what}",
                    value=value,
                    allowed=tuple(known),
                    where=f"{found.folder / NAME}: probe.places",
                    hint=nearest(value, known),
                )


def _layout(folder: Path, name: str | None) -> Layout:
    """The layout asked for; else the first that knows the folder: a manifest before all others, folders last."""
    if name is not None:
        return LAYOUTS.get(name)
    rank = {"manifest": 0, "folders": 2}
    for candidate in sorted(LAYOUTS.names(), key=lambda n: (rank.get(n, 1), n)):
        if LAYOUTS.get(candidate).matches(folder):
            return LAYOUTS.get(candidate)
    raise ProbeError(
        "the probe folder holds no manifest and no folder of images"
        if any(folder.iterdir())
        else "the folder is empty",
        where=folder,
        allowed="manifest.csv, manifest.parquet or manifest.jsonl, images in one folder a label (LABEL/0001.jpg), or a "
        "layout that is known: " + ", ".join(name for name in LAYOUTS.names() if name not in rank),
    )


def _asked(flag: str | None, own: str | None, folder: Path, role: str) -> Asked | None:
    if flag is not None:
        return Asked(name=flag, where=f"--{role}", by_flag=True)
    return Asked(name=own, where=f"{folder / NAME}: probe.{role}", by_flag=False) if own is not None else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Groups:
    """How the pictures are divided into groups."""

    raw: pd.DataFrame  # the rows, numbers replaced by bands
    asked: tuple[str, ...]  # groupings as they were typed or stand in the folder
    usual: tuple[str, ...]  # columns to group by where nothing was asked for
    by: tuple[tuple[str, ...], ...]
    within: tuple[tuple[str, ...], ...]


def _groups(found: _Found, roles: Roles, options: ProbeOptions) -> _Groups:
    flags = {name: edges(numbers, f"--band {name}") for name, numbers in options.bands.items()}
    bands = {**found.config.bands, **flags}
    raw = band_columns(found.listing.table, bands, found.source)
    asked = options.groups or found.config.groups
    where = "--group" if options.groups else f"{found.folder / NAME}: probe.groups"
    usual = (*found.listing.groups, *bands) if found.listing.groups else ()
    by = groupings(raw, roles, asked, where, usual)
    return _Groups(raw=raw, asked=asked, usual=usual, by=by, within=strata(raw, roles, options.within))


def _image_paths(found: _Found, column: str) -> list[str]:
    seen: dict[str, int] = {}
    for row, cell in enumerate(found.listing.table[column], start=1):
        where = f"{found.source}, row {row}"
        if cell is None:
            raise ProbeError(f"the cell `{column}` is empty", where=where, hint="Every row names an image")
        path = found.inside.check(cell, what="an image", where=where)
        if path in seen:
            raise ProbeError(f"the same image stands in rows {seen[path]} and {row}", value=path, where=found.source)
        seen[path] = row
    return list(seen)


def _check_targets(found: _Found, roles: Roles) -> None:
    """The pictures a generator should make: nothing here opens them, but no path may leave the folder."""
    raw = found.listing.table
    if "target" not in raw or roles.label == "target":
        return
    for row, cell in enumerate(raw["target"], start=1):
        if cell is not None:
            found.inside.check(cell, what="a target", where=f"{found.source}, row {row}")


def _present(found: _Found, paths: list[str]) -> int:
    """How many of the images are there."""
    present = sum(os.path.exists(f"{found.folder}/{path}") for path in paths)  # noqa: PTH110 - a third of the time
    if not present:
        raise ProbeError(
            f"none of the {len(paths)} images exists; the first is {paths[0]}",
            where=found.source,
            hint="Paths are relative to the probe folder",
        )
    return present


def _table(groups: _Groups, roles: Roles, paths: list[str]) -> pd.DataFrame:
    raw = groups.raw
    columns: dict[str, list[str | None]] = {
        "path": [*paths],
        "subject": list(raw[roles.subject]) if roles.subject is not None else [None] * len(raw),
        "label": list(raw[roles.label]),
    }
    for name in dict.fromkeys(name for group in (*groups.by, *groups.within) for name in group):
        columns[f"attribute.{name}"] = list(raw[name])
    return pd.DataFrame(columns, dtype=object)  # pandas' own string type would turn None into NaN


def _notes(roles: Roles, present: int, *, total: int, kept: int, seed: int) -> Iterator[str]:
    if roles.subject is None:
        yield "No subject column: every image counts as its own subject."
    if present < total:
        yield f"{total - present:,} of {total:,} images are listed and not there; they count as unreadable."
    if kept < total:
        yield (f"This is a sample: {kept:,} of {total:,} images (whole subjects, drawn by {roles.label}, seed {seed}).")


def _sampled(table: pd.DataFrame, options: ProbeOptions) -> list[int]:
    if options.limit is None or options.limit >= len(table):
        return list(range(len(table)))
    if options.limit < 1:
        raise UsageError("no images would be left", value=options.limit, allowed="1 or more", where="--limit")
    return [int(row) for row in draw(list(table["label"]), list(table["subject"]), options.limit, options.seed)]


def _manifest_hash(files: tuple[Path, ...], paths: list[str]) -> str:
    """SHA-256 of the manifest; of the sorted paths, one a line, where a layout has no such file."""
    if len(files) == 1:
        return _hash(files[0])
    text = "".join(f"{_hash(file)}\n" for file in files) if files else "".join(f"{path}\n" for path in sorted(paths))
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
