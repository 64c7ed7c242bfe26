"""A long run through stalls, device errors and reloads; `EDGEKIT_SOAK_S` sets its length (600 s)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.runtime.pipeline import run_pipeline
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.session import Session
from edgekit.runtime.sources import Frame
from tests.runtime.live_parts import CountingDevice, session_on, source_of
from tests.typed import detections

SOAK_S = float(os.environ.get("EDGEKIT_SOAK_S", "600"))
ALLOWED_GROWTH_MB = 20


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_a_long_run_loses_no_frame_and_no_memory() -> None:
    chance = random.Random(0)

    def flaky() -> Session:
        return session_on(CountingDevice(fails=lambda call: chance.random() < 0.01, delay_s=0.001))

    def frames() -> Iterator[Frame]:
        end, index = time.monotonic() + SOAK_S, 0
        while time.monotonic() < end:
            if chance.random() < 0.01:
                time.sleep(0.05)
            yield Frame(np.full((64, 96, 3), index % 250, np.uint8), f"frame {index}")
            index += 1

    events: list[str] = []
    engine = RecoveringSession(
        flaky(), reopen=flaky, fallback=lambda: session_on(CountingDevice("sim")), on_event=events.append
    )
    early = 0.0
    expected = 0
    for done in run_pipeline(replace(source_of(0), frames=frames), engine):
        assert done.number == expected
        assert int(detections(done.results).class_ids[0]) == expected % 250 % 3
        expected += 1
        if expected == 500:
            early = resident_mb()
        if expected % 777 == 0:
            engine.replace(flaky())  # what a reload does, also after a fallback
    assert expected > 20 * SOAK_S
    assert any("retried" in event for event in events)
    assert resident_mb() - early < ALLOWED_GROWTH_MB
