"""Measuring a session: latency and throughput by stage and by number of threads, after a warm-up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.ops.buffers import Buffers
from edgekit.progress import Progress, silent
from edgekit.runtime.model_inputs import InputSample
from edgekit.runtime.session import Session
from edgekit.runtime.system import Sample, read_sample

STAGES = ("prepare", "infer", "decode", "draw")
SAMPLE_SECONDS = 0.5
MAX_THREADS = 64
STOP_SECONDS = 10.0  # what a frame may take that an interrupted measurement waits for

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds per frame over all measured frames."""

    mean: float
    p50: float
    p90: float
    p99: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class PerfRun:
    """One measurement.

    Attributes:
        threads: Frames in flight.
        frames: How many were measured.
        seconds: From the first frame's begin to the last one's end.
        fps: Of all threads together.
        cpu_percent: Processor time of this process: 100 is one core kept busy.
        objects_per_frame: Mean number of results.
        total: From the raw image to the last stage.
        stages: By stage.
        sensors: Means over the run; what the machine does not offer is absent.
        batch: Images per call of the model; all times are an image's share of its call.
    """

    threads: int
    frames: int
    seconds: float
    fps: float
    cpu_percent: float
    objects_per_frame: float
    total: Latency
    stages: dict[str, Latency]
    sensors: dict[str, float]
    batch: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def measure(
    session: Session,
    images: Sequence[InputSample],
    *,
    threads: int = 1,
    frames: int = 200,
    warmup: int = 10,
    draw: bool = True,
    progress: Progress = silent,
) -> PerfRun:
    """Measure a session, each thread after a warm-up of its own.

    Args:
        session: The model.
        images: (h, w, 3) uint8 BGR each, or arrays by input name, taken in turn.
        threads: Frames in flight.
        frames: How many are measured, over all threads.
        warmup: Frames per thread that are not.
        draw: Whether drawing the results is a stage, too; never of arrays.
        progress: Called per frame.

    Returns:
        The measurement.

    Raises:
        ConfigError: The numbers make no measurement.
        EdgekitError: An error in a thread, which stops the others.
    """
    _check(images, threads=threads, frames=frames, warmup=warmup)
    shared = _Measurement(session, images, frames, draw, progress)
    ended = [threading.Event() for _ in range(threads)]
    workers = [threading.Thread(target=shared.run, args=(warmup, event), daemon=True) for event in ended]
    shared.start = threading.Barrier(threads + 1)
    sensors = _Sensors()
    begun = 0
    try:
        for worker in workers:
            begun += 1  # before it is: Ctrl-C may come while it begins
            worker.start()
        shared.start.wait()  # one that failed in its warm-up comes here, too
        cpu = time.process_time()
        for event in ended:
            while not event.wait(0.1):  # with a limit, so that Ctrl-C reaches the main thread
                sensors.read_when_due()
        cpu_seconds = time.process_time() - cpu
    except BaseException as error:
        shared.stop(error, ended[:begun])
        raise
    finally:
        for worker, event in zip(workers, ended, strict=True):
            if event.is_set():  # Python takes a thread whose join was interrupted for ended, so only then
                worker.join()
    if shared.failure is not None:
        raise shared.failure
    return _summary(shared, threads, cpu_seconds, sensors.means())


class _Measurement:
    """What the threads of one measurement share; each frame's numbers are appended as one row."""

    def __init__(
        self, session: Session, images: Sequence[InputSample], frames: int, draw: bool, progress: Progress
    ) -> None:
        self.session, self.images, self.frames, self.progress = session, images, frames, progress
        self.draw = draw and not isinstance(images[0], Mapping)
        self.batch = session.images_per_call
        self.start = threading.Barrier(1)
        self.tickets = itertools.count()
        self.rows: list[tuple[float, ...]] = []
        self.objects: list[float] = []
        self.failure: BaseException | None = None

    def run(self, warmup: int, ended: threading.Event) -> None:
        """Warm one thread up, wait for the others, then take frames until all are taken."""
        buffers = [Buffers() for _ in range(self.batch)]
        try:
            for index in range(warmup):
                if self.failure is not None:
                    break
                self.run_call(index, buffers)
        except BaseException as error:  # handed to the main thread, which raises it
            self.failure = error
        try:
            self.start.wait()
            while self.failure is None and (ticket := next(self.tickets)) * self.batch < self.frames:
                marks, objects = self.run_call(ticket, buffers)
                self.rows.append(marks)
                self.objects.append(objects / self.batch)
                self.progress("measure", min(len(self.rows) * self.batch, self.frames), self.frames)
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            ended.set()

    def stop(self, error: BaseException, ended: Sequence[threading.Event]) -> None:
        """End the threads with the frame that each is in: a process that ends under them is aborted."""
        self.failure = error
        self.start.abort()
        for event in ended:
            event.wait(STOP_SECONDS)

    def run_call(self, ticket: int, buffers: Sequence[Buffers]) -> tuple[tuple[float, ...], int]:
        """Run one call of the model; return the clock before the first and after every stage, and how many objects."""
        clock, first = time.perf_counter, ticket * self.batch
        images = [self.images[(first + i) % len(self.images)] for i in range(self.batch)]
        begin = clock()
        inputs = [self.session.prepare(image, buffers=own) for image, own in zip(images, buffers, strict=True)]
        prepared = clock()
        heads = self.session.infer_batch([item for item, _ in inputs])
        inferred = clock()
        results = [self.session.decode(of_image, box) for of_image, (_, box) in zip(heads, inputs, strict=True)]
        decoded, objects = clock(), sum(map(len, results))
        if not self.draw:
            return (begin, prepared, inferred, decoded), objects
        for result, image in zip(results, images, strict=True):
            if not isinstance(image, Mapping):
                result.draw(image)
        return (begin, prepared, inferred, decoded, clock()), objects


class _Sensors:
    """Samples of the board's sensors, taken from time to time while a measurement runs."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._due = time.monotonic() + SAMPLE_SECONDS

    def read_when_due(self) -> None:
        if time.monotonic() >= self._due:
            self._samples.append(read_sample())
            self._due = time.monotonic() + SAMPLE_SECONDS

    def means(self) -> dict[str, float]:
        """Return the mean of every sensor that reported something."""
        columns: dict[str, list[float]] = {}
        for sample in self._samples or [read_sample()]:  # shorter than one interval: now
            values = {"bpu_percent": sample.bpu_percent, "cpu_mhz": sample.cpu_mhz}
            values |= {f"{name}_temperature_c": value for name, value in sample.temperatures_c.items()}
            for name, value in values.items():
                if value is not None:
                    columns.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in columns.items()}


def _summary(shared: _Measurement, threads: int, cpu_seconds: float, sensors: dict[str, float]) -> PerfRun:
    marks = np.asarray(shared.rows) * 1000
    spans, count = np.diff(marks, axis=1) / shared.batch, len(marks) * shared.batch
    seconds = max((marks[:, -1].max() - marks[:, 0].min()) / 1000, 1e-9)
    return PerfRun(
        threads=threads,
        frames=count,
        seconds=float(seconds),
        fps=float(count / seconds),
        cpu_percent=float(100 * cpu_seconds / seconds),
        objects_per_frame=float(np.mean(shared.objects)),
        total=latency_of((marks[:, -1] - marks[:, 0]) / shared.batch),
        stages={stage: latency_of(column) for stage, column in zip(STAGES, spans.T, strict=False)},
        sensors=sensors,
        batch=shared.batch,
    )


def latency_of(milliseconds: npt.NDArray[np.float64]) -> Latency:
    """Return the usual statistics of measured times (n,) in ms; percentiles interpolate between neighbors."""
    p50, p90, p99 = (float(v) for v in np.percentile(milliseconds, (50, 90, 99)))
    return Latency(float(milliseconds.mean()), p50, p90, p99, float(milliseconds.min()), float(milliseconds.max()))


def _check(images: Sequence[InputSample], *, threads: int, frames: int, warmup: int) -> None:
    for name, value, low, high in (
        ("threads", threads, 1, MAX_THREADS),
        ("frames", frames, 1, 1_000_000),
        ("warmup", warmup, 0, 1_000_000),
        ("images", len(images), 1, 1_000_000),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}, expected {low}..{high}", hint=f"give --{name} another number")
