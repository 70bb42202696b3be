"""From a folder to a checked probe set. Nothing is decoded yet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from audit.errors import ProbeError, SettingsError, UsageError, nearest
from audit.probes import LAYOUTS, Layout, ProbeOptions, ProbeSet
from audit.probes._alignment import align
from audit.probes._config import NAME, ProbeFile, edges, read_config
from audit.probes._landmarks import LANDMARKS
from audit.probes._paths import Inside
from audit.probes._regions import read_regions
from audit.probes._roles import Asked, Roles, band_columns, choose, groupings, one_valued, strata
from audit.probes._sample import draw


def read(folder: Path, options: ProbeOptions) -> ProbeSet:
    """Layout, roles, paths, bands, groupings, sample, regions; see `audit.probes.read_probe`."""
    if not folder.is_dir():
        what = "the probe set is a file, not a folder" if folder.exists() else "there is no such probe folder"
        raise UsageError(what, value=folder, where="--probe", hint="Give the folder that holds the images")
    inside = Inside(folder)
    inside.check(NAME, what="the settings file", where=folder)
    config = read_config(folder)
    layout = _layout(folder, options.layout)
    files = layout.files(folder)
    for file in files:
        if file.is_relative_to(folder):
            inside.check(file.relative_to(folder).as_posix(), what="the manifest", where=folder)
    listing = layout.read(folder)
    raw = listing.table
    source = files[0] if files else folder
    if len(raw) == 0:
        raise ProbeError("the probe set lists no image", where=source)

    roles = choose(
        [str(column) for column in raw.columns],
        _asked(options.label, config.label, folder, "label"),
        _asked(options.subject, config.subject, folder, "subject"),
        source,
    )
    paths = _image_paths(raw, roles.path, inside, source)
    _check_targets(raw, roles, inside, source)
    present = sum(os.path.exists(f"{folder}/{path}") for path in paths)  # noqa: PTH110 - a third of the time
    if not present:
        raise ProbeError(
            f"none of the {len(paths)} images exists; the first is {paths[0]}",
            where=source,
            hint="Paths are relative to the probe folder",
        )
    bands = _bands(options, config)
    raw = band_columns(raw, bands, source)
    asked = options.groups or config.groups
    usual = (*listing.groups, *bands) if listing.groups else ()
    groups = groupings(raw, roles, asked, "--group" if options.groups else f"{folder / NAME}: probe.groups", usual)
    within = strata(raw, roles, options.within)
    table = _table(raw, roles, paths, (*groups, *within))
    notes = [*listing.notes, *_notes(roles, len(table), present)]
    rows = _sampled(table, options)
    if len(rows) < len(table):
        notes.append(
            f"This is a sample: {len(rows):,} of {len(table):,} images (whole subjects, drawn by {roles.label}, "
            f"seed {options.seed})."
        )
    notes += one_valued(raw.iloc[rows], roles, asked, usual)
    kept = table.iloc[rows].reset_index(drop=True)
    regions = read_regions(folder, raw.iloc[rows], list(kept["path"]), config.regions, inside, source)
    _check_places(config, [str(column) for column in raw.columns], regions.names, folder)
    aligned = next(a for a in (options.aligned, config.aligned, listing.aligned) if a is not None)
    return ProbeSet(
        folder=folder,
        table=kept,
        label=roles.label,
        subject=roles.subject,
        groupings=groups,
        regions=regions.names,
        places={**{name: name for name in regions.names}, **config.places},
        aligned=aligned,
        manifest_sha256=_manifest_hash(files, paths),
        total=len(table),
        within=within,
        notes=(*notes, *regions.notes),
        region_sources=regions.sources,
        alignment=align(regions.landmarks.points) if regions.landmarks is not None and not aligned else None,
        files={name: _hash(folder / name) for name in (NAME, LANDMARKS) if (folder / name).is_file()},
    )


def _check_places(config: ProbeFile, columns: Sequence[str], regions: Sequence[str], folder: Path) -> None:
    """Whether `[probe.places]` says of a column that there is in which region that there is it stands."""
    for name, region in config.places.items():
        for what, value, known in (("column", name, columns), ("region", region, regions)):
            if value not in known:
                raise SettingsError(
                    f"the probe set has no such {what}",
                    value=value,
                    allowed=tuple(known),
                    where=f"{folder / NAME}: probe.places",
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


def _bands(options: ProbeOptions, config: ProbeFile) -> dict[str, tuple[float, ...]]:
    flags = {name: edges(numbers, f"--band {name}") for name, numbers in options.bands.items()}
    return {**config.bands, **flags}


def _image_paths(raw: pd.DataFrame, column: str, inside: Inside, source: object) -> list[str]:
    seen: dict[str, int] = {}
    for row, cell in enumerate(raw[column], start=1):
        where = f"{source}, row {row}"
        if cell is None:
            raise ProbeError(f"the cell `{column}` is empty", where=where, hint="Every row names an image")
        path = inside.check(cell, what="an image", where=where)
        if path in seen:
            raise ProbeError(f"the same image stands in rows {seen[path]} and {row}", value=path, where=source)
        seen[path] = row
    return list(seen)


def _check_targets(raw: pd.DataFrame, roles: Roles, inside: Inside, source: object) -> None:
    """The pictures a generator should make: nothing here opens them, but no path may leave the folder."""
    if "target" not in raw or roles.label == "target":
        return
    for row, cell in enumerate(raw["target"], start=1):
        if cell is not None:
            inside.check(cell, what="a target", where=f"{source}, row {row}")


def _table(raw: pd.DataFrame, roles: Roles, paths: list[str], groups: tuple[tuple[str, ...], ...]) -> pd.DataFrame:
    columns: dict[str, list[str | None]] = {
        "path": [*paths],
        "subject": list(raw[roles.subject]) if roles.subject is not None else [None] * len(raw),
        "label": list(raw[roles.label]),
    }
    for name in dict.fromkeys(name for group in groups for name in group):
        columns[f"attribute.{name}"] = list(raw[name])
    return pd.DataFrame(columns, dtype=object)  # pandas' own string type would turn None into NaN


def _notes(roles: Roles, images: int, present: int) -> Iterator[str]:
    if roles.subject is None:
        yield "No subject column: every image counts as its own subject."
    if present < images:
        yield f"{images - present:,} of {images:,} images are listed and not there; they count as unreadable."


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
