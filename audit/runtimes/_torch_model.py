"""A network of torch behind the contract of a model: described, tapped, run, guarded."""

# ruff: noqa: SLF001  a model with other weights is a changed copy of itself

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.runtimes import REDUCTIONS, Capture, Description, Randomized, Request, TensorSpec
from audit.runtimes._agreement import HALF_TOLERANCE, TOLERANCE, apart
from audit.runtimes._batching import pieces
from audit.runtimes._guard import Guard, Guarded
from audit.runtimes._layers import PLAIN
from audit.runtimes._limits import check_size
from audit.runtimes._requests import check_request, tappable
from audit.runtimes._torch_capture import channels_first, gradient_of, joined, native_of, rows
from audit.runtimes._torch_describe import Seen, look_again, look_inside
from audit.runtimes._torch_input import computing_type, image_input, torch_noise, trial_batches
from audit.runtimes._torch_layers import Found
from audit.runtimes._torch_process import check_memory, silence
from audit.runtimes._torch_program import Program, Resumed, Taken, Tapped, tensors
from audit.runtimes._torch_redraw import redraw
from audit.runtimes._torch_speed import faster_order
from audit.runtimes._torch_trials import reason_of, reducible, untouched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Pictures that a processor sees at once. Torch asks the system for the memory of each large value and gives it back:
# for more pictures that takes longer than the arithmetic.
_FEWEST, _A_THREAD = 4, 2


class TorchModel(Guarded):
    """A network of torch, opened. See `audit.runtimes.Model`.

    Args:
        path: the file.
        program: what was found in it.
        format: of the file, "torchscript".
        device: "cpu" or "cuda".
        metadata: what the file says about itself.
        example: shape of the picture that it was exported with, None where it is free, () where the file has kept none.
        wanted: the type of the picture where the file says it, None: that of the weights.
        again: reads the file once more, for a network that nobody else uses.
    """

    def __init__(
        self,
        path: Path,
        program: Program,
        *,
        format: str,  # noqa: A002  the contract's word
        device: str,
        metadata: Mapping[str, str],
        example: tuple[int | None, ...] = (),
        wanted: Any = None,
        again: Callable[[], Program],
    ) -> None:
        self.path, self.format, self.device = path, format, device
        self.files: tuple[Path, ...] = (path,)
        self.provider = f"torch {device}"
        self.metadata = metadata
        self.batch: int | None = None
        self._guard = Guard()
        self._program: Program | None = program
        self._again = again
        self._type = wanted if wanted is not None else computing_type(program)
        self._example = example
        self.inputs: tuple[TensorSpec, ...] = (image_input(program, self._type, example),)
        self.outputs = tuple(TensorSpec(name=n, shape=(None, None), dtype="float32") for n in program.outputs)
        self._request: Request | None = None
        self._seen: Seen | None = None
        self._tapped: Tapped | None = None
        self._resumed: Resumed | None = None
        self._resumes = False  # seen to give the same logits as the whole network
        self._layout = PLAIN
        self._order: Any = None
        self._shape: Sequence[int] = ()  # of the pictures that it was described for

    def describe(self, shape: tuple[int, int, int, int]) -> Description:
        check_size(next(iter(self._example), None), shape[1:], self.path)
        with self._running(shape[1:]):
            taken = trial_batches(self._opened(), shape, self._example, self._placed, self.path)
            self.batch = None if {1, 2} <= taken.keys() else min(taken)
            images = taken[self.batch or 2]
            self._shape = shape
            self._order = faster_order(self._opened(), images)
            images = self._ordered(images)
            self._seen = look_inside(self._opened(), images, self.inputs, fixed=self.batch is not None)
        self.outputs = self._seen.description.outputs
        return self._seen.description

    def prepare(self, request: Request) -> None:
        seen, program = self._described(), self._opened()
        check_request(request, self.outputs, self.path)
        self._request, self._guard, self._tapped = request, Guard(), None
        self._resumed, self._resumes = None, False
        strengths = [reducible(self._layer(name)) for name in request.reductions]
        layer = None if request.cam_layer is None else self._layer(request.cam_layer, spatial=True)
        self._layout = layer.layout if layer is not None else PLAIN
        for asked, reason in ((request.gradients, seen.description.gradients), (request.tail, seen.description.tail)):
            if asked and reason is not None:
                raise ModelError(reason, where=self.path)
        logits = request.logits and request.output in seen.tails
        behind = [seen.tails[request.output].logits] if request.gradients or request.tail or logits else []
        if request.tail and layer is not None:
            self._resumed = program.resumed(behind[0], layer.place)
        if request.gradients and layer is not None:
            self._tapped = program.tapped(values=behind, strengths=strengths, leaf=layer.place)
        elif layer is not None:
            values = [*behind, program.nodes[layer.place].outputsAt(0)]
            self._tapped = program.tapped(values=values, strengths=strengths)
        elif strengths or behind:
            self._tapped = program.tapped(values=behind, strengths=strengths)

    def run(self, images: NDArray[Any], paths: Sequence[str] = ()) -> Capture:  # noqa: ARG002 a network sees pictures
        import numpy as np
        import torch

        request = self._request
        if request is None:
            raise ModelError("the model has not been prepared for a run", where=self.path)
        most = max(_FEWEST, _A_THREAD * torch.get_num_threads()) if self.device == "cpu" else None
        with self._running(images.shape[1:]):
            parts = list(pieces(images, self.batch, most=most))
            seen = joined([self._pass(request, piece, real) for piece, real in parts])
            if self._tapped is None or not self._guard.asks:
                return seen
            bare = np.concatenate([self._answers(request.output, self._fed(piece), real) for piece, real in parts])
            return dataclasses.replace(seen, outputs=self._guard.settled(seen.outputs, bare))

    def randomized(self, share: float, seed: int) -> Randomized:
        seen, request = self._described(), self._request
        if request is None:
            raise ModelError("the model has not been prepared for a run", where=self.path)
        changed = copy.copy(self)
        with changed._running(self._shape[1:]):
            changed._program = program = self._again()
            layers, of = redraw(program, share, seed)
            if self._order is not None:
                program.arrange(self._order)
            noise = self._placed(torch_noise((self.batch or 2, *self._shape[1:])))
            changed._seen = look_again(program, changed._ordered(noise), seen)
        changed.prepare(dataclasses.replace(request, reductions={}))
        changed._guard = Guard(0.0)  # its outputs are nobody's answer
        head = changed._described().description.heads.get(request.output)
        return Randomized(model=changed, head=head, layers=layers, of=of)

    def close(self) -> None:
        self._program = self._seen = self._tapped = self._resumed = self._request = None

    def _pass(self, request: Request, images: NDArray[Any], real: int) -> Capture:
        """One forward pass over a piece of which the first `real` images count."""
        fed = self._fed(images)
        if self._tapped is None:
            return Capture(outputs=self._answers(request.output, fed, real), strengths={})
        taken = self._tapped(fed)
        mapped = taken.leaf.detach() if request.gradients else taken.values[-1] if request.cam_layer else None
        known = request.logits and request.output in self._described().tails
        return Capture(
            outputs=rows(tensors(taken.returned)[request.output], real),
            strengths={
                (layer, name): stacked[REDUCTIONS.index(name), :real].detach().double().cpu().numpy()
                for (layer, names), stacked in zip(request.reductions.items(), taken.strengths, strict=True)
                for name in names
            },
            activation=None if mapped is None else channels_first(mapped[:real], self._layout),
            gradient=self._gradient(taken, real, images.shape[1:]) if request.gradients else None,
            tail=self._tail(fed, mapped, rows(taken.values[0], len(fed)), real) if request.tail else None,
            logits=rows(taken.values[0], real) if known else None,
        )

    def _gradient(
        self, taken: Taken, real: int, shape: Sequence[int]
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """`Capture.gradient` of a piece."""
        found = gradient_of(taken.values[0], taken.leaf, real, self._layout)

        def gradient(targets: NDArray[np.int64]) -> NDArray[np.float32]:
            with self._running(shape):
                return found(targets)

        return gradient

    def _tail(
        self, images: Any, value: Any, logits: NDArray[np.float32], real: int
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """`Capture.tail` of a piece, compared with the whole network's logits on the first."""
        resumed = self._resumed
        assert resumed is not None  # noqa: S101 - made by prepare
        if not self._resumes:
            off = apart(logits, rows(resumed(images, value.clone()), len(images)))
            if not off <= (HALF_TOLERANCE if value.element_size() < 4 else TOLERANCE):
                told = f"run on from the layer, the network gives other logits (by {off:.1e}, relative)"
                raise ModelError(told, where=self.path)
            self._resumes = True

        def tail(changed: NDArray[np.float32]) -> NDArray[np.float32]:
            with self._running(images.shape[1:]):
                return rows(resumed(images, native_of(changed, value, self._layout)), real)

        return tail

    def _answers(self, output: str, images: Any, real: int) -> NDArray[np.float32]:
        """The untouched module's."""
        return rows(untouched(self._opened(), images)[output], real)

    def _placed(self, images: Any) -> Any:
        """Pictures in the module's type, where it computes."""
        return images.to(device=self.device, dtype=self._type)

    def _fed(self, images: NDArray[Any]) -> Any:
        """Pictures as the module wants them; whole numbers stay whole numbers."""
        import numpy as np
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        return self._ordered(tensor.to(self._type) if tensor.is_floating_point() else tensor)

    def _ordered(self, images: Any) -> Any:
        """Pictures in the order of axes in memory that `describe` has settled on."""
        return images if self._order is None else images.contiguous(memory_format=self._order)

    def _layer(self, name: str, *, spatial: bool = False) -> Found:
        """A layer that can be tapped; ModelError otherwise."""
        tappable(name, self._described().description.layers, self.path, spatial=spatial)
        return self._described().found[name]

    def _described(self) -> Seen:
        if self._seen is None:
            raise ModelError("describe the model for an input size before asking for its layers", where=self.path)
        return self._seen

    def _opened(self) -> Program:
        if self._program is None:
            raise ModelError("the model has been closed", where=self.path)
        return self._program

    @contextlib.contextmanager
    def _running(self, shape: Sequence[int]) -> Iterator[None]:
        """Turns torch's errors into ours, and keeps what the model prints off the terminal."""
        try:
            with silence() if self._opened().chatty else contextlib.nullcontext():
                yield
        except RuntimeError as error:
            check_memory(error)
            size = "x".join(str(n) for n in shape)
            raise ModelError(
                f"the model failed on pictures of this shape: {reason_of(error)}", value=size, where=self.path
            ) from error
