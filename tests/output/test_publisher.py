"""Messages are sent in order, the run never waits, and what is lost is counted."""

from __future__ import annotations

import json
import threading
import time

from edgekit.errors import OutputError
from edgekit.output.publisher import Publisher


class FailingTransport:
    """Accepts messages once it has failed often enough; or holds the sender until it is told to go on."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.accepted: list[dict[str, object]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = threading.Event()

    def send(self, message: bytes) -> None:
        self.entered.set()
        self.gate.wait(timeout=30)
        if self.failures:
            self.failures -= 1
            raise OutputError("the broker is gone", hint="none")
        self.accepted.append(json.loads(message))

    def close(self) -> None:
        self.closed.set()


def test_messages_arrive_in_order() -> None:
    transport = FailingTransport()
    publisher = Publisher(transport)
    for number in range(50):
        publisher.publish({"n": number, "name": "caf\u00e9 \udc80"})
    counts = publisher.close(timeout_s=30)
    assert [m["n"] for m in transport.accepted] == list(range(50))
    assert (counts.sent, counts.lost, counts.retries) == (50, 0, 0)
    assert transport.closed.wait(timeout=30)


def test_what_fails_is_tried_again_and_overtaken_by_none() -> None:
    transport, notes = FailingTransport(failures=3), []
    publisher = Publisher(transport, first_retry_s=0.001, on_note=notes.append)
    for number in range(5):
        publisher.publish({"n": number})
    counts = publisher.close(timeout_s=30)
    assert [m["n"] for m in transport.accepted] == list(range(5))
    assert (counts.sent, counts.lost, counts.retries) == (5, 0, 3)
    assert notes == ["the broker is gone; tried again, at most 1000 messages wait", "messages are sent again"]


def test_a_full_queue_loses_its_oldest_and_blocks_nobody() -> None:
    transport = FailingTransport()
    transport.gate.clear()
    publisher = Publisher(transport, queue_messages=3)
    publisher.publish({"n": 0})
    assert transport.entered.wait(timeout=30)  # 0 is on its way
    for number in range(1, 11):
        publisher.publish({"n": number})
    assert publisher.counts.lost == 7
    transport.gate.set()
    counts = publisher.close(timeout_s=30)
    assert [m["n"] for m in transport.accepted] == [0, 8, 9, 10]
    assert (counts.sent, counts.lost) == (4, 7)


def test_the_end_of_a_run_does_not_wait_for_a_broker_that_is_not_there() -> None:
    publisher = Publisher(FailingTransport(failures=10**9), first_retry_s=60)
    for number in range(4):
        publisher.publish({"n": number})
    start = time.monotonic()
    counts = publisher.close(timeout_s=0.1)
    assert time.monotonic() - start < 20  # not the minute of a retry
    assert (counts.sent, counts.lost) == (0, 4)
    publisher.publish({"n": 5})
    assert counts.lost == 5


class SlowTransport(FailingTransport):
    def send(self, message: bytes) -> None:
        time.sleep(0.2)
        super().send(message)


def test_the_end_of_a_run_waits_as_long_as_messages_go() -> None:
    transport = SlowTransport()
    publisher = Publisher(transport)
    for number in range(20):
        publisher.publish({"n": number})
    counts = publisher.close(timeout_s=3)  # all of them together take 4 seconds
    assert (counts.sent, counts.lost) == (20, 0)
    assert len(transport.accepted) == 20
