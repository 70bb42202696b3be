"""From torch's tensors to what a capture holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audit.runtimes import Capture
from audit.runtimes._layers import Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def rows(value: Any, real: int) -> NDArray[np.float32]:
    """Outputs of the first `real` images as float32; one number a picture as [B, 1], [B, K, 1, 1] as [B, K]."""
    array: NDArray[np.float32] = value.detach().float().cpu().numpy()
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim == 1 or array.shape[2:] == (1, 1):
        array = array.reshape(len(array), -1)
    return array[:real]


def channels_first(value: Any, layout: Layout) -> NDArray[np.float32]:
    """A map as float32 [B, C, h, w], whatever the network's own order of axes."""
    ordered = value.detach()
    if layout.grid is not None:
        ordered = ordered[:, layout.spare :].transpose(1, 2).unflatten(2, layout.grid)
    elif layout.last:
        ordered = ordered.permute(0, 3, 1, 2)
    array: NDArray[np.float32] = ordered.float().cpu().contiguous().numpy()
    return array


def gradient_of(
    logits: Any, leaf: Any, real: int, layout: Layout
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """The gradient of each image's target logit, [real, C, h, w]. One logit: class 1 is it, class 0 its negative."""
    import torch

    table = logits.reshape(len(leaf), -1)

    def gradient(targets: NDArray[np.int64]) -> NDArray[np.float32]:
        chosen = torch.from_numpy(targets).to(table.device)
        if table.shape[1] == 1:
            picked = table[:real, 0] * (2 * chosen - 1).to(table.dtype)
        else:
            picked = table[:real].gather(1, chosen[:, None])[:, 0]
        if not picked.requires_grad:  # this output does not depend on the layer
            return channels_first(torch.zeros_like(leaf)[:real], layout)
        (found,) = torch.autograd.grad(picked.sum(), leaf, retain_graph=True, materialize_grads=True)
        return channels_first(found[:real], layout)

    return gradient


def native_of(changed: NDArray[np.float32], value: Any, layout: Layout) -> Any:
    """A map [B, C, h, w] in the place of the first B rows of a network's own value: its type, its order of axes, in
    memory too; spare tokens and further rows stay as they are."""
    import numpy as np
    import torch

    given = torch.from_numpy(np.ascontiguousarray(changed, dtype=np.float32))
    if layout.grid is not None:
        given = given.flatten(2).transpose(1, 2)
    elif layout.last:
        given = given.permute(0, 2, 3, 1)
    whole = torch.empty_like(value).copy_(value)
    spare = layout.spare if layout.grid is not None else 0
    (whole[: len(given), spare:] if spare else whole[: len(given)]).copy_(given)
    return whole


def joined(parts: list[Capture]) -> Capture:
    """The captures of consecutive pieces as one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    edges = np.cumsum([len(part.outputs) for part in parts])[:-1]
    activations = [part.activation for part in parts if part.activation is not None]
    gradients = [part.gradient for part in parts if part.gradient is not None]

    def gradient(targets: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.concatenate([one(some) for one, some in zip(gradients, np.split(targets, edges), strict=True)])

    logits = [part.logits for part in parts if part.logits is not None]
    tails = [part.tail for part in parts if part.tail is not None]

    def tail(changed: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([one(some) for one, some in zip(tails, np.split(changed, edges), strict=True)])

    return Capture(
        outputs=np.concatenate([part.outputs for part in parts]),
        strengths={key: np.concatenate([part.strengths[key] for part in parts]) for key in parts[0].strengths},
        activation=np.concatenate(activations) if activations else None,
        gradient=gradient if gradients else None,
        tail=tail if tails else None,
        logits=np.concatenate(logits) if logits else None,
    )
