"""What was tested, and on whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from audit.result import attribute_name
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Facts, Section, Table, Text
from reports._grouped import LONGEST, longer_note
from reports._reading import Reading
from reports._wording import attribute_title, group_label, joined, shown

_NAMES = {"sha256": "SHA-256", "input": "Fed with", "facts": "Stated about the model", "cam": "CAM"}

_A_TABLE = (
    "This is an audit of a table of predictions: what a model said of each picture, written down elsewhere. The table "
    "is taken at its word. Which model made it, and how that model was fed, is not known here, and nothing inside the "
    "model could be seen, so there are no activations and no maps."
)


def tested(reading: Reading) -> Section:
    """The model file, how it was fed, the probe set's hashes."""
    model, probe, run = reading.result.model, reading.result.probe, reading.result.run
    first = {k: model[k] for k in ("file", "sha256") if k in model}
    stated = {k: v for k, v in {**first, **model}.items() if k != "layers" and v not in (None, {}, [])}
    rows = [
        *flat(stated),
        ("Probe set", size_of(probe)),
        ("Label", shown(reading.label)),
        ("Attributes", joined([shown(a) for a in probe.get("attributes", ())]) or "–"),
        *((f"{k.removesuffix('_sha256').capitalize()} SHA-256", str(v)) for k, v in probe.items() if "_sha256" in k),
        ("Computed on", joined([shown(run[k]) for k in ("device", "provider") if run.get(k)]) or "–"),
        ("Started", shown(run.get("started", "–"))),
        ("Made with", " ".join(shown(reading.result.tool.get(k, "")) for k in ("name", "version"))),
    ]
    facts = Facts(tuple(rows))
    said = (Text(_A_TABLE),) if model.get("format") == "predictions" else ()
    return Section(id="tested", title="What was tested", blocks=(*said, facts))


def coverage(reading: Reading) -> Section:
    """How many pictures of how many people each group has; what is missing and what could not be read."""
    probe = reading.result.probe
    blocks: list[Block] = [Text(f"The probe set holds {size_of(probe)}. {_unreadable(probe)}")]
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for cell in probe.get("cells", ()):
        cells.setdefault(attribute_name(cell["attributes"]), []).append(cell)
    blocks += [_cells_table(reading, attribute, rows) for attribute, rows in cells.items()]
    return Section(id="coverage", title="Coverage of the probe set", blocks=tuple(blocks))


def _cells_table(reading: Reading, attribute: str, cells: list[Mapping[str, Any]]) -> Table:
    fewest = reading.fewest
    rows = []
    for cell in cells[:LONGEST]:
        subjects = int(cell.get("subjects", 0))
        thin = "too few to judge" if 0 < subjects < fewest else "nobody" if subjects == 0 else ""
        name = group_label(cell["attributes"])
        rows.append(
            (Cell(name, thin, "weak" if thin else ""), Cell(numbers.count(cell.get("images"))), Cell(f"{subjects:,}"))
        )
    thin_note = f"Too few to judge: fewer than {fewest} subjects."
    return Table(
        caption=f"Images and subjects by {attribute_title(attribute)}",
        columns=(Column(attribute_title(attribute)), Column("Images", number=True), Column("Subjects", number=True)),
        rows=tuple(rows),
        note=" ".join(filter(None, (longer_note(len(cells)), thin_note if any(r[0].mark for r in rows) else ""))),
    )


def size_of(probe: Mapping[str, Any]) -> str:
    """`1,502 images of 1,467 subjects`."""
    images, subjects = int(probe.get("images", 0)), int(probe.get("subjects", 0))
    return f"{numbers.plural(images, 'image')} of {numbers.plural(subjects, 'subject')}"


def _unreadable(probe: Mapping[str, Any]) -> str:
    count = int(probe.get("unreadable", 0))
    if count == 0:
        return "Every picture could be read."
    be = "was" if count == 1 else "were"
    return f"{numbers.plural(count, 'picture')} could not be read and {be} not judged; the model is not at fault there."


def flat(block: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A block of the record as pairs to print: one line a key, an inner block in one line."""
    for key, value in block.items():
        name = _NAMES.get(key, shown(key).replace("_", " ").capitalize())
        if isinstance(value, Mapping):
            there = {k: v for k, v in value.items() if v is not None}
            text = "; ".join(f"{shown(k).replace('_', ' ')}: {_text(v)}" for k, v in there.items())
        else:
            text = _text(value)
        yield name, text or "–"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return shown(value if isinstance(value, str) else json.dumps(value, default=str), 400)
