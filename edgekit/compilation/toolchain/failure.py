"""Why a command of the toolchain failed: the known cause with its cure, else the decisive lines."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from edgekit.compilation.toolchain.run import Finished
from edgekit.errors import EdgekitError, OutputError, ToolchainError
from edgekit.logs.failures import FailureWatch
from edgekit.logs.lines import parse_line

DECISIVE_LINES = 3
MAX_LINE_CHARS = 200
NO_SPACE = ("No space left on device", "Disk quota exceeded")
KILLING_SIGNALS = {9: "SIGKILL", 11: "SIGSEGV"}  # by number: not every system that imports this has them
DOCKER_FAILED = 125  # docker itself, not the command in the container


class OutputWatch:
    """Takes every line of a command as it comes and keeps what tells why it failed."""

    def __init__(self) -> None:
        self._known = FailureWatch()
        self._errors: deque[str] = deque(maxlen=DECISIVE_LINES)
        self._last: deque[str] = deque(maxlen=DECISIVE_LINES)
        self._no_space = False

    def feed(self, line: str) -> None:
        """Take one line as the command printed it."""
        parsed = parse_line(line)
        text = parsed.text.strip()
        if not text:
            return
        self._known.feed(text)
        self._no_space = self._no_space or any(words in text for words in NO_SPACE)
        self._last.append(text[:MAX_LINE_CHARS])
        if parsed.level in ("ERROR", "CRITICAL") or text.lower().startswith(("error", "traceback")):
            self._errors.append(text[:MAX_LINE_CHARS])

    @property
    def notes(self) -> tuple[str, ...]:
        """What did not stop the command but counts."""
        return tuple(f"{note.message}: {note.hint}" for note in self._known.notes)

    def error(self, finished: Finished, *, doing: str, log: Path | None) -> EdgekitError:
        """The error to raise for `finished`, which failed while `doing` ("checking the model")."""
        where = f"the whole output is in {log}" if log is not None else "call it by hand to see its whole output"
        known = self._known.failure
        if self._no_space:
            return OutputError(
                f"{doing} failed, the disk is full",
                hint=f"free some space and run the same command again: finished stages are kept; {where}",
            )
        if known is not None and known.kind != "unknown":
            return ToolchainError(f"{doing} failed: {known.message}", hint=f"{known.hint}; {where}")
        killed = _signal(finished.returncode)
        if killed is not None:
            return ToolchainError(
                f"{doing} failed: {Path(finished.argv[0]).name} was killed by {killed}",
                hint=f"most often memory ran out: close programs, or try --optimize O0; {where}",
            )
        message = " | ".join(dict.fromkeys(self._errors or self._last)) or "it printed nothing"
        if finished.returncode == DOCKER_FAILED and finished.argv[0] == "docker":
            return ToolchainError(
                f"{doing} failed, docker says: {message}", hint="see that docker runs: docker run --rm hello-world"
            )
        return ToolchainError(f"{doing} failed with exit code {finished.returncode}: {message}", hint=where)


def _signal(returncode: int) -> str | None:
    """The signal that ended a command, called directly or through a shell or container."""
    if returncode < 0:
        return KILLING_SIGNALS.get(-returncode, f"signal {-returncode}")
    return KILLING_SIGNALS.get(returncode - 128)
