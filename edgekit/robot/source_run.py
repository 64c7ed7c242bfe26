"""One source of a robot: its frames captured, prepared, given to the device and finished on threads of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any, cast

from edgekit.errors import EdgekitError
from edgekit.results import Detections, Results
from edgekit.robot.config import TaskConfig
from edgekit.robot.crops import Crop, crops_of, moved
from edgekit.robot.frame import CropResults, RobotFrame, TaskResults
from edgekit.robot.schedule import FairScheduler
from edgekit.runtime.bounded_queue import BoundedQueue
from edgekit.runtime.recovering_session import Inferred, RecoveringSession
from edgekit.runtime.sources import Frame, Source
from edgekit.tracking.counting import Event
from edgekit.tracking.tracker import Tracker

__all__ = ["RETRY_S", "SourceCounts", "SourceRun", "route_name"]

RETRY_S = 10.0  # between two attempts to open a live source that died
BACKLOG = 4  # frames that may wait before they are prepared

Deliver = Callable[[RobotFrame], None]


@dataclass(slots=True)
class SourceCounts:
    """What has become of a source's frames.

    Attributes:
        read: Frames that it gave.
        done: Frames that were finished and delivered.
        dropped: Frames that a live source gave while there was no time for them.
        failed: Tasks on a frame that ended in an error; the frame goes on without them.
        deaths: How often the source died.
        failure: What ended the source for good; None for one that ended by itself or goes on.
    """

    read: int = 0
    done: int = 0
    dropped: int = 0
    failed: int = 0
    deaths: int = 0
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A frame on the device: what each of its tasks waits for."""

    number: int
    frame: Frame
    waiting: tuple[tuple[TaskConfig, Future[Inferred]], ...]
    times_ms: dict[str, float]


def route_name(task: TaskConfig) -> str:
    """Return the name of a task's share of the device."""
    return f"{task.model} on {task.source}"


@dataclass(slots=True)
class SourceRun:
    """The threads of one source.

    Attributes:
        name: The source's name.
        open_source: Opens it.
        tasks: Its tasks.
        sessions: Every model by name.
        scheduler: The device.
        trackers: Model name -> the tracker of its objects here.
        deliver: Takes every finished frame, in order, on a thread of this source.
        on_note: Takes what the user should know.
        in_flight: Frames that wait for the device or its results at once.
        stopping: Set to end.
        retry_s: Between two attempts to open a live source that died.
    """

    name: str
    open_source: Callable[[], Source]
    tasks: Sequence[TaskConfig]
    sessions: dict[str, RecoveringSession]
    scheduler: FairScheduler
    trackers: dict[str, Tracker]
    deliver: Deliver
    on_note: Callable[[str], None]
    in_flight: int
    stopping: threading.Event
    retry_s: float = RETRY_S
    counts: SourceCounts = field(default_factory=SourceCounts)
    _captured: BoundedQueue[tuple[int, Frame]] = field(init=False)
    _sent: BoundedQueue[_Sent] = field(init=False)
    _threads: list[threading.Thread] = field(init=False)
    _failing: set[str] = field(default_factory=set)

    def start(self, source: Source) -> None:
        """Begin; `source` is the opened one."""
        self._captured = BoundedQueue(BACKLOG, drop_oldest=source.live, on_drop=self._dropped)
        self._sent = BoundedQueue(self.in_flight)
        steps: list[Callable[[], None]] = [lambda: self._capture(source), self._send_all, self._finish_all]
        self._threads = [threading.Thread(target=self._guarded, args=(step,), daemon=True) for step in steps]
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether any of its threads still works."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for its threads."""
        for thread in self._threads:
            thread.join()

    def cancel(self) -> None:
        """End without the frames that still wait."""
        self._captured.cancel()
        self._sent.cancel()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; what ends it ends this source, and no other one."""
        try:
            step()
        except CancelledError:
            self.cancel()
        except Exception as error:
            self._ended(error)
            self.cancel()

    def _ended(self, error: Exception) -> None:
        if not self.stopping.is_set() and self.counts.failure is None:
            self.counts.failure = error
            self.on_note(f"source {self.name} has ended: {_message(error)}")

    def _capture(self, source: Source) -> None:
        number = 0
        while True:
            try:
                for frame in source.frames():
                    self.counts.read += 1
                    if self.stopping.is_set() or not self._captured.put((number, frame)):
                        return
                    number += 1
                break
            except Exception as error:
                self.counts.deaths += 1
                if not source.live:
                    self._ended(error)
                    break
                self.on_note(f"source {self.name} died and is opened again: {_message(error)}")
                reopened = self._reopened()
                if reopened is None:
                    break
                source = reopened
        self._captured.close()

    def _reopened(self) -> Source | None:
        """Return the source once it can be opened again; None where the robot ends first."""
        while not self.stopping.wait(self.retry_s):
            try:
                return self.open_source()
            except EdgekitError:
                continue
        return None

    def _send_all(self) -> None:
        whole = [task for task in self.tasks if not task.crops_of]
        for number, frame in self._captured:
            due = [task for task in whole if number % task.every == 0]
            times_ms: dict[str, float] = {}
            waiting = []
            for task in due:
                future = self._submit(task, frame.bgr, times_ms)
                if future is not None:
                    waiting.append((task, future))
            if due and not self._sent.put(_Sent(number, frame, tuple(waiting), times_ms)):
                return
        self._sent.close()

    def _submit(self, task: TaskConfig, bgr: Any, times_ms: dict[str, float]) -> Future[Inferred] | None:
        """Prepare an image and let it wait for the device; None where no input can be made of it."""
        engine = self.sessions[task.model]
        session = engine.current()
        start = time.perf_counter()
        try:
            inputs, letterbox = session.prepare(bgr)
        except EdgekitError as error:
            self._failed(task, error)
            return None
        _add(times_ms, f"prepare {task.model}", start)

        def infer() -> Inferred:
            begun = time.perf_counter()
            inferred = engine.infer(session, bgr, inputs, letterbox)
            _add(times_ms, f"infer {task.model}", begun)
            return inferred

        return self.scheduler.submit(route_name(task), infer)

    def _finish_all(self) -> None:
        for sent in self._sent:
            self.deliver(self._finished(sent))
            self.counts.done += 1

    def _finished(self, sent: _Sent) -> RobotFrame:
        events: list[Event] = []
        results: dict[str, Results] = {}
        for task, future in sent.waiting:
            decoded = self._decoded(task, future, sent.times_ms)
            if decoded is None:
                continue
            tracker = self.trackers.get(task.model)
            if tracker is not None:
                start = time.perf_counter()
                decoded, happened = tracker.update(cast(Detections, decoded), sent.frame.bgr, sent.number)
                events += happened
                _add(sent.times_ms, f"track {task.model}", start)
            results[task.model] = decoded
        entries = [
            TaskResults(task, results[task.model])
            if not task.crops_of
            else TaskResults(task, crops=self._on_crops(task, results[task.crops_of], sent))
            for task in self.tasks
            if (task.crops_of or task.model) in results and sent.number % task.every == 0
        ]
        return RobotFrame(self.name, sent.number, sent.frame, tuple(entries), tuple(events), sent.times_ms)

    def _on_crops(self, task: TaskConfig, parents: Results, sent: _Sent) -> tuple[CropResults, ...]:
        """Run a task on the crops of a frame; all of them wait for the device at once."""
        waiting: list[tuple[Crop, Future[Inferred]]] = []
        for crop in crops_of(cast(Detections, parents), task):
            future = self._submit(task, crop.of(sent.frame.bgr), sent.times_ms)
            if future is not None:
                waiting.append((crop, future))
        parts = []
        for crop, future in waiting:
            results = self._decoded(task, future, sent.times_ms)
            if results is not None:
                whole = results if not isinstance(results, Detections) else moved(results, crop, _size_wh(sent.frame))
                parts.append(CropResults(crop, whole))
        return tuple(parts)

    def _decoded(self, task: TaskConfig, future: Future[Inferred], times_ms: dict[str, float]) -> Results | None:
        try:
            session, letterbox, heads = future.result()
            start = time.perf_counter()
            results = session.decode(heads, letterbox)
        except EdgekitError as error:
            self._failed(task, error)
            return None
        _add(times_ms, f"decode {task.model}", start)
        return results

    def _failed(self, task: TaskConfig, error: EdgekitError) -> None:
        """Count a failure; the first of each task is said."""
        self.counts.failed += 1
        if task.model not in self._failing:
            self._failing.add(task.model)
            self.on_note(f"{route_name(task)} failed on a frame, which goes on without it: {error.message}")

    def _dropped(self, entry: tuple[int, Frame]) -> None:
        self.counts.dropped += 1


def _size_wh(frame: Frame) -> tuple[int, int]:
    return frame.bgr.shape[1], frame.bgr.shape[0]


def _add(times_ms: dict[str, float], step: str, start: float) -> None:
    """Add the time since `start`; steps of several crops add up."""
    times_ms[step] = times_ms.get(step, 0.0) + (time.perf_counter() - start) * 1000


def _message(error: Exception) -> str:
    return error.message if isinstance(error, EdgekitError) else f"{type(error).__name__}: {error}"
