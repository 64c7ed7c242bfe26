from __future__ import annotations

import _thread
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ConfigError, DeviceError
from edgekit.runtime import perf
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.runtime.perf import Latency, PerfRun, latency_of, measure
from edgekit.runtime.session import Session
from edgekit.runtime.system import Sample
from tests.decode.scenes import make_spec
from tests.runtime.fake_vendor import compute

SPEC = replace(make_spec(task="detect"), stage="bin")
IMAGES = [np.full((48, 80, 3), value, np.uint8) for value in (10, 200)]


class CountingDevice:
    """Counts its frames and the threads that bring them; fails from frame `fails_at` on."""

    kind = "sim"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, fails_at: int = 1_000_000) -> None:
        self.frames, self.threads, self.fails_at = 0, set[int](), fails_at
        self.lock = threading.Lock()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        with self.lock:
            self.frames += 1
            self.threads.add(threading.get_ident())
            if self.frames >= self.fails_at:
                raise DeviceError("the BPU failed on this frame (13)", hint="restart")
        return compute(SPEC, inputs["images"])

    def close(self) -> None: ...


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("draw", [True, False])
def test_counts_what_it_measured(threads: int, draw: bool) -> None:
    device = CountingDevice()
    told: list[int] = []
    run = measure(
        Session(SPEC, device),
        IMAGES,
        threads=threads,
        frames=12,
        warmup=2,
        draw=draw,
        progress=lambda stage, done, total: told.append(done),
    )
    assert device.frames == 12 + 2 * threads
    assert len(device.threads) == threads
    assert (run.threads, run.frames) == (threads, 12)
    assert list(run.stages) == ["prepare", "infer", "decode", "draw"][: 3 + draw]
    assert run.fps == pytest.approx(12 / run.seconds)
    assert run.total.mean == pytest.approx(sum(stage.mean for stage in run.stages.values()))
    assert max(told) == 12


def test_percentiles_by_hand() -> None:
    found = latency_of(np.arange(1.0, 102.0))
    assert found == Latency(mean=51.0, p50=51.0, p90=91.0, p99=100.0, min=1.0, max=101.0)


@pytest.mark.parametrize("fails_at", [1, 9])
def test_an_error_in_a_thread_stops_the_measurement(fails_at: int) -> None:
    device = CountingDevice(fails_at)
    with pytest.raises(DeviceError, match="failed on this frame"):
        measure(Session(SPEC, device), IMAGES, threads=2, frames=1000, warmup=2)
    assert device.frames < 1000


@pytest.mark.parametrize("numbers", [{"threads": 0}, {"threads": 65}, {"frames": 0}, {"warmup": -1}])
def test_impossible_numbers(numbers: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(numbers))} is"):
        measure(Session(SPEC, CountingDevice()), IMAGES, **numbers)
    with pytest.raises(ConfigError, match="images is 0"):
        measure(Session(SPEC, CountingDevice()), [])


def test_plain_json_values() -> None:
    run = measure(Session(SPEC, CountingDevice()), IMAGES, frames=2, warmup=0)
    assert isinstance(run, PerfRun)
    assert run.to_dict()["stages"]["infer"]["p99"] >= 0


@pytest.mark.parametrize("at", [1, 8])
def test_ctrl_c_ends_the_threads_before_it_goes_on(at: int) -> None:
    """A thread that is left computing when the process ends aborts it."""
    device = CountingDevice()

    def told(inputs: Mapping[str, np.ndarray]) -> Tensors:
        if device.frames == at:
            _thread.interrupt_main()
        return CountingDevice.infer(device, inputs)

    device.infer = told  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        measure(Session(SPEC, device), IMAGES, threads=2, frames=1_000_000, warmup=3)
    assert threading.active_count() == before
    assert device.frames < 1_000_000


def test_sensors_are_read_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means over the samples, of what the machine offers; a frame here lasts until two samples are taken."""
    samples = iter([Sample(40.0, None, {"bpu": 50.0}), Sample(60.0, None, {"bpu": 54.0})])
    two = threading.Event()

    def read() -> Sample:
        sample = next(samples, None)
        if sample is None:  # a third one, and however many more: their sensors say nothing
            two.set()
        return sample or Sample(None, None, {})

    monkeypatch.setattr(perf, "SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr(perf, "read_sample", read)
    device = CountingDevice()
    device.infer = lambda inputs: compute(SPEC, inputs["images"]) if two.wait() >= 0 else {}  # type: ignore[method-assign]
    run = measure(Session(SPEC, device), IMAGES, frames=1, warmup=0)
    assert run.sensors == {"bpu_percent": 50.0, "bpu_temperature_c": 52.0}
