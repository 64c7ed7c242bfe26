"""Two models on three sources: how busy one device stays, and whether anybody starves.

The device is the timed stand-in of the pipeline bench, one for both models: the detector takes 5.5 ms, the segmenter
twice as long. The first source has both models, the others one each, and every source gives frames as fast as they
are taken; the host's steps are the real ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benches.pipeline import endless, images, make_heads, make_spec
from edgekit.robot.config import parse_config
from edgekit.robot.frame import RobotFrame
from edgekit.robot.robot import Robot, RobotReport
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.session import Session
from edgekit.spec import TaskName

CONFIG: dict[str, Any] = {
    "models": {"detector": "detector.bin", "segmenter": "segmenter.bin"},
    "sources": {"front": "front.mp4", "left": "left.mp4", "right": "right.mp4"},
    "tasks": [
        {"model": "detector", "source": ["front", "left"]},
        {"model": "segmenter", "source": ["front", "right"]},
    ],
}


class SharedDevice:
    """One of the models on a device with `slots`, which all models share; keeps how long the slots were busy."""

    kind = "bpu"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, heads: Tensors, slots: threading.Semaphore, frame_s: float) -> None:
        self._heads, self._slots, self._frame_s = heads, slots, frame_s
        self._lock = threading.Lock()
        self.busy_s = 0.0

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        with self._slots:
            start = time.perf_counter()
            time.sleep(self._frame_s)
            with self._lock:
                self.busy_s += time.perf_counter() - start
        return self._heads

    def close(self) -> None:
        """Nothing to give back."""


def run_robot(seconds: float, frame_s: float, slots: int, size_wh: tuple[int, int]) -> float:
    """Run it for a while and print the rows; return the share of the time that the device was busy."""
    semaphore = threading.Semaphore(slots)
    devices, sessions = {}, {}
    models: tuple[tuple[str, TaskName, int], ...] = (("detector", "detect", 1), ("segmenter", "segment", 2))
    for name, task, factor in models:
        spec = make_spec(task)
        devices[name] = SharedDevice(make_heads(spec), semaphore, factor * frame_s)
        sessions[name] = RecoveringSession(Session(spec, devices[name]))
    frames = images(*size_wh)
    counts: dict[str, int] = {}

    def deliver(frame: RobotFrame) -> None:
        counts[frame.source] = counts.get(frame.source, 0) + 1

    config = parse_config({**CONFIG, "in_flight": slots}, "bench")
    robot = Robot(config, sessions, lambda where: endless(frames, seconds), deliver=deliver)
    start = time.perf_counter()
    report = robot.run({source.name: endless(frames, seconds) for source in config.sources})
    wall_s = time.perf_counter() - start
    busy = sum(d.busy_s for d in devices.values()) / (slots * wall_s)
    _print(report, counts, busy, wall_s)
    return busy


def _print(report: RobotReport, counts: Mapping[str, int], busy: float, wall_s: float) -> None:
    total_s = sum(share.busy_s for share in report.shares.values())
    print(f"two models, three sources, {wall_s:.0f} s: device {busy:6.1%} busy")
    for name, share in report.shares.items():
        wait_ms = 1000 * share.waited_s / max(1, share.jobs)
        print(
            f"  {name:20} {share.jobs / wall_s:7.1f} frames/s  {share.busy_s / total_s:6.1%} of its time, "
            f"waited {wait_ms:.1f} ms"
        )
    print("  " + ", ".join(f"{name} {count / wall_s:.1f} frames/s" for name, count in counts.items()))
