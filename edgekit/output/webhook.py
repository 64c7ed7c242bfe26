"""Messages to an HTTP address, each as the body of a POST."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request

from edgekit.errors import ConfigError, OutputError
from edgekit.version import __version__

__all__ = ["WebhookTransport"]

TIMEOUT_S = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is sent on elsewhere would become a GET without its body."""

    def redirect_request(self, *args: object) -> None:  # type: ignore[override]
        return None


class WebhookTransport:
    """POSTs JSON; any answer of 200 to 299 accepts it."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Check the address; nothing is sent yet.

        Args:
            url: http://... or https://...
            timeout_s: How long an answer may take.

        Raises:
            ConfigError: Where it is no such address.
        """
        try:
            parts = urllib.parse.urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(
                f"webhook {url!r} is no address, expected http://HOST/PATH or https://HOST/PATH", hint="correct it"
            )
        self._url, self._timeout_s = url, timeout_s
        self._shown = f"{parts.scheme}://{parts.hostname}"  # paths of webhooks are secrets
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, message: bytes) -> None:
        """POST one message; raises OutputError where nobody accepts it."""
        headers = {"Content-Type": "application/json", "User-Agent": f"edgekit/{__version__}"}
        request = urllib.request.Request(self._url, data=message, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                answer.read(1 << 16)
        except urllib.error.HTTPError as error:
            error.close()
            raise OutputError(
                f"webhook {self._shown} answers {error.code}, expected 200 to 299", hint="check its address and token"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise OutputError(f"webhook {self._shown} is not reached ({reason})", hint="check the network") from error

    def close(self) -> None:
        """Nothing stays open between two messages."""
