"""Messages to somewhere else while a run goes on: a bounded queue, retries, and what is lost is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgekit.errors import OutputError
from edgekit.files import json_line

__all__ = ["PublishCounts", "Publisher", "Transport"]

QUEUE_MESSAGES = 1000  # the oldest of more are lost
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0  # a retry waits twice as long as the one before
CLOSE_S = 5.0  # how long the end of a run waits for the next message in the queue to go


class Transport(Protocol):
    """What sends one message; it may take its time, and is used by one thread."""

    def send(self, message: bytes) -> None:
        """Send a message; raises OutputError where that failed and may be tried again."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


@dataclass(slots=True)
class PublishCounts:
    """What became of the messages.

    Attributes:
        sent: Accepted by the other side.
        lost: Given up: the queue was full, or the run ended.
        retries: How often a message was tried again.
    """

    sent: int = 0
    lost: int = 0
    retries: int = 0


class Publisher:
    """Sends messages on a thread of its own; `publish` never waits.

    A message that cannot be sent is tried again until it can, later and later, while newer ones wait behind it. Where
    too many wait the oldest are lost.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        queue_messages: int = QUEUE_MESSAGES,
        on_note: Callable[[str], None] = lambda note: None,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        """Begin.

        Args:
            transport: What sends a message.
            queue_messages: How many may wait.
            on_note: Takes what the user should know: that the other side is gone, and that it is back.
            first_retry_s: How long the first retry waits.
        """
        self._transport = transport
        self._limit = queue_messages
        self._on_note = on_note
        self._first_retry_s = first_retry_s
        self._queue: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._sending = False
        self.counts = PublishCounts()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, message: Mapping[str, Any]) -> None:
        """Put a message into the queue, as one JSON object; returns at once."""
        data = json_line(message).rstrip(b"\n")
        with self._changed:
            if self._closing:
                self.counts.lost += 1
                return
            if len(self._queue) >= self._limit:
                self._queue.popleft()
                self.counts.lost += 1
            self._queue.append(data)
            self._changed.notify_all()

    def close(self, timeout_s: float = CLOSE_S) -> PublishCounts:
        """Wait for the queue to be sent, count what is left as lost, and end.

        Args:
            timeout_s: Give up where not one message went for so long.

        Returns:
            What became of all messages.
        """
        with self._changed:
            sent, end = self.counts.sent, time.monotonic() + timeout_s
            while (self._queue or self._sending) and time.monotonic() < end:
                self._changed.wait(max(0.0, end - time.monotonic()))
                if self.counts.sent > sent:
                    sent, end = self.counts.sent, time.monotonic() + timeout_s
            self._closing = True
            self.counts.lost += len(self._queue) + self._sending
            self._queue.clear()
            self._sending = False
            self._changed.notify_all()
        self._thread.join(timeout=1.0)  # a transport that hangs ends with the process
        return self.counts

    def _run(self) -> None:
        try:
            while (message := self._next()) is not None:
                self._deliver(message)
        finally:
            self._transport.close()

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            self._sending = True
            return self._queue.popleft()

    def _deliver(self, message: bytes) -> None:
        wait_s, failed = self._first_retry_s, False
        while True:
            try:
                self._transport.send(message)
                break
            except OutputError as error:
                if not failed:
                    self._on_note(f"{error.message}; tried again, at most {self._limit} messages wait")
                failed = True
            if not self._pause(wait_s):
                return
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)
        if failed:
            self._on_note("messages are sent again")
        with self._changed:
            if self._sending:  # else the end of the run has counted it as lost
                self.counts.sent += 1
            self._sending = False
            self._changed.notify_all()

    def _pause(self, wait_s: float) -> bool:
        """Wait before a retry; False where the run ends."""
        end = time.monotonic() + wait_s
        with self._changed:
            while not self._closing and time.monotonic() < end:
                self._changed.wait(max(0.0, end - time.monotonic()))
            if self._closing:
                return False
            self.counts.retries += 1
            return True
