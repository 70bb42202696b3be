"""What is tried before it is relied on: taps leave the outputs as they are, and gradients are right in every call.

Reading inside a network goes through private API of torch that may change under us; this is where it would show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.runtimes import Layer
from audit.runtimes._agreement import HALF_TOLERANCE, TOLERANCE, apart, difference
from audit.runtimes._guard import GUARD_TOLERANCE
from audit.runtimes._torch_heads import Tail
from audit.runtimes._torch_layers import Found
from audit.runtimes._torch_program import Program, tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ASSEMBLED = "the file puts this output together only when it runs, so what makes it can't be followed"
_BLOCKS = 6  # maps behind the last one whose cells are read


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """Why layers can't be tapped, why there are no gradients and why the network can't be run on from the last map,
    None where they can and there are and it can; the maps whose cells nothing behind them reads."""

    broken: str | None
    no_gradients: str | None
    no_tail: str | None
    unread: frozenset[str] = frozenset()


def try_taps(
    program: Program,
    batches: list[Any],
    layers: tuple[Layer, ...],
    found: Mapping[str, Found],
    tails: Mapping[str, Tail],
) -> Tried:
    """Tap all layers, and take gradients of the last map, on each of the batches.

    Args:
        program: the network.
        batches: tensors of pictures, of two sizes where the file takes several.
        layers: what was seen.
        found: where the layers are, by name.
        tails: the ends of the network by output.
    """
    can = [found[layer.name] for layer in layers if layer.reason is None]
    maps = [found[layer.name] for layer in layers if layer.reason is None and layer.spatial]
    broken = _test_taps(program, batches, can) if can else None
    if broken or not maps:
        reason = broken or "it has no map that can be reached"
        return Tried(broken=broken, no_gradients=reason, no_tail=reason)
    if not tails:
        return Tried(broken=None, no_gradients=ASSEMBLED, no_tail=ASSEMBLED)
    no_gradients, unread = _test_gradients(program, batches, maps, tails)
    last = next((one for one in reversed(maps) if one.name not in unread), maps[-1])
    no_tail = _test_tail(program, batches, last, tails)
    return Tried(broken=None, no_gradients=no_gradients, no_tail=no_tail, unread=frozenset(unread))


def _test_taps(program: Program, batches: list[Any], can: list[Found]) -> str | None:
    """Tapped calls, with two batch sizes where the file takes several: None when the outputs are the untouched
    module's, else what went wrong."""
    try:
        tapped = program.tapped(strengths=[reducible(layer) for layer in can])
        changes = [_changed(untouched(program, images), tensors(tapped(images).returned)) for images in batches]
    except RuntimeError as error:
        return reason_of(error)
    return next((change for change in changes if change), None)


def _test_gradients(
    program: Program, batches: list[Any], maps: list[Found], tails: Mapping[str, Tail]
) -> tuple[str | None, list[str]]:
    """The same with gradients. In the last block of a vision transformer only the class token is read by what follows:
    cells with a gradient of 0 throughout are said to be unread, and the map before them is tried."""
    unread: list[str] = []
    gradients: list[Any] = []
    try:
        for leaf in reversed(maps[-_BLOCKS:]):
            got = _gradients(program, batches, leaf, tails)
            if isinstance(got, str):
                return got, unread
            gradients = got
            if leaf.layout.grid is None or any(bool(one[leaf.layout.spare :].any()) for one in gradients):
                break
            unread.append(leaf.name)
    except RuntimeError as error:
        integers = "floating point" in str(error)  # an int8 file's
        return "its last map holds integers, which carry none" if integers else reason_of(error), []
    scale = max(float(one.abs().max()) for one in gradients)
    same = all(float((one - gradients[0]).abs().max()) <= 1e-3 * scale for one in gradients)
    return None if same else "they change from call to call", unread


def _test_tail(program: Program, batches: list[Any], last: Found, tails: Mapping[str, Tail]) -> str | None:
    """Run on from the last map: with its own value the logits are the same, with another they are not."""
    changes = []
    try:
        tapped = program.tapped(values=[program.nodes[last.place].outputsAt(0), *(t.logits for t in tails.values())])
        resumed = [program.resumed(tail.logits, last.place) for tail in tails.values()]
        for images in batches[:2]:
            value, *logits = tapped(images).values
            half = value.dtype == logits[0].dtype and value.element_size() < 4
            again = [run(images, value.clone()) for run in resumed]
            off = max(apart(_array(a), _array(b)) for a, b in zip(logits, again, strict=True))
            if not off <= (HALF_TOLERANCE if half else TOLERANCE):
                return f"doing so changes the logits by {off:.1e}"
            other = [run(images, 1 - 2 * value) for run in resumed]
            changes += [apart(_array(a), _array(b)) for a, b in zip(again, other, strict=True)]
    except RuntimeError as error:
        return reason_of(error)
    return None if max(changes) > 0 else f"no output depends on its last map, {last.name}"


def _array(value: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = value.detach().float().cpu().numpy()
    return array


def _gradients(program: Program, batches: list[Any], leaf: Found, tails: Mapping[str, Tail]) -> list[Any] | str:
    """The first picture's gradient in each batch, all outputs together; or what went wrong."""
    import torch

    gradients = []
    tapped = program.tapped(values=[tail.logits for tail in tails.values()], leaf=leaf.place)
    for images in batches:
        taken = tapped(images)
        reached = [value.float().sum() for value in taken.values if value.requires_grad]
        if not reached:
            return f"no gradient arrives at its last map, {leaf.name}"
        (found,) = torch.autograd.grad(sum(reached), taken.leaf, allow_unused=True)
        if found is None:
            return f"no gradient arrives at its last map, {leaf.name}"
        gradients.append(found[0].float())
        changed = _changed(untouched(program, images), tensors(taken.returned))
        if changed:
            return changed
    return gradients


def _changed(bare: Mapping[str, Any], tapped: Mapping[str, Any]) -> str | None:
    for output, value in tapped.items():
        off = difference(bare[output].float().cpu().numpy(), value.detach().float().cpu().numpy())
        if not off <= GUARD_TOLERANCE:
            return f"doing so changes the output {output!r} by {off:.1e}"
    return None


def untouched(program: Program, images: Any) -> dict[str, Any]:
    """The outputs of the module as it stands in the file, by name."""
    return tensors(program(images))


def reason_of(error: BaseException) -> str:
    """The reason torch gives, in one line. TorchScript's traceback stands before it, C++'s behind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("RuntimeError: ")), lines[0] if lines else "")
    return last.removeprefix("RuntimeError: ").rstrip(".")[:300] or type(error).__name__


def reducible(layer: Found) -> tuple[int, bool, bool, int]:
    """What `Tapped` needs to know to reduce a layer."""
    return layer.place, not layer.non_negative, layer.layout.last, layer.layout.spare
