"""Two lanes by hand: computing and the memory channel."""

from __future__ import annotations

import pytest

from edgekit.latency.schedule import Channel, Step, run_schedule

CHANNEL = Channel(bytes_per_us=1000.0, start_us=0.0, buffer_bytes=10_000.0, piece_bytes=5_000.0)


def test_no_steps_take_no_time() -> None:
    assert run_schedule([], CHANNEL).frame_us == 0


def test_computing_hides_the_loads_behind_it() -> None:
    made = run_schedule([Step(10, 0, 0), Step(10, 5000, 0), Step(10, 5000, 0)], CHANNEL)
    assert made.frame_us == 30 and made.waits_us == (0, 0, 0)
    assert made.start_us == (0, 10, 20)


def test_a_load_that_takes_longer_is_waited_for() -> None:
    made = run_schedule([Step(1, 5000, 0), Step(1, 5000, 0)], CHANNEL)
    assert made.end_us == (6, 11) and made.waits_us == (5, 4)


def test_a_full_buffer_keeps_loads_from_running_ahead() -> None:
    steps = [Step(20, 5000, 0), Step(20, 5000, 0), Step(0, 5000, 0)]
    roomy = run_schedule(steps, Channel(1000.0, 0.0, 15_000.0, 5_000.0))
    narrow = run_schedule(steps, Channel(1000.0, 0.0, 5_000.0, 5_000.0))
    assert roomy.frame_us == 45 and narrow.frame_us == pytest.approx(55)


def test_results_are_stored_while_they_are_computed() -> None:
    assert run_schedule([Step(10, 0, 2000)], CHANNEL).frame_us == 10
    assert run_schedule([Step(1, 0, 20_000)], CHANNEL).frame_us == 20


def test_a_store_goes_on_behind_later_layers_as_far_as_there_is_room() -> None:
    steps = [Step(1, 0, 20_000), Step(30, 0, 0)]
    roomy, narrow = (run_schedule(steps, CHANNEL, room=room) for room in (20_000, 5_000))
    assert roomy.frame_us == 31 and roomy.waits_us == (0, 0)
    assert narrow.frame_us == 45 and narrow.waits_us == (14, 0)  # 15,000 bytes are stored first


def test_stores_follow_one_another() -> None:
    assert run_schedule([Step(1, 0, 20_000), Step(1, 0, 20_000)], CHANNEL).frame_us == 40


def test_large_loads_come_in_pieces() -> None:
    whole = run_schedule([Step(10, 10_000, 0)], Channel(1000.0, 0.0, 20_000.0, 10_000.0))
    pieces = run_schedule([Step(10, 10_000, 0)], Channel(1000.0, 0.0, 20_000.0, 5_000.0))
    assert (whole.frame_us, pieces.frame_us) == (20, 15)
