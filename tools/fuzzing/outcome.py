"""What became of one case, and how a raised exception is classed."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass

from edgekit.errors import EdgekitError
from fuzzing.kind import DifferentError

OK, REFUSED = "ok", "refused"
TRACEBACK, CRASH, HANG, MEMORY, DIFFERENT, GARBLED = "TRACEBACK", "CRASH", "HANG", "MEMORY", "DIFFERENT", "GARBLED"
BAD = (TRACEBACK, CRASH, HANG, MEMORY, DIFFERENT, GARBLED)
OUTCOMES = (OK, REFUSED, *BAD)
MAX_MESSAGE = 8000  # characters of message and hint: more than a screen or two is no message


class HangError(BaseException):
    """Raised by the alarm; no `except Exception` takes it for an error of the input."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the case `index` of `kind`: one of OUTCOMES, the message, and where it was raised."""

    kind: str
    index: int
    outcome: str
    message: str = ""
    place: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def classify(error: BaseException) -> tuple[str, str, str]:
    """Return outcome, message and place ("file:line") of an exception that reading a case raised."""
    message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE]
    if isinstance(error, HangError):
        return HANG, message, _place(error)
    if any(isinstance(cause, MemoryError) for cause in _chain(error)) or "Insufficient memory" in message:
        return MEMORY, message, _place(error)
    if isinstance(error, DifferentError):
        return DIFFERENT, str(error), ""
    if isinstance(error, EdgekitError):
        return (GARBLED if is_garbled(f"{error.message}\n{error.hint}") else REFUSED), error.message[:MAX_MESSAGE], ""
    return TRACEBACK, message, _place(error)


def is_garbled(text: str) -> bool:
    """Whether a message is unfit for a terminal: control characters, half surrogates, or no end."""
    return len(text) > MAX_MESSAGE or not all(c in "\n\t" or c.isprintable() or "\ud800" <= c <= "\udfff" for c in text)


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _place(error: BaseException) -> str:
    """The innermost line of edgekit that the exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/edgekit/" in frame.filename]
    if not ours:
        return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"edgekit/{ours[-1].filename.rpartition('/edgekit/')[2]}:{ours[-1].lineno}"
