"""The newest annotated picture in a browser, as MJPEG; viewers never slow the run down."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError

LOOPBACK = "127.0.0.1"
BOUNDARY = "edgekit-frame"
JPEG_QUALITY = 80
VIEWER_TIMEOUT_S = 5.0  # a viewer that takes no bytes for so long is let go
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>edgekit preview</title>
<style>body{margin:0;background:#111;color:#ccc;font:16px sans-serif;text-align:center}
img{max-width:100vw;max-height:94vh}</style></head>
<body><img src="/stream" alt="the newest annotated picture"><p>edgekit preview</p></body></html>
"""


class Preview:
    """Serves the picture that was shown last at http://host:port/; every viewer has a thread of its own."""

    def __init__(self, port: int, *, host: str = LOOPBACK) -> None:
        self._changed = threading.Condition()
        self._picture = np.zeros((0, 0, 3), np.uint8)
        self._jpeg = b""
        self._number = 0
        self._open = True
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(self))
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
        return f"http://{host!s}:{port}/"

    def show(self, bgr: npt.NDArray[np.uint8]) -> None:
        """Makes `bgr` the newest picture; returns at once."""
        with self._changed:
            self._picture, self._jpeg = bgr, b""
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the server and lets every viewer go."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def pictures(self) -> Iterator[bytes]:
        """JPEGs of the newest picture, one whenever there is a newer one; skips what a slow viewer missed."""
        seen = 0
        while True:
            with self._changed:
                while self._open and self._number == seen:
                    self._changed.wait()
                if not self._open:
                    return
                seen = self._number
                if not self._jpeg:  # encoded once, by the first viewer that wants it
                    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                    self._jpeg = cv2.imencode(".jpg", self._picture, options)[1].tobytes()
                jpeg = self._jpeg
            yield jpeg


def _handler(preview: Preview) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = VIEWER_TIMEOUT_S

        def do_GET(self) -> None:
            pages: dict[str, Callable[[], None]] = {"/": self._page, "/stream": self._stream}
            with contextlib.suppress(ConnectionError, TimeoutError):  # a viewer that went away
                pages.get(self.path.split("?")[0], self._missing)()

        def _page(self) -> None:
            body = PAGE.encode()
            self._begin("text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            for jpeg in preview.pictures():
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
