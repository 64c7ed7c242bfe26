from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edgekit.errors import ConfigError, OutputError
from edgekit.output.webhook import WebhookTransport


class Receiver(HTTPServer):
    """Keeps what is posted; answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[tuple[str, bytes]] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_message_is_posted(receiver: Receiver) -> None:
    transport = WebhookTransport(f"{receiver.url}/hook?token=1")
    transport.send(b'{"n": 1}')
    transport.close()
    assert receiver.bodies == [("application/json", b'{"n": 1}')]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_accepted_is_an_error_without_the_secret_path(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(OutputError, match=f"answers {status}") as refused:
        WebhookTransport(f"{receiver.url}/secret").send(b"{}")
    assert "secret" not in refused.value.message
    assert len(receiver.bodies) == 1  # a redirect is not followed


def test_nobody_there(receiver: Receiver) -> None:
    url = receiver.url
    receiver.shutdown()
    receiver.server_close()
    with pytest.raises(OutputError, match="is not reached"):
        WebhookTransport(url).send(b"{}")


@pytest.mark.parametrize("url", ["", "x", "ftp://a/b", "http://", "http://a:b/", "http://a b/", "file:///etc/passwd"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address, expected http"):
        WebhookTransport(url)
