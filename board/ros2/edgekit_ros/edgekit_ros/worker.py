"""Frames through a model on threads: the newest ones, two on the device at once, results in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from edgekit.errors import EdgekitError
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Results
from edgekit.runtime.bounded_queue import BoundedQueue
from edgekit.runtime.device import Tensors
from edgekit.runtime.session import Session
from edgekit_ros.frames import CAMERA_RANGE, RosFrame

__all__ = ["Worker", "WorkerCounts"]

IN_FLIGHT = 2  # as many as the BPU works on at once
BACKLOG = 1  # a robot wants the newest frame

Sent = tuple[RosFrame, Letterbox, "Future[Tensors]"]


@dataclass
class WorkerCounts:
    """What has become of the frames."""

    received: int = 0
    done: int = 0
    dropped: int = 0
    failed: int = 0


@dataclass
class Worker:
    """Prepares, infers and decodes; `deliver` gets frames and results in order, `on_error` what went wrong."""

    session: Session
    deliver: Callable[[RosFrame, Results], None]
    on_error: Callable[[str], None]
    counts: WorkerCounts = field(default_factory=WorkerCounts)

    def __post_init__(self) -> None:
        self._received: BoundedQueue[RosFrame] = BoundedQueue(BACKLOG, drop_oldest=True, on_drop=self._dropped)
        self._sent: BoundedQueue[Sent] = BoundedQueue(IN_FLIGHT)
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="infer")
        self._threads = [threading.Thread(target=step, daemon=True) for step in (self._send, self._finish)]
        for thread in self._threads:
            thread.start()

    def put(self, frame: RosFrame) -> None:
        """Take a frame; returns at once, and drops the one that still waits."""
        self.counts.received += 1
        self._received.put(frame)

    def close(self) -> None:
        """End without the frames that wait."""
        self._received.cancel()
        self._threads[0].join()
        self._sent.close()
        self._threads[1].join()
        self._pool.shutdown()

    def _send(self) -> None:
        for frame in self._received:
            try:
                if frame.is_nv12:
                    inputs, letterbox = self.session.prepare_nv12(frame.pixels, frame.size_wh, color_range=CAMERA_RANGE)
                else:
                    inputs, letterbox = self.session.prepare(frame.pixels)
            except EdgekitError as error:
                self._failed(error)
                continue
            if not self._sent.put((frame, letterbox, self._pool.submit(self.session.infer, inputs))):
                return

    def _finish(self) -> None:
        for frame, letterbox, heads in self._sent:
            try:
                results = self.session.decode(heads.result(), letterbox)
                self.deliver(frame, results)
                self.counts.done += 1
            except Exception as error:  # one frame that fails must not end the node
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.counts.failed += 1
        self.on_error(error.message if isinstance(error, EdgekitError) else f"{type(error).__name__}: {error}")

    def _dropped(self, frame: RosFrame) -> None:
        self.counts.dropped += 1
