"""The share of the device's own rate that `edgekit run` reaches, beside the same work done serially.

The device is a timed stand-in: every frame takes 5.5 ms (yolov8n-seg on the X5) and two run at once; it gives
real-shaped heads with a few objects. The host stages are the real ones.
"""

from __future__ import annotations

import argparse
import resource
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.runtime.pipeline import run_pipeline
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.session import Session
from edgekit.runtime.sources import Frame, Source
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, TaskName

CLASSES, OBJECTS = 80, 8


class TimedDevice:
    """Sleeps as long as the BPU would work; `slots` frames at once."""

    kind = "bpu"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, heads: Tensors, *, frame_s: float, slots: int) -> None:
        self._heads, self._frame_s = heads, frame_s
        self._slots = threading.Semaphore(slots)

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        with self._slots:
            time.sleep(self._frame_s)
        return self._heads

    def close(self) -> None:
        """Nothing to give back."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--frame-ms", type=float, default=5.5)
    parser.add_argument("--slots", type=int, default=2, help="frames that the device runs at once")
    parser.add_argument("--source", default="640x480", help="size of the source's frames")
    parser.add_argument("--task", default="segment", choices=("detect", "segment"))
    parser.add_argument("--only", choices=("one", "robot"), help="one model alone, or two models on three sources")


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print the tables; return the shares of the device's own rate."""
    shares: dict[str, float] = {}
    width, height = (int(side) for side in args.source.split("x"))
    if args.only != "robot":
        shares |= run_one(args, width, height)
    if args.only != "one":
        from benches.robot import run_robot

        busy = run_robot(args.seconds, args.frame_ms / 1000, args.slots, (width, height))
        shares["two models, three sources: device busy"] = busy
    return shares


def run_one(args: argparse.Namespace, width: int, height: int) -> dict[str, float]:
    spec = make_spec(args.task)
    device = TimedDevice(make_heads(spec), frame_s=args.frame_ms / 1000, slots=args.slots)
    session = Session(spec, device)
    frames = images(width, height)
    host_ms = host_time_ms(session, frames)
    alone = device_rate(device, args.slots, min(5.0, args.seconds))
    serial = serial_rate(session, frames, min(5.0, args.seconds))
    before = peak_mb()
    rate, halves = pipeline_rate(session, frames, args.seconds, args.slots)
    print(f"device alone            {alone:7.1f} frames/s")
    print(f"serial                  {serial:7.1f} frames/s  {serial / alone:5.1%} of the device")
    print(f"pipeline, {args.seconds:.0f} s          {rate:7.1f} frames/s  {rate / alone:5.1%} of the device")
    print(f"first half {halves[0]:.1f}, second half {halves[1]:.1f} frames/s")
    print(f"host stages {host_ms:.2f} ms of one core per frame; 2 cores allow {2000 / host_ms:.0f} frames/s")
    print(f"peak memory {before:.0f} MB before, {peak_mb():.0f} MB after the run")
    return {"pipeline / device": rate / alone, "serial / device": serial / alone}


def make_spec(task: TaskName) -> ModelSpec:
    heads = []
    for stride in (8, 16, 32):
        grid = (1, 640 // stride, 640 // stride)
        heads.append(HeadSpec(f"box_{stride}", "box", (*grid, 64), stride, "int32", (0.002,) * 64))
        heads.append(HeadSpec(f"class_{stride}", "class", (*grid, CLASSES), stride))
        if task == "segment":
            heads.append(HeadSpec(f"mask_{stride}", "mask", (*grid, 32), stride, "int32", (0.001,) * 32))
    if task == "segment":
        heads.append(HeadSpec("proto", "proto", (1, 160, 160, 32), 4))
    names = tuple(str(i) for i in range(CLASSES))
    return ModelSpec(task, names, InputSpec("images", "nv12"), Preprocess(640, 640), tuple(heads), stage="bin")


def make_heads(spec: ModelSpec) -> Tensors:
    """Background everywhere and a few objects."""
    rng = np.random.default_rng(0)
    heads: dict[str, Any] = {}
    for head in spec.outputs:
        values = rng.normal(-7 if head.role == "class" else 0, 1, head.shape)
        if head.role == "class" and head.stride == 16:
            for _ in range(OBJECTS):
                values[0, rng.integers(40), rng.integers(40), rng.integers(CLASSES)] = 2
        heads[head.name] = np.asarray(values / (head.scale[0] if head.scale else 1)).astype(head.dtype)
    return heads


def images(width: int, height: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(4)]


def endless(frames: list[np.ndarray], seconds: float) -> Source:
    def give() -> Iterator[Frame]:
        end = time.perf_counter() + seconds
        index = 0
        while time.perf_counter() < end:
            yield Frame(frames[index % len(frames)], f"frame {index}")
            index += 1

    return Source("video", 0, 25.0, give)


def host_time_ms(session: Session, frames: list[np.ndarray], rounds: int = 60) -> float:
    """Processor time of prepare and decode per frame, by the process clock."""
    heads = session.infer(np.zeros(1))
    start = time.process_time()
    for index in range(rounds):
        _, letterbox = session.prepare(frames[index % len(frames)])
        session.decode(heads, letterbox)
    return (time.process_time() - start) * 1000 / rounds


def device_rate(device: TimedDevice, slots: int, seconds: float) -> float:
    end = time.perf_counter() + seconds
    counts = [0] * slots

    def work(slot: int) -> None:
        while time.perf_counter() < end:
            device.infer({})
            counts[slot] += 1

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def serial_rate(session: Session, frames: list[np.ndarray], seconds: float) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        session.predict(frames[count % len(frames)])
        count += 1
    return count / (time.perf_counter() - start)


def pipeline_rate(
    session: Session, frames: list[np.ndarray], seconds: float, slots: int
) -> tuple[float, tuple[float, float]]:
    start = time.perf_counter()
    stamps = [
        time.perf_counter() for _ in run_pipeline(endless(frames, seconds), RecoveringSession(session), in_flight=slots)
    ]
    total = time.perf_counter() - start
    first = sum(stamp - start < total / 2 for stamp in stamps)
    return len(stamps) / total, (first / (total / 2), (len(stamps) - first) / (total / 2))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
