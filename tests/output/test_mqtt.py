"""MQTT against a broker of our own that speaks as much of 3.1.1 as a publisher with QoS 1 needs."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Iterator

import pytest

from edgekit.errors import ConfigError, OutputError
from edgekit.output.mqtt import MqttAddress, MqttTransport, parse_mqtt

CONNECT, CONNACK, PUBLISH, PUBACK, DISCONNECT = 1, 2, 3, 4, 14


class Broker:
    """Confirms connections and messages, and keeps the messages; `silent` confirms no message."""

    def __init__(self, *, silent: bool = False) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.users: list[bytes] = []
        self.silent = silent
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        """Cut every connection, as a broker that restarts."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._server.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while first := stream.read(1):
                    body = stream.read(_length(stream))
                    self._answer(connection, first[0], body)
        except (OSError, ValueError):
            return

    def _answer(self, connection: socket.socket, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == CONNECT:
            self.users.append(body)
            connection.sendall(bytes([CONNACK << 4, 2, 0, 0]))
        elif kind == PUBLISH:
            assert (first >> 1) & 3 == 1  # QoS 1
            (size,) = struct.unpack(">H", body[:2])
            topic, identifier, payload = body[2 : 2 + size].decode(), body[2 + size : 4 + size], body[4 + size :]
            if not self.silent:
                self.messages.append((topic, payload))
                connection.sendall(bytes([PUBACK << 4, 2]) + identifier)
        elif kind == DISCONNECT:
            raise ValueError("the client has gone")


def _length(stream: object) -> int:
    value, shift = 0, 0
    while True:
        byte = stream.read(1)[0]  # type: ignore[attr-defined]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


@pytest.fixture
def broker() -> Iterator[Broker]:
    pytest.importorskip("paho.mqtt.client")
    served = Broker()
    yield served
    served.close()


def test_messages_are_confirmed(broker: Broker) -> None:
    transport = MqttTransport(parse_mqtt(f"mqtt://me:secret@127.0.0.1:{broker.port}/robot/1"))
    for number in range(3):
        transport.send(b"%d" % number)
    transport.close()
    assert broker.messages == [("robot/1", b"0"), ("robot/1", b"1"), ("robot/1", b"2")]
    assert len(broker.users) == 1 and broker.users[0].endswith(b"\x00\x02me\x00\x06secret")


def test_it_connects_again(broker: Broker) -> None:
    transport = MqttTransport(MqttAddress("127.0.0.1", broker.port, "t"), timeout_s=5)
    transport.send(b"before")
    broker.drop()
    for _ in range(20):  # the cut is noticed with one of the next messages
        try:
            transport.send(b"after")
            break
        except OutputError:
            continue
    transport.close()
    assert broker.messages[0] == ("t", b"before") and ("t", b"after") in broker.messages


def test_a_broker_that_is_not_there_or_silent_is_two_lines(broker: Broker) -> None:
    silent = Broker(silent=True)
    with pytest.raises(OutputError, match="no confirmation in 0.2 s"):
        MqttTransport(MqttAddress("127.0.0.1", silent.port, "t"), timeout_s=0.2).send(b"x")
    silent.close()
    broker.close()
    with pytest.raises(OutputError, match=f"the MQTT broker 127.0.0.1:{broker.port} is not reached"):
        MqttTransport(MqttAddress("127.0.0.1", broker.port, "t"), timeout_s=5).send(b"x")


def test_addresses() -> None:
    assert parse_mqtt("mqtt://broker/robot/1/events") == MqttAddress("broker", 1883, "robot/1/events")
    assert parse_mqtt("mqtts://b/t").port == 8883
    assert parse_mqtt("mqtt://u:p%40@b:9/t") == MqttAddress("b", 9, "t", user="u", password="p@")
    assert "p@" not in repr(parse_mqtt("mqtt://u:p%40@b:9/t"))


@pytest.mark.parametrize("url", ["", "broker", "mqtt://", "mqtt://b", "mqtt://b/", "http://b/t", "mqtt://b:x/t"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is not understood, expected mqtt://"):
        parse_mqtt(url)


def test_topics_with_wildcards_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"holds \+ or #"):
        parse_mqtt("mqtt://b/a/+/b")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigError, match="need the paho-mqtt library"):
        MqttTransport(MqttAddress("b", 1, "t"))
