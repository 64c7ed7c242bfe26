from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from edgekit.errors import OutputError
from edgekit.output.preview import Preview


@pytest.fixture
def preview() -> Iterator[Preview]:
    served = Preview(0)
    yield served
    served.close()


def picture(value: int) -> np.ndarray:
    return np.full((32, 48, 3), value, np.uint8)


def read_jpeg(stream: object) -> np.ndarray:
    """The next part of an MJPEG stream as a picture."""
    length = 0
    while True:
        line = stream.readline()  # type: ignore[attr-defined]
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n" and length:
            data = stream.read(length)  # type: ignore[attr-defined]
            return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_the_page_shows_the_stream(preview: Preview) -> None:
    with urllib.request.urlopen(preview.url) as page:
        assert '<img src="/stream"' in page.read().decode()
    assert preview.url.startswith("http://127.0.0.1:")


def test_two_viewers_see_newer_and_newer_pictures(preview: Preview) -> None:
    preview.show(picture(10))
    viewers = [urllib.request.urlopen(preview.url + "stream", timeout=5) for _ in range(2)]
    for value in (10, 120, 240):
        preview.show(picture(value))
        for viewer in viewers:
            while abs(read_jpeg(viewer).mean() - value) > 3:
                pass
    for viewer in viewers:
        viewer.close()


def test_viewers_that_read_nothing_or_vanish_never_block_the_run(preview: Preview) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    sockets = []
    for _ in range(2):
        viewer = socket.create_connection(preview._server.server_address[:2])  # type: ignore[arg-type]
        viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        sockets.append(viewer)
    sockets[0].close()  # vanishes; the other never reads
    finished = threading.Event()

    def run() -> None:
        for _ in range(200):
            preview.show(noise)
        finished.set()

    threading.Thread(target=run, daemon=True).start()
    assert finished.wait(10)
    sockets[1].close()


def test_unknown_pages_are_missing(preview: Preview) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(preview.url + "secret")


def test_a_port_in_use_is_named(preview: Preview) -> None:
    port = int(preview.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(OutputError, match=f"cannot listen on 127.0.0.1:{port}"):
        Preview(port)
    with pytest.raises(OutputError, match="cannot listen"):
        Preview(99999)
