"""Capture, prepare, infer and decode side by side on threads; frames come out in order.

The device is the bottleneck that should never wait: while it works on some frames, the one before is decoded
and the one after prepared. The sink is the caller's own loop over `run_pipeline`.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, EdgekitError, ImageError
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Results
from edgekit.runtime.bounded_queue import BoundedQueue
from edgekit.runtime.device import Tensors
from edgekit.runtime.recovering_session import Inferred, RecoveringSession
from edgekit.runtime.session import Named, Session
from edgekit.runtime.sources import Frame, OnSkip, Source

IN_FLIGHT = 2  # as many as the BPU works on at once; more wait for each other out of order
BACKLOG = 4  # frames that may wait before and after the device


@dataclass(frozen=True, slots=True)
class Done:
    """One frame's results, its number in the source and the milliseconds that each stage took.

    `heads` are what the device gave, and `input_sha256` is that of what it got, where both were to be kept.
    """

    frame: Frame
    results: Results
    number: int
    times_ms: dict[str, float]
    heads: Tensors | None = None
    input_sha256: str = ""


@dataclass(slots=True)
class PipelineCounts:
    """What happened so far: frames read, finished, and dropped because a live source was faster than its sink."""

    read: int = 0
    done: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A frame ready for the device, with the session that made its inputs."""

    number: int
    frame: Frame
    times_ms: dict[str, float]
    session: Session
    inputs: npt.NDArray[Any] | Named
    letterbox: Letterbox


@dataclass(frozen=True, slots=True)
class _Sent:
    """A frame on the device, the `position`th of its call."""

    number: int
    frame: Frame
    times_ms: dict[str, float]
    inferred: Future[list[Inferred]]
    position: int = 0
    input_sha256: str = ""


def run_pipeline(
    source: Source,
    engine: RecoveringSession,
    *,
    in_flight: int = IN_FLIGHT,
    counts: PipelineCounts | None = None,
    on_skip: OnSkip | None = None,
    keep_heads: bool = False,
) -> Generator[Done, None, None]:
    """Run a source's frames through a model, the stages side by side.

    A live source drops its oldest waiting frames if the caller is slower; a file never does. An exception in any stage
    stops all of them and is raised here, with the frame's number, after the frames before it. Closing the iterator (or
    Ctrl-C in the caller's loop) ends the threads before it returns.

    Args:
        source: The frames.
        engine: What runs them.
        in_flight: Calls on the device at once, of one frame each, or of as many as the model was compiled for; the
            last call is filled up.
        counts: Updated as frames are read, done and dropped.
        on_skip: Gets the error of an image that the model's input cannot be made of; without it, that is raised, too.
        keep_heads: Whether `Done` keeps what the device gave, and the digest of what it got, for a recording.

    Yields:
        Every frame with its results, in order.

    Raises:
        EdgekitError: A stage failed.
    """
    run = _Run(source, engine, in_flight, counts or PipelineCounts(), on_skip, keep_heads)
    run.start()
    try:
        for done in run.decoded:
            run.counts.done += 1
            yield done
    finally:
        run.stop()
    if run.failure:
        raise run.failure


@dataclass(slots=True)
class _Run:
    """The threads of one run and the channels between them."""

    source: Source
    engine: RecoveringSession
    in_flight: int
    counts: PipelineCounts
    on_skip: OnSkip | None = None
    keep_heads: bool = False
    failure: Exception | None = None
    captured: BoundedQueue[tuple[int, Frame]] = field(init=False)
    sent: BoundedQueue[_Sent] = field(init=False)
    decoded: BoundedQueue[Done] = field(init=False)
    pool: ThreadPoolExecutor = field(init=False)
    threads: list[threading.Thread] = field(init=False)

    def __post_init__(self) -> None:
        self.captured = BoundedQueue(BACKLOG, drop_oldest=self.source.live, on_drop=self._dropped)
        self.sent = BoundedQueue(self.in_flight * self.engine.current().images_per_call)
        self.decoded = BoundedQueue(BACKLOG)
        self.pool = ThreadPoolExecutor(self.in_flight, thread_name_prefix="infer")
        stages: list[tuple[Callable[[], None], BoundedQueue[Any] | None, BoundedQueue[Any]]] = [
            (self._capture, None, self.captured),
            (self._prepare, self.captured, self.sent),
            (self._decode, self.sent, self.decoded),
        ]
        self.threads = [threading.Thread(target=self._guarded, args=stage, daemon=True) for stage in stages]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        for channel in (self.captured, self.sent, self.decoded):
            channel.cancel()
        for thread in self.threads:
            thread.join()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _capture(self) -> None:
        for number, frame in enumerate(self.source.frames()):
            self.counts.read += 1
            if not self.captured.put((number, frame)):
                return

    def _prepare(self) -> None:
        group: list[_Prepared] = []  # of one session, whose calls take as many
        try:
            for number, frame in self.captured:
                prepared = self._prepared(number, frame, group)
                if prepared is None:
                    continue
                group.append(prepared)
                if len(group) >= prepared.session.images_per_call:
                    full, group = group, []
                    if not self._send(full):
                        return
        finally:  # the frames before an error go on, too
            if group:
                self._send(group)

    def _decode(self) -> None:
        for sent in self.sent:
            with _naming(sent.number):
                done = _finish(sent, keep_heads=self.keep_heads)
            if not self.decoded.put(done):
                return

    def _prepared(self, number: int, frame: Frame, group: Sequence[_Prepared]) -> _Prepared | None:
        """Prepare a frame for the session of its group; None if it is an image that is skipped."""
        times_ms: dict[str, float] = {}
        session = group[0].session if group else self.engine.current()
        try:
            with _naming(number), _timing(times_ms, "prepare"):
                inputs, letterbox = session.prepare(frame.sample)
        except ImageError as error:
            if self.on_skip is None:
                raise
            self.on_skip(ImageError(f"{frame.name}: {error.message}", hint=error.hint))
            return None
        return _Prepared(number, frame, times_ms, session, inputs, letterbox)

    def _send(self, group: Sequence[_Prepared]) -> bool:
        """Give frames to the device in one call; returns whether anybody still waits for them."""
        call = self.pool.submit(self._infer, group)
        for position, item in enumerate(group):
            digest = _digest(item.inputs) if self.keep_heads and isinstance(item.inputs, np.ndarray) else ""
            if not self.sent.put(_Sent(item.number, item.frame, item.times_ms, call, position, digest)):
                return False
        return True

    def _infer(self, group: Sequence[_Prepared]) -> list[Inferred]:
        """Run a call; its time counts in equal shares for its frames."""
        first, times_ms = group[0], dict[str, float]()
        with _timing(times_ms, "infer"):
            if first.session.images_per_call == 1:
                inferred = [self.engine.infer(first.session, first.frame.sample, first.inputs, first.letterbox)]
            else:
                samples, inputs = [item.frame.sample for item in group], [item.inputs for item in group]
                inferred = self.engine.infer_batch(first.session, samples, inputs, [item.letterbox for item in group])
        for item in group:
            item.times_ms["infer"] = times_ms["infer"] / len(group)
        return inferred

    def _guarded(
        self, stage: Callable[[], None], upstream: BoundedQueue[Any] | None, downstream: BoundedQueue[Any]
    ) -> None:
        """Run a stage; whatever ends it, the stages before and after it do not wait for it."""
        try:
            stage()
        except Exception as error:
            self.failure = self.failure or error
            if upstream:
                upstream.cancel()
        finally:
            downstream.close()

    def _dropped(self, entry: tuple[int, Frame]) -> None:
        self.counts.dropped += 1


def _finish(sent: _Sent, *, keep_heads: bool) -> Done:
    session, letterbox, heads = sent.inferred.result()[sent.position]
    with _timing(sent.times_ms, "decode"):
        results = session.decode(heads, letterbox)
    return Done(sent.frame, results, sent.number, sent.times_ms, heads if keep_heads else None, sent.input_sha256)


def _digest(inputs: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(inputs).data).hexdigest()


@contextlib.contextmanager
def _timing(times_ms: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times_ms[stage] = (time.perf_counter() - start) * 1000


@contextlib.contextmanager
def _naming(number: int) -> Iterator[None]:
    """Prefix the frame's number to errors of edgekit; any other becomes a DeviceError."""
    try:
        yield
    except EdgekitError as error:
        raise type(error)(f"frame {number}: {error.message}", hint=error.hint) from error
    except Exception as error:
        raise DeviceError(
            f"frame {number}: {type(error).__name__}: {error}", hint="run again with --debug to see where"
        ) from error
