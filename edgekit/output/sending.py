"""What of a run's results goes to MQTT or a webhook: the events at lines and zones, or every row."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.output.mqtt import MqttTransport, parse_mqtt
from edgekit.output.publisher import PublishCounts, Publisher
from edgekit.output.webhook import WebhookTransport

__all__ = ["PUBLISHED", "Sending", "open_sending"]

EVENTS, RESULTS = "events", "results"
PUBLISHED = (EVENTS, RESULTS)


@dataclass(slots=True)
class Sending:
    """The publishers of a run.

    Attributes:
        publishers: Name ("mqtt", "webhook") -> its publisher.
        published: Of PUBLISHED.
        clock: Seconds since 1970.
    """

    publishers: Mapping[str, Publisher]
    published: str = EVENTS
    clock: Callable[[], float] = time.time
    counts: dict[str, PublishCounts] = field(default_factory=dict)

    def send(self, row: Mapping[str, Any], **origin: str) -> None:
        """Send a frame's row, or its events one by one; returns at once.

        Args:
            row: As it stands in the JSON lines; its "events" where it has any.
            origin: What each message also says: which source, which frame.
        """
        if not self.publishers:
            return
        now = round(self.clock(), 3)
        messages: Sequence[Mapping[str, Any]] = row.get("events", ()) if self.published == EVENTS else [row]
        for message in messages:
            for publisher in self.publishers.values():
                publisher.publish({"time": now, **origin, **message})

    def summary(self) -> list[str]:
        """Return a line per publisher: what was sent, and what was lost."""
        return [
            f"{name}: {counts.sent} messages sent, {counts.lost} lost, {counts.retries} retries"
            for name, counts in self.counts.items()
        ]


@contextlib.contextmanager
def open_sending(mqtt: str, webhook: str, *, published: str, on_note: Callable[[str], None]) -> Iterator[Sending]:
    """Yield what sends to the addresses that are given; at the end it waits a little for what is still on its way.

    Args:
        mqtt: mqtt://..., or empty.
        webhook: http(s)://..., or empty.
        published: Of PUBLISHED.
        on_note: Takes what the user should know.

    Raises:
        ConfigError: Where an address is none, or paho-mqtt is needed and not installed.
    """
    transports: dict[str, MqttTransport | WebhookTransport] = {}
    if mqtt:
        transports["mqtt"] = MqttTransport(parse_mqtt(mqtt))
    if webhook:
        transports["webhook"] = WebhookTransport(webhook)
    publishers = {name: Publisher(transport, on_note=on_note) for name, transport in transports.items()}
    sending = Sending(publishers, published)
    try:
        yield sending
    finally:
        sending.counts.update({name: publisher.close() for name, publisher in publishers.items()})
