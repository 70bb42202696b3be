"""What the record says of the model, but for its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit._inside import Inside
    from audit._map_plan import Maps
    from audit._reading import Reading
    from audit.tasks import OutputSpec


def model_block(reading: Reading, inside: Inside, output: OutputSpec, maps: Maps | None) -> dict[str, Any]:
    """The record's `model`."""
    model, said, answers = reading.model, reading.said, reading.description.answers
    decided = answers is not None and answers.decided
    return {
        "file": model.path.name,
        "format": model.format,
        "task": said.task,
        "classes": list(reading.classes),
        "positive": said.positive,
        "threshold": None if decided else said.threshold,
        "abstain_below": None if decided else said.abstain_below,
        "output": reading.tensor.name,
        "final": output.final if reading.scores_missing is None else None,
        "input": {**reading.input.to_json(), "sha256": reading.input.digest()} if model.inputs else None,
        "facts": dict(said.facts),
        "layers": _layers(reading, inside),
        "cam": maps.block() if maps else None,
    }


def _layers(reading: Reading, inside: Inside) -> list[dict[str, Any]]:
    tapped = {layer.name for layer in inside.layers}
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.shape),
            "depth": layer.depth,
            "tapped": layer.name in tapped,
            "clipped_at_zero": not layer.non_negative,
            "reason": layer.reason,
        }
        for layer in reading.description.layers
    ]
