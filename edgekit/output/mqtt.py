"""Messages to an MQTT broker, by the paho-mqtt library where it is installed."""

from __future__ import annotations

import importlib
import urllib.parse
from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError, OutputError

__all__ = ["MqttAddress", "MqttTransport", "parse_mqtt"]

DEFAULT_PORT, DEFAULT_TLS_PORT = 1883, 8883
TIMEOUT_S = 10.0
QOS = 1  # at least once: the broker confirms every message
FORM = "mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC"


@dataclass(frozen=True, slots=True, repr=False)
class MqttAddress:
    """Where messages go: a broker and a topic."""

    host: str
    port: int
    topic: str
    tls: bool = False
    user: str = ""
    password: str = ""


def parse_mqtt(url: str) -> MqttAddress:
    """Read mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC, or mqtts://... for TLS.

    Raises:
        ConfigError: Where the text is not that.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unreadable() from None
    topic = urllib.parse.unquote(parts.path.lstrip("/"))
    tls = parts.scheme == "mqtts"
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not topic or not url.isprintable():
        raise _unreadable()
    if set(topic) & set("+#\0") or parts.query or parts.fragment:
        raise ConfigError(f"the topic {topic!r} holds + or #, expected one topic", hint=f"give it as {FORM}")
    user, password = (urllib.parse.unquote(text or "") for text in (parts.username, parts.password))
    return MqttAddress(parts.hostname, port or (DEFAULT_TLS_PORT if tls else DEFAULT_PORT), topic, tls, user, password)


class MqttTransport:
    """Publishes with QoS 1 and waits for the broker's confirmation; connects with the first message, and again."""

    def __init__(self, address: MqttAddress, *, timeout_s: float = TIMEOUT_S) -> None:
        """Set up; nothing is connected yet.

        Args:
            address: Broker and topic.
            timeout_s: How long connecting, and confirming a message, may take.

        Raises:
            ConfigError: Where paho-mqtt is not installed.
        """
        try:
            self._paho: Any = importlib.import_module("paho.mqtt.client")
            versions: Any = importlib.import_module("paho.mqtt.enums").CallbackAPIVersion
        except ImportError as error:
            raise ConfigError(
                f"messages to MQTT need the paho-mqtt library ({error.name} is missing)",
                hint='pip install "paho-mqtt>=2", or use --webhook',
            ) from error
        self._address, self._timeout_s = address, timeout_s
        self._versions = versions
        self._client: Any = None

    def send(self, message: bytes) -> None:
        """Publish one message; raises OutputError where the broker does not confirm it in time."""
        try:
            client = self._connected()
            sent = client.publish(self._address.topic, message, qos=QOS)
            sent.wait_for_publish(self._timeout_s)
            if not sent.is_published():
                raise TimeoutError(f"no confirmation in {self._timeout_s:g} s")
        except (OSError, ValueError, RuntimeError) as error:  # what paho raises
            self.close()
            raise OutputError(
                f"the MQTT broker {self._address.host}:{self._address.port} is not reached ({error})",
                hint="check its address, and that it runs",
            ) from error

    def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connected(self) -> Any:
        if self._client is not None and self._client.is_connected():
            return self._client
        self.close()
        client = self._paho.Client(self._versions.VERSION2)
        client.connect_timeout = self._timeout_s
        if self._address.user:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set()
        client.connect(self._address.host, self._address.port, keepalive=60)
        self._client = client
        client.loop_start()
        return client


def _unreadable() -> ConfigError:
    return ConfigError(f"the MQTT address is not understood, expected {FORM}", hint="for example mqtt://broker/robot/1")
