"""Watching a model file: a new one that is complete and sound replaces the running one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import EdgekitError, ModelError
from edgekit.files import sha256_file
from edgekit.runtime.session import Session
from edgekit.spec import load_spec, sidecar_path
from edgekit.text import printable

INTERVAL_S = 0.5
Stamp = tuple[tuple[int, int, int], ...]  # (mtime in ns, size, inode) of the model and of its sidecar


class ModelWatch:
    """Watches a model and its sidecar; `look` opens a new version once it has held still for one look.

    `on_new` gets the opened session, `on_bad` the reason why a version was refused (once for each version).
    """

    def __init__(
        self,
        path: Path,
        open_session: Callable[[], Session],
        *,
        on_new: Callable[[Session], None],
        on_bad: Callable[[str], None],
    ) -> None:
        self._path = path
        self._open = open_session
        self._on_new, self._on_bad = on_new, on_bad
        self._judged = self._last = self._stamp()
        self._ended = threading.Event()

    def look(self) -> None:
        """Look once; to be called again and again. Errors of a new version go to `on_bad`, never to the caller."""
        stamp = self._stamp()
        settled = stamp == self._last
        self._last = stamp
        if stamp == self._judged or not settled:
            return
        self._judged = stamp
        try:
            check_complete(self._path)
            session = self._open()
            self._on_new(session)
        except EdgekitError as error:
            self._on_bad(f"{error.message}; the running model goes on")
        except Exception as error:
            self._on_bad(f"{self._path}: {_named(error)}; the running model goes on")

    def start(self) -> None:
        """Look every INTERVAL_S seconds on a thread of its own until `close`."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            try:
                self.look()
            except BaseException as error:  # on this thread nothing but `close` ends the watching
                with contextlib.suppress(BaseException):
                    self._on_bad(f"{self._path}: {_named(error)}; the watching goes on")

    def _stamp(self) -> Stamp:
        stamps = []
        for path in (self._path, sidecar_path(self._path)):
            try:
                status = path.stat()
                stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                stamps.append((0, -1, 0))
        return tuple(stamps)


def check_complete(path: Path) -> None:
    """Raise ModelError unless the model is the one whose hash its sidecar holds."""
    spec = load_spec(sidecar_path(path))
    recorded = spec.files.get("model")
    if recorded is None or recorded.name != path.name:
        raise ModelError(
            f"{sidecar_path(path)} records no hash of {path.name}", hint="write both with edgekit compile or strip"
        )
    try:
        digest = sha256_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error})", hint="copy the model again") from error
    if digest != recorded.sha256:
        raise ModelError(
            f"{path} has SHA-256 {digest[:12]}..., its sidecar says {recorded.sha256[:12]}...",
            hint="copy the model and its sidecar together",
        )


def _named(error: BaseException) -> str:
    """Return the kind and the first words of an error that is not edgekit's."""
    return printable(f"{type(error).__name__}: {error}".replace("\n", " "), 200)
