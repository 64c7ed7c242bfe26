"""A device, sessions and sources for the tests of long runs: computed by hand, failing when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edgekit.errors import DeviceError
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.runtime.session import Session
from edgekit.runtime.sources import Frame, Source
from edgekit.spec import ModelSpec
from tests.decode.scenes import make_spec

SPEC = make_spec(task="detect", classes=3)


class CountingDevice:
    """Gives one object whose class is the frame's first pixel; notes how many frames it worked on at once."""

    inputs: tuple[TensorInfo, ...] = (TensorInfo("images", (1, 3, 64, 96), "float32"),)
    outputs = tuple(TensorInfo(h.name, h.shape, h.dtype) for h in SPEC.outputs)

    def __init__(
        self, kind: str = "bpu", *, fails: Callable[[int], bool] = lambda call: False, delay_s: float = 0
    ) -> None:
        self.kind = kind
        self.fails, self.delay_s = fails, delay_s
        self.calls = self.busy = self.most_busy = 0
        self.closed = False
        self._lock = threading.Lock()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        with self._lock:
            self.calls += 1
            call = self.calls
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(self.delay_s * (1 + call % 3))  # later frames may be ready first
        with self._lock:
            self.busy -= 1
        if self.fails(call):
            raise DeviceError(f"call {call} failed", hint="none")
        return heads_of(SPEC, round(float(inputs["images"][0, 0, 32, 48]) * 255) % 3)

    def close(self) -> None:
        self.closed = True


def heads_of(spec: ModelSpec, class_id: int) -> Tensors:
    heads = {h.name: np.full(h.shape, -20 if h.role == "class" else 0, np.float32) for h in spec.outputs}
    heads["class_8"][0, 3, 4, class_id] = 5
    return heads


def session_on(device: Any) -> Session:
    return Session(SPEC, device)


def source_of(count: int, *, live: bool = False, wait_s: float = 0, broken_at: int | None = None) -> Source:
    """Frames whose pixels all have the value of their number."""

    def frames() -> Iterator[Frame]:
        for index in range(count):
            time.sleep(wait_s)
            if index == broken_at:
                raise RuntimeError("the source broke")
            yield Frame(np.full((64, 96, 3), index % 250, np.uint8), f"frame {index}")

    return Source("camera" if live else "video", 0 if live else count, 25.0, frames, live)
