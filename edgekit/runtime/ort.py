"""Float ONNX models by onnxruntime, on one of its execution providers: the float reference."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.device_kinds import FLOAT
from edgekit.errors import DeviceError, ModelError
from edgekit.runtime.device import TensorInfo, Tensors, closed_error
from edgekit.runtime.providers import (
    DEFAULT_PROVIDER,
    Provider,
    device_index,
    import_onnxruntime,
    require_provider,
    with_provider,
)

DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(int32)": "int32"}
CPU = "CPUExecutionProvider"
RECORD_NODES = "session.record_ep_graph_assignment_info"  # onnxruntime 1.24 and later say which node runs where


class OrtDevice:
    """A device on one execution provider of onnxruntime; `model` is a path or the bytes of an ONNX file.

    The provider is never replaced: DeviceError if it is not installed, does not start, or takes no node of the graph;
    `notes` says how many nodes it leaves to others.
    """

    def __init__(
        self, model: Path | bytes, *, name: str = "the model", provider: str = DEFAULT_PROVIDER, threads: int = 0
    ) -> None:
        """Open a model.

        Args:
            model: A path, or the bytes of an ONNX file.
            name: Of the model, for messages.
            provider: A device name of `runtime.providers`, such as "cpu", "cuda" or "cuda:1".
            threads: What onnxruntime's CPU part uses within a frame; 0 leaves it the choice.

        Raises:
            ModelError: onnxruntime cannot load the file.
            DeviceError: The provider is not available for it.
            ConfigError: The provider is unknown.
        """
        execution = require_provider(provider)
        provider = with_provider(provider)
        self.kind = FLOAT if provider == DEFAULT_PROVIDER else f"{FLOAT}-{provider}"
        self._session: Any = _open(model, name, provider, execution, threads)
        self.notes = _require_in_use(self._session, name, provider, execution)
        self.inputs = tuple(_info(t) for t in self._session.get_inputs())
        self.outputs = tuple(_info(t) for t in self._session.get_outputs())
        self._turn: AbstractContextManager[Any] = threading.Lock() if execution.serialized else nullcontext()

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Run one batch; raises ModelError if onnxruntime refuses the inputs."""
        names = [t.name for t in self.outputs]
        session = self._session
        if session is None:
            raise closed_error()
        try:
            with self._turn:
                values = session.run(names, dict(inputs))
        except Exception as error:
            actual = {k: (v.shape, str(v.dtype)) for k, v in inputs.items()}
            expected = {t.name: (t.shape, t.dtype) for t in self.inputs}
            if actual == expected:
                raise DeviceError(
                    f"{self.kind} failed on an input of the right shape ({_first_line(error)})",
                    hint="the model may want another size, or the device more memory than is free",
                ) from error
            raise ModelError(
                f"onnxruntime refused the input: got {actual}, expected {expected}",
                hint="use Session.prepare to make the input from an image",
            ) from error
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    def close(self) -> None:
        """Release the model and the provider's memory."""
        self._session = None


def _open(model: Path | bytes, name: str, device: str, provider: Provider, threads: int) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = not provider.serialized  # DirectML supports neither
    options.add_session_config_entry(RECORD_NODES, "1")
    here = onnxruntime.get_available_providers()
    providers = list(dict.fromkeys([provider.name, *(name for name in provider.behind if name in here)]))
    index = device_index(device)
    chosen = [name if index is None else (name, {"device_id": str(index)}) for name in providers if name != CPU]
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=[*chosen, CPU],
            enable_fallback=0,  # it would go on without the provider
        )
    except Exception as error:  # onnxruntime has a class of its own per failure
        reason = _first_line(error)
        if provider.name == CPU:
            raise ModelError(
                f"{name} cannot be loaded by onnxruntime ({reason})",
                hint="check the file with onnx.checker, or export it again",
            ) from error
        raise DeviceError(
            f"device {device!r} cannot load {name} ({reason})",
            hint="check the device's driver and libraries, or choose --device cpu",
        ) from error


def _require_in_use(session: Any, name: str, device: str, provider: Provider) -> tuple[str, ...]:
    """Return notes on a session's providers; raises DeviceError if the requested one is not used.

    Onnxruntime goes on without a provider whose libraries do not load, and gives the nodes that it does not know to the
    CPU.
    """
    if provider.name not in session.get_providers():
        raise DeviceError(
            f"device {device!r} did not start: onnxruntime has {provider.name} but went on with "
            f"{', '.join(session.get_providers())}",
            hint="install the driver and libraries of the versions that this onnxruntime asks for, or use --device cpu",
        )
    counts = _nodes_by_provider(session)
    if provider.name == CPU or not counts:
        return ()
    if not counts[provider.name]:
        raise DeviceError(
            f"device {device!r} takes none of the {counts.total()} nodes of {name}, expected some",
            hint="choose --device cpu, which would compute them all",
        )
    left = ", ".join(f"{count} on {rest}" for rest, count in sorted(counts.items()) if rest != provider.name)
    return (f"{counts[provider.name]} of {counts.total()} nodes run on {provider.name}, {left}",) if left else ()


def _nodes_by_provider(session: Any) -> Counter[str]:
    """Count the nodes that each provider computes; empty if this onnxruntime does not report it."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # older than 1.24, or built without it
        return Counter()
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part.ep_name] += len(part.get_nodes())
    return counts


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _info(tensor: Any) -> TensorInfo:
    shape = tuple(side if isinstance(side, int) else 1 for side in tensor.shape)
    return TensorInfo(tensor.name, shape, DTYPES.get(tensor.type, tensor.type))
