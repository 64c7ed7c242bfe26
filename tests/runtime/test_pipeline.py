from __future__ import annotations

import threading
import time
from itertools import islice

import numpy as np
import pytest

from edgekit.errors import DeviceError, EdgekitError
from edgekit.ops.letterbox import Letterbox
from edgekit.runtime.pipeline import Done, PipelineCounts, run_pipeline
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.session import Session
from tests.runtime.live_parts import SPEC, CountingDevice, session_on, source_of
from tests.typed import detections


def classes(done: list[Done]) -> list[int]:
    return [int(detections(d.results).class_ids[0]) for d in done]


def no_threads_left() -> bool:
    names = [t.name for t in threading.enumerate()]
    return not any("_guarded" in name or name.startswith("infer") for name in names)


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_order_is_kept_and_nothing_is_lost(in_flight: int) -> None:
    device = CountingDevice(delay_s=0.002)
    done = list(run_pipeline(source_of(40), RecoveringSession(session_on(device)), in_flight=in_flight))
    assert [d.number for d in done] == list(range(40))
    assert [d.frame.name for d in done] == [f"frame {i}" for i in range(40)]
    assert classes(done) == [i % 3 for i in range(40)]
    assert 1 <= device.most_busy <= in_flight
    assert set(done[0].times_ms) == {"prepare", "infer", "decode"}
    assert no_threads_left()


def test_several_frames_are_on_the_device_at_once() -> None:
    device = CountingDevice(delay_s=0.01)
    list(run_pipeline(source_of(12), RecoveringSession(session_on(device)), in_flight=2))
    assert device.most_busy == 2


def test_a_slow_sink_never_loses_frames_of_a_file() -> None:
    numbers = []
    for done in run_pipeline(source_of(15), RecoveringSession(session_on(CountingDevice()))):
        time.sleep(0.005)
        numbers.append(done.number)
    assert numbers == list(range(15))


def test_a_slow_sink_drops_the_oldest_of_a_live_source() -> None:
    counts = PipelineCounts()
    numbers = []
    for done in run_pipeline(source_of(150, live=True), RecoveringSession(session_on(CountingDevice())), counts=counts):
        time.sleep(0.004)
        numbers.append(done.number)
    assert numbers == sorted(numbers)
    assert numbers[-1] == 149  # the newest is never dropped
    assert counts.dropped > 0
    assert len(numbers) + counts.dropped == counts.read == 150


@pytest.mark.parametrize("stage", ["source", "prepare", "infer", "decode"])
def test_an_exception_anywhere_stops_everything_with_the_frame_s_number(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = CountingDevice(fails=lambda call: stage == "infer" and call >= 6)
    source = source_of(500, broken_at=5 if stage == "source" else None)
    if stage in ("prepare", "decode"):
        calls = iter(range(1000))
        plain = getattr(Session, stage)

        def fail(self: Session, *args: object) -> object:
            if next(calls) == 5:
                raise ValueError("bug")
            return plain(self, *args)

        monkeypatch.setattr(Session, stage, fail)
    seen = []
    with pytest.raises((EdgekitError, RuntimeError)) as caught:
        for done in run_pipeline(source, RecoveringSession(session_on(device)), in_flight=1):
            seen.append(done.number)
    assert seen == list(range(5))
    assert stage == "source" or "frame 5" in str(caught.value)
    assert no_threads_left()


def test_closing_early_ends_the_threads() -> None:
    frames = run_pipeline(source_of(10_000), RecoveringSession(session_on(CountingDevice())))
    assert [d.number for d in islice(frames, 3)] == [0, 1, 2]
    frames.close()
    assert no_threads_left()


def test_an_empty_source() -> None:
    assert list(run_pipeline(source_of(0), RecoveringSession(session_on(CountingDevice())))) == []


def run_engine(engine: RecoveringSession, count: int) -> list[str]:
    return [d.results.device for d in run_pipeline(source_of(count), engine, in_flight=1)]


def test_one_failure_is_retried() -> None:
    events: list[str] = []
    engine = RecoveringSession(session_on(CountingDevice(fails=lambda call: call == 3)), on_event=events.append)
    assert run_engine(engine, 6) == ["bpu"] * 6
    assert events == ["device error, frame retried: call 3 failed"]


def test_a_device_that_stays_broken_is_reopened() -> None:
    events: list[str] = []
    engine = RecoveringSession(
        session_on(CountingDevice(fails=lambda call: call >= 3)),
        reopen=lambda: session_on(CountingDevice()),
        on_event=events.append,
    )
    assert run_engine(engine, 6) == ["bpu"] * 6
    assert [e.split(":")[0] for e in events] == ["device error, frame retried", "reopened the device after"]


def test_the_fallback_is_marked_in_every_result_and_only_taken_when_asked_for() -> None:
    def broken() -> Session:
        return session_on(CountingDevice(fails=lambda call: True))

    start = session_on(CountingDevice(fails=lambda call: call >= 3))
    engine = RecoveringSession(start, reopen=broken, fallback=lambda: session_on(CountingDevice("sim")))
    assert run_engine(engine, 6) == ["bpu", "bpu", "sim", "sim", "sim", "sim"]
    start = session_on(CountingDevice(fails=lambda call: call >= 3))
    with pytest.raises(DeviceError, match="frame 2"):
        run_engine(RecoveringSession(start, reopen=broken), 6)


def test_a_replaced_model_loses_no_frame() -> None:
    engine = RecoveringSession(session_on(CountingDevice()))
    renamed = Session(SPEC, CountingDevice("sim"))
    seen = []
    for done in run_pipeline(source_of(30), engine):
        seen.append((done.number, done.results.device))
        if done.number == 10:
            engine.replace(renamed)
    assert [number for number, _ in seen] == list(range(30))
    kinds = [kind for _, kind in seen]
    switch = kinds.index("sim")
    assert 10 < switch <= 25
    assert kinds == ["bpu"] * switch + ["sim"] * (30 - switch)


def test_recovery_prepares_the_frame_again_for_the_session_that_takes_it() -> None:
    engine = RecoveringSession(session_on(CountingDevice()))
    old = session_on(CountingDevice(fails=lambda call: True))
    bgr = np.full((64, 96, 3), 1, np.uint8)
    inputs, letterbox = old.prepare(bgr)
    session, other, heads = engine.infer(old, bgr, inputs, letterbox)
    assert session is engine.current()
    assert isinstance(other, Letterbox)
    assert heads["class_8"].max() == 5
