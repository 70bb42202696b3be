"""onnxruntime, kept quiet: sessions, devices, and its errors in one line."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError, UsageError
from audit.runtimes._limits import out_of_memory
from audit.runtimes._onnx_weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto
    from onnxruntime import InferenceSession

DEVICES = ("auto", "cpu", "cuda")
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
WARNING, FATAL = 2, 4
_SPIN = "50"  # microseconds


class Sessions:
    """Opens sessions for one model file, all on the same device.

    Args:
        path: the file.
        device: one of DEVICES.
        threads: how many a session may use, None for onnxruntime's own choice.
        weights: what copies of the model refer to.

    Raises:
        UsageError: a device that is not known, or `cuda` where onnxruntime has none.
    """

    def __init__(self, path: Path, *, device: str, threads: int | None, weights: Weights | None = None) -> None:
        import onnxruntime

        if device not in DEVICES:
            raise UsageError("unknown device", value=device, allowed=DEVICES, where="--device")
        has_cuda = CUDA in onnxruntime.get_available_providers()
        if device == "cuda" and not has_cuda:
            raise _no_cuda("onnxruntime was installed without it")
        self._path = path
        self._source: ModelProto | None = None  # None: the file itself
        self.weights = weights or Weights(path.parent.resolve())
        self._asked = device
        self.threads = threads
        self._providers = [CUDA, CPU] if has_cuda and device != "cpu" else [CPU]

    def of(self, source: ModelProto, weights: Weights) -> Sessions:
        """The same for a changed copy of the file, in its place."""
        changed = copy.copy(self)
        changed._source, changed.weights = source, weights  # noqa: SLF001  its own copy
        return changed

    def open(self, model: ModelProto | None = None, *, optimize: bool = True) -> InferenceSession:
        """A session of the file itself, or of a changed copy of it.

        Args:
            model: the copy; its external data is looked for beside the file.
            optimize: false for a session that runs once: it opens faster.

        Raises:
            ModelError: onnxruntime can't open it, or a copy is beyond 2 GB, where protobuf ends.
        """
        import onnxruntime

        onnxruntime.set_default_logger_severity(_severity())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _severity()
        options.intra_op_num_threads = self.threads or 0
        # To wake threads for every small operator costs 5 % of a pass, but such as wait in a loop for longer than from
        # one operator to the next take the cores that decode pictures.
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN)
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Planning ahead takes the memory of a second pass in one piece, beside the pieces of the first: no time saved.
        options.enable_mem_pattern = False
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = self._source if model is None else model
        source = str(self._path) if model is None else self._serialized(model)
        kept = []
        if model is not None:
            folder = str(self._path.parent.resolve())
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
            kept = self.weights.give(model, options)
        try:
            # Its own fallback would say so on the terminal, and could change the device in the middle of a run.
            session = onnxruntime.InferenceSession(source, options, providers=self._providers, enable_fallback=0)
        except Exception as error:
            if self._asked == "auto" and CUDA in self._providers:
                self._providers = [CPU]
                return self.open(model, optimize=optimize)
            raise _not_opened(str(error), one_line(error), self._path) from error
        if self._asked == "cuda" and CUDA not in session.get_providers():
            raise _no_cuda("onnxruntime could not start it and fell back to the CPU")
        session.kept = kept  # lives as long
        return session

    def _serialized(self, model: ModelProto) -> bytes:
        try:
            data: bytes = model.SerializeToString()
        except Exception as error:
            raise ModelError("the model is too large to be changed in memory", where=self._path) from error
        return data


def run_session(
    session: InferenceSession, names: Sequence[str], feed: dict[str, NDArray[Any]], *, trial: Path | None = None
) -> list[NDArray[Any]]:
    """One forward pass; `trial`: of the model in this file, with a picture or two, to see what it is.

    Raises:
        MachineError: out of memory.
        ModelError: anything else that the model can't do with this input.
    """
    try:
        values: list[NDArray[Any]] = session.run(list(names), feed)
    except Exception as error:
        text = one_line(error)
        if trouble := out_of_memory(text, trial=trial):
            raise trouble from error
        raise ModelError(f"the model fails on its input ({text})") from error
    return values


def one_line(error: Exception) -> str:
    """What onnxruntime or onnx says, without its codes, file names of its own sources and further lines."""
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"This is an invalid model\. In Node, \((\"[^\"]*\"), (\w+), .* Error ", r"\2 \1: ", text)
    text = re.sub(r"\S*/onnxruntime/\S+:\d+ |Load model from .*? failed: ?", "", text)
    text = re.sub(r"(?:[\w:<>*&]+ )?\bonnxruntime::[\w:~]+\([^()]*\)(?: const)? |\w+\.(?:cc|h):\d+ \w+ ", "", text)
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : | Status Message:", "", text)
    text = re.sub(r"Non-zero status code returned while running (\w+) node\. Name:('[^']*')", r"\1 \2", text)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 200 else f"{text[:200]}…"


def _not_opened(text: str, short: str, path: Path) -> ModelError:
    """What onnxruntime has against a file, in words where the reason is known."""
    if newest := re.search(r"for domain ai\.onnx is till opset (\d+)", text):
        return ModelError(
            "the file uses a newer version of the operators than this onnxruntime knows",
            allowed=f"opset {newest[1]} or older",
            where=path,
            hint="Update onnxruntime, or export the model with an older opset",
        )
    if newest := re.search(r"IR version: (\d+), max supported IR version: (\d+)", text):
        return ModelError(
            "the file is in a newer version of the ONNX format than this onnxruntime knows",
            value=f"IR version {newest[1]}",
            allowed=f"{newest[2]} or older",
            where=path,
            hint="Update onnxruntime, or set ir_version to the older one with the onnx package and save it again",
        )
    if unknown := re.search(r"No Op registered for (\S+)", text):
        return ModelError(
            "the model uses an operator that onnxruntime does not know",
            value=unknown[1],
            where=path,
            hint="Export it again, with standard operators",
        )
    return ModelError(f"onnxruntime can't open the model ({short})", where=path)


def _severity() -> int:
    return WARNING if logging.getLogger("audit").isEnabledFor(logging.DEBUG) else FATAL


def _no_cuda(why: str) -> UsageError:
    return UsageError(
        f"no CUDA device for ONNX models: {why}",
        value="cuda",
        allowed="auto, cpu",
        where="--device",
        hint="Install onnxruntime-gpu in place of onnxruntime, or leave the option out",
    )
