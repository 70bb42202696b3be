"""What runs of an ONNX network tell: the shapes of its values, and whether its heads are what they look like."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.runtimes import Head
from audit.runtimes._onnx_graph import Graph, Place
from audit.runtimes._onnx_heads import NotLinear, Route, compose
from audit.runtimes._onnx_taps import Taps
from audit.runtimes._onnx_trials import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto


_MORE = (
    "the weights of the linear layer and the mean of the map do not give the model's own output, so the last layers do "
    "more than pool and weigh"
)
_ROUNDED = (
    "the file is quantized (int8), and what its last layers round or cut off takes its output too far from what its "
    "weights and the mean of the map give; the file that it was quantized from may allow it"
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What heads are read from and checked with."""

    constants: Mapping[str, NDArray[Any]]  # by value
    means: Mapping[str, NDArray[Any]]  # by pooled value: mean over space
    logits: Mapping[str, NDArray[Any]]  # by output


def shapes_of(
    graph: Graph, model: ModelProto, run: Run, places: Sequence[Place], routes: Sequence[Route], more: set[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all values that matter, and of some more, by value, without keeping the values."""
    taps = Taps(model)
    values = {
        *(place.tensor for place in places),
        *(name for route in routes for name in (route.output, route.logits)),
        *more,
        *(name for node in _on_the_way(routes) for name in (node.output[0], *graph.variables(node))),
    }
    shapes = {value: taps.shape(value) for value in sorted(values)}
    got = run(taps.finished(), list(shapes.values()))
    return {value: tuple(int(n) for n in shape) for value, shape in zip(shapes, got, strict=True)}


def heads_of(
    graph: Graph,
    model: ModelProto,
    run: Run,
    places: Sequence[Place],
    routes: Sequence[Route],
    shapes: Mapping[str, tuple[int, ...]],
    tolerance: float,
    *,
    integers: bool = False,
) -> tuple[dict[str, Head], dict[str, str]]:
    """Heads by output, each checked against a run; for the other outputs why they have none."""
    import numpy as np

    found = _values(graph, model, run, places, routes, shapes)
    names = {place.tensor: place.name for place in places}
    heads, missing = {}, {}
    otherwise = _ROUNDED if integers else _MORE
    for route in routes:
        source = str(route.source)
        try:
            with np.errstate(all="ignore"):  # what is not finite fails the check
                weight, bias = compose(graph, route, shapes, found.constants)
                _check(weight, bias, found.means.get(source), found.logits[route.output][0], tolerance, otherwise)
            heads[route.output] = Head(layer=names[source], weight=weight, bias=bias)
        except NotLinear as reason:
            missing[route.output] = str(reason)
    return heads, missing


def _values(
    graph: Graph,
    model: ModelProto,
    run: Run,
    places: Sequence[Place],
    routes: Sequence[Route],
    shapes: Mapping[str, tuple[int, ...]],
) -> _Found:
    """What heads are read from and checked with, from another pass: now it is known how maps lie in memory."""
    taps = Taps(model)
    maps = {place.tensor: place for place in places if len(shapes[place.tensor]) == 4 or place.layout.grid}
    used = {name for node in _on_the_way(routes) for name in node.input if name in graph.constants}
    constants = {name: taps.copy(name) for name in sorted(used)}
    means = {route.source: taps.mean(maps[route.source]) for route in routes if route.source in maps}
    logits = {route.output: taps.copy(route.logits) for route in routes}
    wanted = [*constants.values(), *means.values(), *logits.values()]
    got = dict(zip(wanted, run(taps.finished(), wanted), strict=True))
    return _Found(
        constants={value: got[name] for value, name in constants.items()},
        means={str(value): got[name] for value, name in means.items()},
        logits={output: got[name] for output, name in logits.items()},
    )


def _check(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    means: NDArray[Any] | None,
    logits: NDArray[Any],
    tolerance: float,
    otherwise: str,
) -> None:
    import numpy as np

    if means is None:
        raise NotLinear("what is averaged before the linear layer is not laid out as a map")
    mean = means[0].reshape(-1)

    expected = logits.astype(np.float64).reshape(-1)
    if weight.shape != (expected.size, mean.size):
        raise NotLinear("the linear layer and the pooled map do not fit together")
    difference = np.abs(weight @ mean.astype(np.float64) + bias - expected).max() / max(1.0, np.abs(expected).max())
    if not difference <= tolerance:
        raise NotLinear(otherwise)


def _on_the_way(routes: Sequence[Route]) -> list[NodeProto]:
    """The nodes of all heads."""
    return [node for route in routes for node in (*route.steps, *([route.pool] if route.pool else ()))]
