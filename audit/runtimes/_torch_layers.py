"""Which values of a graph are layers: those after a non-linearity, and convolutions that none follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from audit.runtimes._layers import INSIDE, PLAIN, Layout, UniqueNames
from audit.runtimes._torch_program import Program, depending, operator, walk

# Our kind by TorchScript's operator, without the underscore of its in-place form.
NONLINEAR = {
    name: name
    for name in ("relu", "relu6", "leaky_relu", "prelu", "rrelu", "silu", "gelu", "mish", "elu", "selu", "celu")
} | {
    "hardtanh": "clip",
    "clamp": "clip",
    "clamp_min": "clip",
    "threshold": "threshold",
    "hardswish": "hard_swish",
    "softplus": "softplus",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "hardsigmoid": "hard_sigmoid",
}
NONLINEAR |= {f"quantized::{name}": NONLINEAR[name] for name in ("leaky_relu", "relu6", "elu", "celu", "hardswish")}
_MODULES = {name.replace("_", "") for name in NONLINEAR}  # torch's classes for them, in small letters
NON_NEGATIVE = {"relu", "relu6", "sigmoid", "hard_sigmoid", "softplus"}
GATES = {"sigmoid": "silu", "hard_sigmoid": "hard_swish", "relu6": "hard_swish", "clip": "hard_swish"}
FUSED = {"quantized::conv2d_relu", "quantized::linear_relu", "quantized::add_relu"}  # of int8 files: end in a ReLU
CONVOLUTIONS = {"convolution", "conv2d", "conv_transpose2d", "thnn_conv2d", "conv2d_relu"}
CONVOLUTIONS |= {"quantized::conv2d", "quantized::conv2d_relu"}
GROUPS = {"convolution": 8, "conv2d": 6, "conv_transpose2d": 6}  # which input is the number of groups
NORMS = {"batch_norm", "native_batch_norm", "instance_norm", "group_norm", "layer_norm"}
PASSING = {"dropout", "feature_dropout", "contiguous", "to"}  # leave a value as it is
SETTLING = {*NORMS, *PASSING, "add", "sub", "mul", "div"}
KEEPING = {*SETTLING, *NONLINEAR}  # leave the order of the axes as it is


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A layer, its layout as far as the graph says it before its shape is known. `place` is the node that makes it;
    with a `reason` it can't be reached."""

    name: str
    kind: str
    place: int
    convolution: bool
    non_negative: bool
    layout: Layout = PLAIN
    reason: str | None = None


def find_layers(program: Program, pooled: Iterable[int] = ()) -> list[Found]:
    """Every layer, in order of execution. The maps at the places `pooled`, which an output's head reads, are layers too
    where they are not behind a non-linearity: a concatenation, a scaled map."""
    made = {place: operator(program.nodes[place]) for place in pooled}
    known = depending(program)
    for place, node in enumerate(program.nodes):
        if place not in known:
            continue  # made of weights alone, such as a bias for each distance between tokens
        if operator(node) in FUSED:
            made[place] = "relu"
        elif operator(node) in CONVOLUTIONS:
            settled = _settle(program, place)
            if not _meets_nonlinear(program, settled) and not _is_half(program, node, settled):
                made[settled] = "conv"
        elif operator(node) in NONLINEAR and not _divides(program, place):
            gated = _gated(program, place)
            if gated is None:
                made[place] = _kind(program, node)
            elif gated >= 0:
                kind = GATES[_kind(program, node)]
                made[gated if kind == "silu" else _settle_scale(program, gated)] = kind  # only others end in a factor
    hidden = [(place, inner) for place, node in enumerate(program.nodes) for inner in _hidden(node)]
    names = Names(program, sorted(made))
    reached = [found_at(program, place, kind, names.of(place)) for place, kind in sorted(made.items())]
    unreached = [
        Found(
            name=names.inside(inner),
            kind=NONLINEAR[operator(inner)],
            place=place,
            convolution=False,
            non_negative=False,
            reason=INSIDE,
        )
        for place, inner in hidden
    ]
    return sorted([*reached, *unreached], key=lambda found: found.place)


def found_at(program: Program, place: int, kind: str, name: str) -> Found:
    return Found(
        name=name,
        kind=kind,
        place=place,
        convolution=_follows_convolution(program, place, gated=kind in set(GATES.values())),
        non_negative=kind in NON_NEGATIVE,
        layout=Layout(last=_channels_last(program, place)),
    )


class Names:
    """Names for layers as the author of the network knows them, never twice the same.

    A module with one layer gives it its own path, `layer1.0.relu`, and a non-linearity of torch's that is called again
    a number behind it. A batch normalization that ends a layer is named after the convolution before it, since most
    ONNX files have the two as one. Where a module holds several things the operator is added, numbered as torch's ONNX
    exporter numbers it (`r1.relu`, `r1.relu_1`), so that all files of a network name their layers alike. A frozen file
    has no paths left: `relu`, `relu_1`.
    """

    def __init__(self, program: Program, places: list[int]) -> None:
        self._program, self._nodes = program, program.nodes
        self._scopes = [program.scope(node) for node in program.nodes]
        inner = {path[:length] for path in self._scopes for length in range(len(path))}
        counts = Counter(self._scopes[self._named(place)] for place in places)
        self._shared = inner | {path for path, count in counts.items() if count > 1} | {()}
        self._unique = UniqueNames()

    def of(self, place: int) -> str:
        place = self._named(place)
        path, kind = self._scopes[place], operator(self._nodes[place])
        if path not in self._shared:
            return self._unique(".".join(path))
        before = sum(self._scopes[at] == path and operator(self._nodes[at]) == kind for at in range(place))
        if self._program.around(self._nodes[place]).lower() in _MODULES:
            return self._unique(".".join(path) + (f"_{before}" if before else ""))
        word = {"convolution": "conv", "conv2d": "conv"}.get(kind.removeprefix("quantized::"), kind.rpartition("::")[2])
        return self._unique(".".join((*path, f"{word}_{before}" if before else word)))

    def _named(self, place: int) -> int:
        """The place whose name a layer has."""
        node = self._nodes[place]
        maker = self._program.maker(node.inputsAt(0)) if operator(node) == "batch_norm" else None
        convolved = maker is not None and operator(self._nodes[maker]) in CONVOLUTIONS
        return maker if convolved and maker is not None else place

    def inside(self, node: Any) -> str:
        return self._unique(".".join((*self._program.scope(node), operator(node))))


def _hidden(node: Any) -> Iterator[Any]:
    for block in node.blocks():
        yield from (inner for inner in walk(block) if operator(inner) in NONLINEAR)


def _kind(program: Program, node: Any) -> str:
    """`clip` from 0 is relu6 or, without an upper end, relu; a threshold at 0 that gives 0 is relu too."""
    kind = NONLINEAR[operator(node)]
    if kind in {"clip", "threshold"}:
        bounds = [program.attribute(value) for value in list(node.inputs())[1:]]
        if bounds and bounds[0] == 0:
            return "relu" if kind == "threshold" or len(bounds) == 1 or bounds[1] is None else "relu6"
    return kind


def _meets_nonlinear(program: Program, place: int) -> bool:
    """Whether a non-linearity follows, with only normalization and arithmetic in between."""
    seen, places = {place}, [place]
    while places:
        for user in program.users(program.nodes[places.pop()].outputsAt(0)):
            kind = operator(program.nodes[user])
            if kind in NONLINEAR or kind in FUSED - CONVOLUTIONS:
                return True
            if kind in SETTLING and user not in seen:
                seen.add(user)
                places.append(user)
    return False


def _settle(program: Program, place: int) -> int:
    """Behind what follows a convolution, as long as nothing else uses its value, and changes it."""
    settled = place
    while True:
        value = program.nodes[place].outputsAt(0)
        users = program.users(value)
        if len(users) != 1 or operator(program.nodes[users[0]]) not in SETTLING or program.leaves(value):
            return settled
        place = users[0]
        settled = settled if operator(program.nodes[place]) in PASSING else place


def _is_half(program: Program, node: Any, settled: int) -> bool:
    """The depthwise half of a separable convolution: the other half follows at once."""
    users = program.users(program.nodes[settled].outputsAt(0))
    grouped = operator(node) in GROUPS and program.attribute(node.inputsAt(GROUPS[operator(node)])) != 1
    return grouped and bool(users) and all(operator(program.nodes[user]) in CONVOLUTIONS for user in users)


def _follows_convolution(program: Program, place: int, *, gated: bool) -> bool:
    """Whether a convolution makes the value, with at most one non-linearity (`gated`: x * gate(x)) and no other layer
    in between."""
    places = [place]
    seen: set[int] = set()
    while places:
        at = places.pop()
        node = program.nodes[at]
        if operator(node) in CONVOLUTIONS:
            return True
        if at == place or operator(node) in SETTLING or (gated and operator(node) in GATES and at not in seen):
            makers = (program.maker(value) for value in node.inputs())
            places += [maker for maker in makers if maker is not None and maker not in seen]
        seen.add(at)
    return False


def _channels_last(program: Program, place: int) -> bool:
    """Whether the channels are the last axis: behind a permutation to there, or a layer that works on the last axis."""
    while True:
        node = program.nodes[place]
        kind = operator(node)
        if kind in {"linear", "layer_norm", "matmul"}:
            return True
        if kind == "permute":
            return bool(program.attribute(node.inputsAt(1)) == [0, 2, 3, 1])
        maker = program.maker(node.inputsAt(0)) if kind in KEEPING else None
        if maker is None:
            return False
        place = maker


def _divides(program: Program, place: int) -> bool:
    """Whether a value is a length, cut off below, that a vector is divided by."""
    node, value = program.nodes[place], program.nodes[place].outputsAt(0)
    maker = program.maker(node.inputsAt(0)) if operator(node) in {"clamp", "clamp_min"} else None
    if maker is None or operator(program.nodes[maker]) not in {"norm", "linalg_vector_norm", "sqrt"}:
        return False
    users = program.users(value)
    while len(users) == 1 and operator(program.nodes[users[0]]) in {"expand_as", "expand"}:
        value = program.nodes[users[0]].outputsAt(0)
        users = program.users(value)
    divided = [list(program.nodes[user].inputs()) for user in users if operator(program.nodes[user]) == "div"]
    return len(users) == len(divided) == 1 and divided[0][1].unique() == value.unique()


def _gated(program: Program, place: int) -> int | None:
    """For a gate the place of the product x * gate(x), or -1 where it scales another value (squeeze and excite);
    None where the value is no gate."""
    node = program.nodes[place]
    if _kind(program, node) not in GATES:
        return None
    at = _settle_scale(program, place)
    value = program.nodes[at].outputsAt(0)
    products = [user for user in program.users(value) if operator(program.nodes[user]) == "mul"]
    if not products or len(products) != len(program.users(value)) or program.leaves(value):
        return None
    factors = [v for v in program.nodes[products[0]].inputs() if v.unique() != value.unique()]
    inside = _behind_numbers(program, next(iter(node.inputs())))
    same = any(inside & _behind_numbers(program, factor) for factor in factors[:1])
    if not same and _kind(program, node) == "relu6" and at == place:
        return None  # an ordinary relu6 whose value is weighed by something else
    return products[0] if same else -1


def _behind_numbers(program: Program, value: Any) -> set[int]:
    """A value and the one that it is made of by a number: `x + 3` of a hard sigmoid, `1.702 x` of a quick GELU."""
    found = {value.unique()}
    maker = program.maker(value)
    if maker is not None and operator(program.nodes[maker]) in {"add", "mul"}:
        left, right = list(program.nodes[maker].inputs())[:2]
        if not _is_tensor(right) or program.attribute(right) is not None:
            found.add(left.unique())
    return found


def _settle_scale(program: Program, place: int) -> int:
    """Behind a product or quotient with a single number, which belongs to the function before it."""
    while True:
        users = program.users(program.nodes[place].outputsAt(0))
        if len(users) != 1 or operator(program.nodes[users[0]]) not in {"mul", "div"}:
            return place
        other = list(program.nodes[users[0]].inputs())[1]
        constant = program.attribute(other)
        if constant is None or (_is_tensor(other) and constant.numel() != 1):
            return place
        place = users[0]


def _is_tensor(value: Any) -> bool:
    return str(value.type()) == "Tensor"
