from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from edgekit.errors import OutputError
from edgekit.output.preview import Preview, host_name, listen_address


@pytest.fixture
def preview() -> Iterator[Preview]:
    served = Preview(0)
    yield served
    served.close()


def image(value: int) -> np.ndarray:
    return np.full((32, 48, 3), value, np.uint8)


def read_jpeg(stream: object) -> np.ndarray:
    """The next part of an MJPEG stream as an image."""
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


def test_two_viewers_see_newer_and_newer_images(preview: Preview) -> None:
    preview.show(image(10))
    viewers = [urllib.request.urlopen(preview.url + "stream", timeout=60) for _ in range(2)]
    for value in (10, 120, 240):
        preview.show(image(value))
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
        viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
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


def status(preview: Preview, *hosts: str, path: str = "/") -> int:
    """The status of the answer to a request with these Host headers."""
    with socket.create_connection(preview._server.server_address[:2]) as viewer:  # type: ignore[arg-type]
        viewer.settimeout(5)
        headers = "".join(f"Host: {host}\r\n" for host in hosts)
        viewer.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        return int(viewer.recv(64).split()[1])


def test_only_hosts_that_it_was_told_are_answered(preview: Preview) -> None:
    port = preview._server.server_address[1]
    for host in ("localhost", f"localhost:{port}", "LOCALHOST.", f"127.0.0.1:{port}", "[::1]:80"):
        assert status(preview, host) == 200
    for hosts in (
        ("evil.example",),
        (f"evil.example:{port}",),
        ("localhost.evil.example",),
        ("127.0.0.1.evil.example",),
        ("evil.example", "localhost"),
        ("localhost", "evil.example"),
        ("localhost@evil.example",),
        ("",),
        (),
        ("192.168.1.10",),
    ):
        for path in ("/", "/stream", "/secret"):
            assert status(preview, *hosts, path=path) == 403, hosts


def test_names_that_it_was_told_are_answered_too() -> None:
    served = Preview(0, names=["RDK.local", "192.168.1.10"])
    try:
        assert [status(served, host) for host in ("rdk.local:8080", "192.168.1.10", "localhost")] == [200, 200, 200]
        assert [status(served, host) for host in ("rdk", "192.168.1.11")] == [403, 403]
    finally:
        served.close()


def test_the_address_that_a_request_came_in_at_is_answered(preview: Preview) -> None:
    assert preview.answers_to(["192.168.1.10:8080"], "192.168.1.10")
    assert preview.answers_to(["192.168.1.10"], "::ffff:192.168.1.10")
    assert not preview.answers_to(["192.168.1.11"], "192.168.1.10")


def test_where_it_listens_follows_from_the_names() -> None:
    assert listen_address([]) == "127.0.0.1"
    assert listen_address(["localhost"]) == "127.0.0.1"
    assert listen_address(["rdk.local", "192.168.1.10"]) == "192.168.1.10"
    assert listen_address(["rdk.local"]) == "0.0.0.0"
    assert listen_address(["[::1]"]) == "::1"


@pytest.mark.parametrize(
    "host, name",
    [("Rdk.Local.:80", "rdk.local"), ("[::1]:80", "::1"), ("::1", "::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("a", "a")],
)
def test_host_names(host: str, name: str) -> None:
    assert host_name(host) == name


def viewer_threads() -> int:
    return sum("process_request" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("rest", [b"", b"POST / HTTP/1.1\r\n" * 1000])
def test_a_viewer_that_leaves_frees_its_thread_though_no_image_comes(preview: Preview, rest: bytes) -> None:
    preview.show(image(10))
    before = viewer_threads()
    viewers = []
    for _ in range(3):
        viewer = socket.create_connection(preview._server.server_address[:2])  # type: ignore[arg-type]
        viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n" + rest)
        assert viewer.recv(10) == b"HTTP/1.0 2"
        viewers.append(viewer)
    assert viewer_threads() == before + 3
    for viewer in viewers:
        viewer.close()
    deadline = time.monotonic() + 60
    while viewer_threads() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert viewer_threads() == before


def test_a_page_with_an_image_per_source() -> None:
    preview = Preview(0, titles=("front", "<yard>", "c"))
    try:
        with urllib.request.urlopen(preview.url) as page:
            text = page.read().decode()
        assert text.count("<img") == 3
        assert "&lt;yard&gt;" in text and "<yard>" not in text
        for number, (title, value) in enumerate((("front", 10), ("<yard>", 120), ("c", 240))):
            assert f'src="/stream/{number}"' in text
            preview.show(image(value), title)
        for number, value in enumerate((10, 120, 240)):
            with urllib.request.urlopen(f"{preview.url}stream/{number}", timeout=60) as viewer:
                assert abs(int(read_jpeg(viewer).mean()) - value) < 5
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(preview.url + "stream/3")
    finally:
        preview.close()
