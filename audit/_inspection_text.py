"""What `bias-audit inspect` prints for a person."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from audit.errors import printable

if TYPE_CHECKING:
    from audit.inputs import InputSpec
    from audit.inspection import Inspection
    from audit.runtimes import Answers, Description, Layer, TensorSpec

UNREAD = "behind it only the class token is read, so a map of its cells would say nothing"


def as_text(seen: Inspection) -> str:
    """At most 80 columns but for long names."""
    return "\n".join(_wrapped(printable(line)) for line in _lines(seen))


def shape_text(tensor: TensorSpec) -> str:
    return _shape(tensor.shape)


def _shape(shape: Sequence[int | None], batch: int | None = None) -> str:
    """`batch`: the only one that the model takes, where its file does not say so itself."""
    known = [batch if place == 0 and n is None else n for place, n in enumerate(shape)]
    return "[" + ", ".join("any" if n is None else str(n) for n in known) + "]"


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 80, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)


def _lines(seen: Inspection) -> Iterator[str]:
    if seen.description is not None and seen.description.answers is not None:
        yield f"{seen.path.name}: a table of predictions"
        yield from _answers_lines(seen.description.answers)
        yield f"  inside         nothing: {seen.description.closed}"
        yield from (f"  note           {note}" for note in seen.notes)
        return
    fixed = f", batch fixed at {seen.batch}" if seen.batch else ""
    yield f"{seen.path.name}: {seen.format}, runs on {seen.provider}{fixed}"
    for kind, tensors in (("input ", seen.inputs), ("output", seen.outputs)):
        yield from (f"  {kind}  {t.name}  {_shape(t.shape, seen.batch)} {t.dtype}" for t in tensors)
    yield ""
    yield from _settings_lines(seen)
    if seen.description is not None:
        yield ""
        yield from _layer_lines(seen, seen.description)
        yield ""
        yield from _cam_lines(seen)


def _settings_lines(seen: Inspection) -> Iterator[str]:
    yield "Settings: " + (", ".join(p.name for p in seen.said.sources) or "nothing found beside the model")
    if seen.said.output:
        yield f"  output      {seen.said.output}"
    if seen.said.classes:
        shown = seen.said.classes
        yield "  classes     " + ", ".join(shown[:8]) + (f", … ({len(shown)})" if len(shown) > 8 else "")
    if seen.spec is not None:
        spec = seen.spec
        yield f"  picture     {spec.size[0]} x {spec.size[1]} {spec.color}, {spec.layout}, {spec.resize}, {spec.fit}"
        yield f"  pixels      {_pixels(spec)}"
    yield from (f"  note        {note}" for note in seen.notes)
    if seen.trouble:
        yield f"  layers and maps are not known: {seen.trouble}"


def _pixels(spec: InputSpec) -> str:
    """`(pixel / 255 - 0.5) / 0.5`, without the steps that change nothing."""
    text = "pixel" if spec.scale == 1 else f"pixel / {spec.scale:g}"
    if any(spec.mean):
        text = f"{text} - {_list(spec.mean)}"
    if set(spec.std) != {1}:
        text = f"({text}) / {_list(spec.std)}" if " " in text else f"{text} / {_list(spec.std)}"
    return "from 0 to 255, as they are" if text == "pixel" else text


def _answers_lines(answers: Answers) -> Iterator[str]:
    missing = answers.scores_missing(answers.classes)
    yield f"  pictures       {len(answers.paths):,}, the first {next(iter(answers.paths))}"
    more = "" if answers.complete else ", and the labels of the probe set"
    yield f"  classes        {', '.join(answers.classes[:12])}{', …' if len(answers.classes) > 12 else ''}{more}"
    yield f"  decisions      {'as they stand in the table' if answers.decided else 'made from the probabilities'}"
    yield f"  probabilities  {'none: ' + missing if missing else 'one a class'}"


def _layer_lines(seen: Inspection, description: Description) -> Iterator[str]:
    """A table; what is wrong with a layer stands below it, once for all that share it."""
    layers = description.layers
    costs = [layer.cost for layer in layers if layer.cost is not None]
    legend = "; * looked at by default" if any(layer.name in seen.picked for layer in layers) else ""
    yield f"Layers ({len(layers)}{legend}):"
    if not layers:
        return
    name, kind, shape = (
        max(len(title), *map(len, cells))
        for title, cells in (
            ("name", [layer.name for layer in layers]),
            ("kind", [layer.kind for layer in layers]),
            ("shape", [_size(layer) for layer in layers]),
        )
    )
    yield f"  depth  {'name':<{name}}  {'kind':<{kind}}  {'shape':<{shape}}{'    cost' if costs else ''}".rstrip()
    remarks = list(dict.fromkeys(remark for layer in layers if (remark := _remark(layer))))
    for layer in layers:
        mark = "*" if layer.name in seen.picked else " "
        row = f"{mark}  {layer.depth:4.2f}  {layer.name:<{name}}  {layer.kind:<{kind}}  {_size(layer):<{shape}}"
        spent = "" if layer.cost is None else f"  {100 * layer.cost:4.1f} %"
        remark = _remark(layer)
        yield (row + spent + (f"  ({remarks.index(remark) + 1})" if remark else "")).rstrip()
    yield from (f"  ({number}) {remark}" for number, remark in enumerate(remarks, 1))
    if costs:
        yield (
            "  cost: the share of the network's multiply-adds since the layer before"
            f"{_rest(1 - sum(costs)) if len(costs) == len(layers) else ''}"
        )


def _rest(share: float) -> str:
    return f"; {100 * share:.1f} % come after the last" if share >= 0.0005 else ""


def _size(layer: Layer) -> str:
    return " x ".join(str(n) for n in layer.shape)


def _remark(layer: Layer) -> str | None:
    if layer.reason is not None:
        return f"can't be tapped: {layer.reason}"
    return f"no map: {UNREAD}" if layer.unread else None


def _cam_lines(seen: Inspection) -> Iterator[str]:
    """The methods that can work in one line, the others by the reason that they share."""
    yield "Class activation maps:"
    several = len(seen.read_outputs) > 1
    for output in seen.read_outputs:
        of = f" of {output.name}" if several else ""
        reasons: dict[str | None, list[str]] = {}
        for name, method, reason in seen.cams():
            if name == output.name:
                reasons.setdefault(reason, []).append(method)
        if None in reasons:
            yield f"  can be made{of}: {', '.join(reasons.pop(None))}"
        for reason, methods in reasons.items():
            yield f"  can't be made{of}: {', '.join(methods)}: {reason}"
        choice = seen.auto(output)
        if choice is not None:
            yield f"  auto takes{of} {choice.method.name} at {choice.layer}: {choice.reason}"


def _list(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "[" + ", ".join(f"{v:g}" for v in values) + "]"
