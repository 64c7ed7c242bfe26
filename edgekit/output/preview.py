"""The newest annotated image in a browser, as MJPEG; viewers never slow the run down."""

from __future__ import annotations

import contextlib
import functools
import html
import ipaddress
import math
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", LOOPBACK, "::1"})
BOUNDARY = "edgekit-frame"
JPEG_QUALITY = 80
VIEWER_TIMEOUT_S = 5.0  # a viewer that takes no bytes for so long is let go
POLL_S = 0.1  # how often a viewer without a newer image is looked at: is it still there?
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>edgekit preview</title>
<style>body{{margin:0;background:#111;color:#ccc;font:16px sans-serif;text-align:center}}
main{{display:grid;grid-template-columns:repeat({columns},1fr)}}figure{{margin:4px}}
img{{max-width:100%;max-height:{height}vh}}</style></head>
<body><main>{figures}</main><p>edgekit preview</p></body></html>
"""
FIGURE = (
    """<figure><img src="{address}" alt="the newest annotated image{of}"><figcaption>{title}</figcaption></figure>"""
)
STREAM = "/stream"


@dataclass(slots=True)
class _Newest:
    """The newest image of one title, its number, and its JPEG once a viewer wants it."""

    image: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    jpeg: bytes = b""
    number: int = 0


class Preview:
    """Serves the newest image at http://host:port/; every viewer has a thread of its own.

    Only requests whose Host header is a loopback name, one of `names`, or the address that they came in at are
    answered; others may come from a web page whose name was bound to this address (DNS rebinding), and get 403.
    """

    def __init__(
        self, port: int, *, host: str = LOOPBACK, names: Iterable[str] = (), titles: Sequence[str] = ("",)
    ) -> None:
        self._names = LOOPBACK_NAMES | {host_name(name) for name in names}
        self._changed = threading.Condition()
        self._newest = {title: _Newest() for title in titles}
        self._open = True
        try:
            self._server = _server_class(host)((host, port), _handler(self))
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"the preview cannot listen on {host}:{port} ({error})", hint="choose another --preview port"
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="preview", daemon=True).start()

    @property
    def url(self) -> str:
        """Where to point the browser."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"

    @property
    def titles(self) -> tuple[str, ...]:
        """What the images on the page are called, one per source."""
        return tuple(self._newest)

    def show(self, bgr: npt.NDArray[np.uint8], title: str = "") -> None:
        """Make `bgr` (h, w, 3) uint8 the newest image of `title`; returns at once."""
        with self._changed:
            newest = self._newest[title]
            newest.image, newest.jpeg = bgr, b""
            newest.number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the server and disconnect every viewer."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def answers_to(self, hosts: Sequence[str], address: str) -> bool:
        """Return whether a request with these Host headers, which came in at `address`, is answered."""
        return len(hosts) == 1 and host_name(hosts[0]) in self._names | {host_name(address)}

    def images(self, is_gone: Callable[[], bool] = lambda: False, title: str = "") -> Iterator[bytes]:
        """Yield JPEGs of the newest image of `title`, one whenever there is a newer one; a slow viewer misses some.

        Ends when the preview is closed, or the viewer `is_gone`.
        """
        newest, shown = self._newest[title], 0
        while True:
            with self._changed:
                while self._open and newest.number == shown:
                    self._changed.wait(POLL_S)
                    if is_gone():
                        return
                if not self._open:
                    return
                shown = newest.number
                if not newest.jpeg:  # encoded once, by the first viewer that wants it
                    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                    newest.jpeg = cv2.imencode(".jpg", newest.image, options)[1].tobytes()
                jpeg = newest.jpeg
            yield jpeg


def _page_of(titles: Sequence[str]) -> str:
    """Return the page with an image per title, in as many columns as rows."""
    columns = math.ceil(math.sqrt(len(titles)))
    figures = [
        FIGURE.format(address=address, of=f" of {html.escape(title)}" if title else "", title=html.escape(title))
        for address, title in _streams(titles).items()
    ]
    return PAGE.format(columns=columns, height=94 // math.ceil(len(titles) / columns), figures="".join(figures))


def _streams(titles: Sequence[str]) -> dict[str, str]:
    """Return the address of every stream -> its title."""
    if len(titles) == 1:
        return {STREAM: titles[0]}
    return {f"{STREAM}/{number}": title for number, title in enumerate(titles)}


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


def host_name(host: str) -> str:
    """Return the lower-case name in a Host header or address: without port, brackets, IPv4 in IPv6 and final dot."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    return name.removeprefix("::ffff:").removesuffix(".")


def listen_address(names: Sequence[str]) -> str:
    """Return where to listen for viewers that ask for `names`.

    The first IP address among them; this machine alone if there are only loopback names; else all addresses, since a
    name is for viewers elsewhere.
    """
    for name in map(host_name, names):
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(name))
    return LOOPBACK if all(host_name(name) in LOOPBACK_NAMES for name in names) else "0.0.0.0"


def _is_gone(connection: socket.socket) -> bool:
    """Return whether the viewer has closed its end; what it sends besides its request is read and dropped."""
    try:
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(4096):
                return True
    except (OSError, ValueError):
        return True
    return False


def _handler(preview: Preview) -> type[BaseHTTPRequestHandler]:
    streams = _streams(preview.titles)

    class Handler(BaseHTTPRequestHandler):
        timeout = VIEWER_TIMEOUT_S

        def do_GET(self) -> None:
            pages: dict[str, Callable[[], None]] = {"/": self._page}
            pages |= {where: functools.partial(self._stream, title) for where, title in streams.items()}
            with contextlib.suppress(ConnectionError, TimeoutError):  # a viewer that went away
                if preview.answers_to(self.headers.get_all("Host", []), self.connection.getsockname()[0]):
                    pages.get(self.path.split("?")[0], self._missing)()
                else:
                    self.send_error(HTTPStatus.FORBIDDEN, explain="start edgekit run with --preview-host NAME")

        def _page(self) -> None:
            body = _page_of(preview.titles).encode()
            self._begin("text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, title: str) -> None:
            self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            for jpeg in preview.images(lambda: _is_gone(self.connection), title):
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def _missing(self) -> None:
            self.send_error(HTTPStatus.NOT_FOUND)

        def _begin(self, content_type: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Cache-Control", "no-store")

        def log_message(self, format: str, *args: Any) -> None:
            """The run's own output stays readable."""

    return Handler
