from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.output.draw_times import FrameRate, draw_times
from edgekit.output.publisher import Publisher
from edgekit.output.sending import Sending, open_sending
from tests.output.test_publisher import FailingTransport

ROW = {"source": "frame 3", "objects": [], "events": [{"event": "line", "line": "l"}, {"event": "zone", "zone": "z"}]}


@pytest.mark.parametrize("published", ["events", "results"])
def test_events_or_rows(published: str) -> None:
    transport = FailingTransport()
    sending = Sending({"webhook": Publisher(transport)}, published, clock=lambda: 12.34567)
    sending.send(ROW, camera="front")
    sending.send({"source": "frame 4", "objects": []}, camera="front")
    sending.publishers["webhook"].close(timeout_s=30)
    if published == "results":
        assert [m["source"] for m in transport.accepted] == ["frame 3", "frame 4"]
    else:
        origin = {"time": 12.346, "camera": "front"}
        assert transport.accepted == [{**origin, **event} for event in ROW["events"]]  # type: ignore[dict-item]


def test_nobody_to_send_to() -> None:
    with open_sending("", "", published="events", on_note=print) as sending:
        sending.send(ROW)
    assert sending.summary() == []


def test_addresses_are_checked_before_the_run() -> None:
    for mqtt, webhook in (("broker", ""), ("", "ftp://x")):
        with pytest.raises(ConfigError), open_sending(mqtt, webhook, published="events", on_note=print):
            pass


def test_what_was_lost_is_told() -> None:
    notes: list[str] = []
    with open_sending("", "http://127.0.0.1:9", published="results", on_note=notes.append) as sending:
        sending.publishers["webhook"].close(timeout_s=0)
        sending.send(ROW)
    assert sending.summary() == ["webhook: 0 messages sent, 1 lost, 0 retries"]


def test_the_frame_rate_is_that_of_the_last_frames() -> None:
    stamps = iter([0.0, 0.5, 1.0, *(1.0 + 0.1 * k for k in range(1, 60))])
    rate = FrameRate(lambda: next(stamps))
    assert [rate.tick() for _ in range(3)] == [0.0, 2.0, 2.0]
    assert [rate.tick() for _ in range(59)][-1] == pytest.approx(10)


def test_times_are_drawn() -> None:
    image = np.full((200, 400, 3), 128, np.uint8)
    draw_times(image, {"infer": 5.5}, 31.2)
    assert (image[:40, :60] != 128).any()
    assert (image[100:] == 128).all()
    draw_times(np.zeros((3, 2, 3), np.uint8), {}, 0)
