"""The maps of a run before the first batch: the method made ready, what it costs, what is recorded of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audit._prior import sample_activations, sample_rows
from audit.cams import CAMS, CamChoice, Mapper

if TYPE_CHECKING:
    from audit._reading import Reading
    from audit.tasks import OutputSpec

EVIDENCE = "infocam"  # the method whose cells add up to logits


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """A method that is ready to make maps."""

    chosen: CamChoice
    mapper: Mapper
    sample: Mapping[str, int]  # pictures of each class that the method learned from, if it learns

    @property
    def evidence(self) -> Mapper:
        """Signed maps in logits, of the same head."""
        return Mapper(method=CAMS.get(EVIDENCE), head=self.chosen.head)

    def cost(self) -> Iterator[str]:
        """What a map takes beside the one pass that every picture goes through."""
        method = self.chosen.method
        if self.chosen.extra_passes:
            yield (
                f"{method.title} runs {method.repeats} once more for every channel of the layer {self.chosen.layer}: "
                f"{self.chosen.extra_passes:,} times a picture."
            )
        if self.sample:
            pictures = sum(self.sample.values())
            yield f"{method.title} learned from {pictures:,} pictures of the probe set, looked at before the run."

    def block(self) -> dict[str, Any]:
        """What the record says of the method."""
        method = self.chosen.method
        return {
            "method": method.name,
            "title": method.title,
            "layer": self.chosen.layer,
            "reason": self.chosen.reason,
            "formula": method.formula,
            "source": method.source,
            "signed": method.signed,
            "extra_passes": self.chosen.extra_passes,
            "sample": dict(self.sample) or None,
        }


def ready(chosen: CamChoice, reading: Reading, output: OutputSpec) -> Maps:
    """The method with all that it needs beside a batch: how pictures lie in memory, what it learns from a sample."""
    method, head = chosen.method, chosen.head
    model, probe = reading.model, reading.probe
    sample = sample_rows(probe, output.classes, reading.settings.seed) if method.fit else {}
    seen = sample_activations(model, probe, reading.input, sample)
    mapper = Mapper(
        method=method,
        head=head,
        final=output.final,
        channels_last=reading.input.layout == "NHWC",
        fitted=method.fit(seen, head) if method.fit and head else None,
    )
    return Maps(chosen=chosen, mapper=mapper, sample={output.classes[k]: len(rows) for k, rows in sample.items()})
