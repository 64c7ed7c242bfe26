"""The float model with its inner tensors exposed, in portions that bound the memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.session import onnxruntime_session

PORTION_BYTES = 256 << 20  # float32 tensors handed out at once
THREADS = 2


class FloatRunner:
    """Runs the ONNX file `path` and gives the `tensors` asked for, portion by portion.

    A model whose tensors do not fit into one portion runs once per portion.
    """

    def __init__(self, path: Path, tensors: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._sessions = [_session(path, portion) for portion in portions(tensors, shapes)]

    def run(self, x: np.ndarray | Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        """(name, float32 tensor) for every tensor asked for; `x` is the model's one input, or all by name."""
        for session, names in self._sessions:
            if not names:  # onnxruntime would give all outputs
                continue
            feeds = dict(x) if isinstance(x, Mapping) else {session.get_inputs()[0].name: x}
            yield from zip(names, session.run(list(names), feeds), strict=True)


def portions(
    tensors: Sequence[str], shapes: Mapping[str, tuple[int, ...]], limit: int = PORTION_BYTES
) -> list[tuple[str, ...]]:
    """`tensors` in order, cut where a portion would pass `limit` bytes."""
    cut: list[list[str]] = [[]]
    used = 0
    for name in tensors:
        size = 4 * math.prod(shapes.get(name, (0,)))
        if cut[-1] and used + size > limit:
            cut.append([])
            used = 0
        cut[-1].append(name)
        used += size
    return [tuple(names) for names in cut if names]


def _session(path: Path, names: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    import onnx

    model = onnx.load(path)
    inputs = {value.name for value in model.graph.input}
    known = {value.name for value in model.graph.output}
    requested = [name for name in names if name not in inputs]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in requested if name not in known)
    try:
        session = onnxruntime_session(model.SerializeToString(), threads=THREADS)
    except Exception as error:  # onnxruntime raises its own kinds
        raise ModelError(
            f"{path} cannot be run by onnxruntime: {str(error).splitlines()[0][:200]}",
            hint="check the model with onnx.checker, or export it again",
        ) from error
    return session, tuple(requested)
