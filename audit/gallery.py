"""The misjudged pictures themselves, for `--faces`: which ones, and as thumbnails that a report can hold.

Faces leave the probe folder by this door only, and only when somebody asks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from audit.errors import UnusableInput, UsageError
from audit.groups import subject_codes
from audit.probes._images import Unreadable, decode, quiet_pillow, read_bytes
from audit.probes._paths import Inside
from audit.result import Attributes, AuditResult, Face

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 4  # as many as the report has sentences for
MOST_FACES = 12  # a group
LONGEST = 112  # pixels of a thumbnail's longer side

_HEADLINE = "wrong_label_rate"
_ATTRIBUTE, _SCORE = "attribute.", "score."
_NEEDED = ("path", "image_sha256", "subject", "label", "decision")


def with_faces(result: AuditResult, probe: str | Path | None = None) -> AuditResult:
    """The same result with a gallery of misjudged pictures, for the HTML and PDF reports only.

    Args:
        result: an audit with its per-item table.
        probe: the probe set's folder; None takes the one that the record names.

    Raises:
        UsageError: there is no such folder, or no per-item table.
        ProbeError: the record names a picture outside the folder.
        UnusableInput: the per-item table is broken.
    """
    return dataclasses.replace(result, faces=pick(result, _folder(result, probe)))


def pick(result: AuditResult, probe_folder: Path) -> tuple[Face, ...]:
    """The most confident mistakes of each group that a clear finding names as the worst; of all pictures where there
    is no such finding. Nobody is shown twice: who stands in one group's gallery is passed over in the next.

    Raises as `with_faces` does.
    """
    errors = result.find(_HEADLINE)
    if errors is None:
        return ()
    items = _items(result, errors.column)
    wrong = items[_equal(items[errors.column], 1)]
    thumbnails = _Thumbnails(probe_folder)
    shown: set[int] = set()
    faces = []
    for group in worst_groups(result) or ({},):
        left = _of_group(wrong[~wrong["owner"].isin(shown)], group)
        for row in _most_confident(left):
            shown.add(row["owner"])
            faces.append(_face(row, group, thumbnails))
    return tuple(faces)


def worst_groups(result: AuditResult) -> tuple[Attributes, ...]:
    """Groups that the clear differences of the headline measure name as the worst, the clearest first."""
    errors = result.find(_HEADLINE)
    clear = [d for d in errors.disparities if d.clear and d.worst is not None] if errors else []
    clear.sort(key=lambda d: (-(d.low or 0.0), d.attribute.count("*")))
    return tuple(d.worst for d in clear[:MOST_GROUPS] if d.worst is not None)


def _folder(result: AuditResult, probe: str | Path | None) -> Path:
    named = probe if probe is not None else result.run.get("probe")
    if named is None:
        raise UsageError("the record does not say where the probe set is", hint="Name its folder in audit.with_faces")
    folder = Path(str(named))
    if not folder.is_dir():
        raise UsageError(
            "the probe folder is not there, and faces are taken from it",
            value=folder,
            where="--faces",
            hint="Put it back, work where the audit was run if the path is relative, or leave out --faces",
        )
    return folder


def _items(result: AuditResult, column: str) -> pd.DataFrame:
    """The per-item table, with each decision's own score and whose picture it is, as a number."""
    import pandas as pd

    try:
        items = result.items
    except (OSError, ValueError) as error:
        raise UnusableInput(f"the per-item table can't be read: {error}", where=result.records) from error
    missing = [name for name in (*_NEEDED, column) if name not in items]
    if missing:
        raise UnusableInput(f"the per-item table lacks {', '.join(missing)}", hint="Run the audit again")
    confidence = pd.Series(float("nan"), index=items.index)
    for name in (str(c) for c in items if str(c).startswith(_SCORE)):
        confidence = confidence.mask(_equal(items["decision"], name.removeprefix(_SCORE)), items[name])
    return items.assign(confidence_of_decision=confidence, owner=subject_codes(items))


def _equal(column: pd.Series[Any], value: object) -> pd.Series[bool]:
    """Where the column has this value; a missing one, of whatever kind, has none."""
    return (column == value).fillna(value=False).astype(bool)


def _of_group(items: pd.DataFrame, group: Attributes) -> pd.DataFrame:
    for name, value in group.items():
        if _ATTRIBUTE + name not in items:
            raise UnusableInput(f"the per-item table lacks {_ATTRIBUTE}{name}", hint="Run the audit again")
        column = items[_ATTRIBUTE + name]
        items = items[column.isna() if value is None else _equal(column, value)]
    return items


def _most_confident(items: pd.DataFrame) -> Iterator[Mapping[Any, Any]]:
    """Rows, the highest score of the wrong decision first (then by path), one a subject. A table of decisions has no
    scores: then by path alone."""
    ranked = items.sort_values(["confidence_of_decision", "path"], ascending=[False, True], kind="stable")
    return iter(ranked.drop_duplicates("owner").head(MOST_FACES).to_dict("records"))


def _face(row: Mapping[Any, Any], group: Attributes, thumbnails: _Thumbnails) -> Face:
    jpeg, left_out = thumbnails.take(str(row["path"]), str(row["image_sha256"]))
    attributes = {str(k).removeprefix(_ATTRIBUTE): v for k, v in row.items() if str(k).startswith(_ATTRIBUTE)}
    return Face(
        group=group,
        attributes={k: v if isinstance(v, str) else None for k, v in attributes.items()},
        label=str(row["label"]),
        decision=str(row["decision"]),
        confidence=None if math.isnan(row["confidence_of_decision"]) else float(row["confidence_of_decision"]),
        jpeg=jpeg,
        left_out=left_out,
    )


class _Thumbnails:
    """Thumbnails of one probe folder's pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inside = Inside(folder)

    def take(self, path: str, sha256: str) -> tuple[bytes | None, str]:
        """The JPEG, or None and why not. Raises ProbeError where `path` leaves the folder."""
        checked = self._inside.check(path, what="an image", where="the per-item table")
        try:
            data = read_bytes(self._folder / checked)
            if hashlib.sha256(data).hexdigest() != sha256:
                return None, "the file is not the one that was audited"
            with warnings.catch_warnings():
                quiet_pillow()
                return thumbnail(decode(data)), ""
        except Unreadable as error:
            return None, str(error)


def thumbnail(image: Image.Image) -> bytes:
    """A picture (mode L or RGB) as a small JPEG with nothing but pixels in it."""
    small = image.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", small.size)  # a new picture has no comment, no Exif, no profile to hand on
    bare.paste(small)
    stream = io.BytesIO()
    bare.save(stream, "JPEG", quality=85)
    return stream.getvalue()
