"""What CI, containers, journals and mail put in front of every line of a log, found and taken off."""

from __future__ import annotations

import re

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
TOOL_STAMP = re.compile(rf"{STAMP} file: \S+ func: |{STAMP} (?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
MAX_PREFIX_CHARS = 200  # of the longest unit or container name with a time stamp
MONTH_OR_DAY = r"[A-Z][a-z]{2}"
# Prefixes that none of our tools writes itself, so they are recognised on lines without the tool's own time stamp.
KNOWN_PREFIX = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)(?: \d\d[EO]\b\+?)?(?: |$)"  # docker logs -t, CI
    rf"|{MONTH_OR_DAY} [ \d]\d \d\d:\d\d:\d\d \S+ [\w./@-]+(?:\[\d+\])?:(?: |$)"  # journalctl, syslog
    r"|[\w.-]+ +\|(?: |$)"  # docker compose
    r"|> ?)+"  # quoted mail
)
PIECES = re.compile(rf"(?P<digits>\d+)|(?P<blanks>\s+)|(?P<name>\b{MONTH_OR_DAY}\b)|(?P<other>.)", re.DOTALL)


class LinePrefix:
    """Take a repeated prefix off the lines of one log, in the order of the file.

    The prefix is whatever stands in front of the tool's own time stamp; lines without one (tables, yaml) lose the
    prefix of the stamped line before them. Its digits, blanks and month names may differ from line to line.
    """

    def __init__(self, indent: str = "") -> None:
        """`indent`: blanks that every line begins with, where no line has a time stamp (`common_indent`)."""
        self._pattern: re.Pattern[str] | None = re.compile(re.escape(indent)) if indent else None

    def strip(self, text: str) -> str:
        """Return the line without its prefix; `text` has no colour sequences."""
        start = _tool_stamp(text)
        if not start or text[:start].rstrip().endswith(("%", "/s]", "it]")):  # none before it, or a progress bar
            match = (self._pattern or KNOWN_PREFIX).match(text)
            if match is None and start == 0:
                self._pattern = None
            return text[match.end() :] if match else text
        if self._pattern is None or not self._pattern.fullmatch(text[:start]):
            self._pattern = prefix_pattern(text[:start])
        return text[start:]


def _tool_stamp(text: str) -> int | None:
    """Where the tool's own time stamp begins: the last one, since a logger around it may write the same."""
    if "20" not in text[:MAX_PREFIX_CHARS]:
        return None
    stamps = TOOL_STAMP.finditer(text, 0, MAX_PREFIX_CHARS + 40)
    return max((stamp.start() for stamp in stamps), default=None)


def prefix_pattern(prefix: str) -> re.Pattern[str]:
    """A pattern of all prefixes like `prefix`: other digits, months and padding; blanks behind it may be missing."""
    core = prefix.rstrip()
    parts = []
    for piece in PIECES.finditer(core):
        kind = piece.lastgroup
        masked = {"digits": r"\d+", "blanks": r"\s+", "name": MONTH_OR_DAY}.get(kind or "")
        parts.append(masked or re.escape(piece[0]))
    return re.compile("".join(parts) + f"(?:{re.escape(prefix[len(core) :])}|$)")


def common_indent(text: str) -> str:
    """The blanks that all lines of `text` begin with, as pasted logs have them; "" where a line has a time stamp."""
    if TOOL_STAMP.search(text):
        return ""
    indents = [line[: len(line) - len(line.lstrip())] for line in text.splitlines() if line.strip()]
    shortest = min(indents, key=len, default="")
    return shortest if all(indent.startswith(shortest) for indent in indents) else ""
