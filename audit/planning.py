"""Before the first batch: what this model and this probe set can give together, and why the rest can't be had."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from audit._inside import Inside, asked_in_vain, look_inside, request
from audit._map_plan import Maps, ready
from audit._model_block import model_block
from audit._reading import Reading, output_spec, read_model
from audit.engines import Plan
from audit.measures import TARGETS, Context, Measure, plan
from audit.probes import ProbeOptions, ProbeSet
from audit.result import Skipped
from audit.settings import RunSettings

if TYPE_CHECKING:
    from audit.runtimes import Model
    from audit.tasks import OutputSpec

_NOT_ALIGNED = (
    "mean maps by group need faces that stand at the same place in every picture: "
    "say so with `aligned = true` in [probe] of bias-audit.toml, or give landmarks68.csv"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan, and what the record says of the model and of what can't be had."""

    plan: Plan
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    model: dict[str, Any]  # the record's block, without the hash


def probe_options(settings: RunSettings) -> ProbeOptions:
    """The part of the settings that the probe set is read with."""
    return ProbeOptions(
        label=settings.label,
        subject=settings.subject,
        groups=settings.groups,
        bands=settings.bands,
        within=settings.within,
        layout=settings.layout,
        limit=settings.limit,
        seed=settings.seed,
    )


def prepare(model: Model, probe: ProbeSet, settings: RunSettings) -> Prepared:
    """Bring model, probe set and settings together, and set the model up for one pass that gives everything.

    Raises UsageError (a name that was typed does not exist), ModelError, ProbeError (a label the model can't say).
    """
    reading = read_model(model, probe, settings)
    inside = look_inside(reading)
    measures, skipped = plan(_context(reading, inside))
    model.prepare(request(reading, inside))
    output, looked = output_spec(reading)
    maps = ready(inside.cam, reading, output) if inside.cam else None
    made = _plan(reading, inside, output, measures, maps)
    if maps is not None and not made.mean_maps:
        skipped += (Skipped(measure="mean_map", reason=_NOT_ALIGNED),)
    told = maps.cost() if maps else asked_in_vain(reading, inside)
    return Prepared(
        plan=made,
        skipped=skipped,
        notes=(*reading.notes, *looked, *probe.notes, *reading.description.notes, *told),
        model=model_block(reading, inside, output, maps),
    )


def _context(reading: Reading, inside: Inside) -> Context:
    """What the measures are chosen by."""
    return Context(
        label=reading.probe.label,
        classes=reading.classes,
        positive=reading.positive,
        layers=inside.layers,
        layers_missing=inside.layers_missing,
        regions=reading.probe.regions,
        cam=inside.cam.method.name if inside.cam else None,
        cam_missing=inside.cam_missing,
        rivals_missing=inside.rivals_missing,
        evidence_missing=inside.evidence_missing,
        scores_missing=reading.scores_missing,
        asked_elsewhere=reading.description.answers is not None,
    )


def _plan(
    reading: Reading, inside: Inside, output: OutputSpec, measures: tuple[Measure, ...], maps: Maps | None
) -> Plan:
    from audit.features import drawn
    from audit.groups import make_groupings, subject_codes

    probe, settings = reading.probe, reading.settings
    groupings = make_groupings(probe.table, probe.groupings)
    evidence = maps is not None and inside.evidence_missing is None and bool(probe.regions)
    return Plan(
        model=reading.model,
        probe=probe,
        input=reading.input,
        task=reading.task,
        output=output,
        measures=measures,
        mapper=maps.mapper if maps else None,
        evidence=maps.evidence if maps and evidence else None,
        rivals=maps is not None and inside.rivals_missing is None,
        targets=TARGETS,
        regions=probe.regions if maps else (),
        groupings=groupings,
        mean_maps=maps is not None and (probe.aligned or probe.alignment is not None),
        sample=drawn([g.codes for g in groupings], subject_codes(probe.table), settings.seed),
        batch_size=settings.batch_size,
        workers=settings.workers or min(os.cpu_count() or 1, 8),
    )
