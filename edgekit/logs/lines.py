"""The lines of a log as a stream: any size, any line end, colours and time stamps taken off."""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgekit.errors import DataError
from edgekit.logs.line_prefix import STAMP, LinePrefix, common_indent

CHUNK_BYTES = 1 << 18
SNIFF_BYTES = 1 << 16
MAX_LINE_CHARS = 1 << 15  # what is longer is a dumped array; its head says all we look for
MAX_STRANGE_SHARE = 0.1  # of the first bytes; a few foreign path names are no reason to refuse a log

# Colours: as the terminal gets them, as `cat -v` shows them, and with the escape character lost in a web page.
ANSI = re.compile(r"(?:\x1b|\^\[)\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|\[\d{1,2}(?:;\d{1,3})*m")
FILE_PREFIX = re.compile(rf"({STAMP}) file: (\S+) func: \S+ line No: \d+ ?")
CONSOLE_PREFIX = re.compile(rf"({STAMP}) (DEBUG|INFO|WARNING|ERROR|CRITICAL):? ?")
# A progress bar redraws one line; what the tool logs next may stand behind it on the same line.
BEHIND_PROGRESS = re.compile(rf"{STAMP} ")
CONTROL_BYTES = bytes(set(range(32)) - {8, 9, 10, 12, 13, 27})
BINARY_KINDS = {
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF document",
    b"\x80\x04\x95": "a Python pickle",
    b"SQLite": "a database",
}


class LogLine(NamedTuple):
    """One line: `stamp` and `level` are "" where it has none; `complete` is False where the file ends in it."""

    text: str
    stamp: str
    level: str
    source: str
    complete: bool


def read_lines(path: Path) -> Iterator[LogLine]:
    """Streams the lines of a text log; raises DataError where the file is missing, empty or no text.

    Memory stays at one chunk and one line; a carriage return ends a line, so progress bars become lines.
    """
    encoding = sniff_encoding(path)
    prefix = LinePrefix(common_indent(read_head(path).decode(encoding, errors="replace")))
    for text, complete in _split(path, encoding):
        yield parse_line(prefix.strip(without_colours(text)), complete=complete)


def parse_line(text: str, *, complete: bool = True) -> LogLine:
    """Take colours and the time stamp off one line."""
    text = without_colours(text)
    if "%" in text or "/s]" in text or "/it]" in text:
        text = _behind_progress(text)
    if text[:2] == "20":  # the stamp's century: everything else is a continuation line
        if match := FILE_PREFIX.match(text):
            return LogLine(text[match.end() :], match[1], "", match[2], complete)
        if match := CONSOLE_PREFIX.match(text):
            return LogLine(text[match.end() :], match[1], match[2], "", complete)
    return LogLine(text, "", "", "", complete)


def without_colours(text: str) -> str:
    """The text without colour and cursor sequences."""
    return ANSI.sub("", text) if "[" in text or "\x1b" in text else text


def _behind_progress(text: str) -> str:
    match = BEHIND_PROGRESS.search(text)
    return text[match.start() :] if match and text[: match.start()].rstrip().endswith(("%", "]")) else text


def sniff_encoding(path: Path) -> str:
    """The encoding of a text file by its first bytes; raises DataError for what is no text."""
    head = read_head(path)
    if not head:
        raise DataError(f"{path} is empty, expected a log or JSON file", hint="give the log of the build")
    if Path(path).suffix == ".onnx":
        raise _not_text(path, "is an ONNX model")
    for magic, kind in BINARY_KINDS.items():
        if head.startswith(magic):
            raise _not_text(path, f"is {kind}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"  # what PowerShell's > writes
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    nuls = head.count(0)
    if nuls and abs(nuls / len(head) - 0.5) < 0.1:
        raise _not_text(path, "looks like UTF-16 without its byte order mark")
    if nuls or len(head.translate(None, CONTROL_BYTES)) < (1 - MAX_STRANGE_SHARE) * len(head):
        raise _not_text(path, "is a binary file")
    decoded = head.decode("utf-8", errors="replace")
    if decoded.count("\ufffd") > MAX_STRANGE_SHARE * len(decoded):
        raise _not_text(path, "is not encoded in UTF-8")
    return "utf-8"


def read_head(path: Path, size: int = SNIFF_BYTES) -> bytes:
    """The first bytes of a file; raises DataError where it cannot be read."""
    try:
        if stat.S_ISFIFO(Path(path).stat().st_mode):  # it is read twice: once for its kind, once for its content
            raise DataError(f"{path} is a pipe, expected a file", hint="write it to a file first and give that")
        with Path(path).open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error})", hint="check the path and its permissions"
        ) from error


def _split(path: Path, encoding: str) -> Iterator[tuple[str, bool]]:
    """Yield (line, whether its end was there). Lines over MAX_LINE_CHARS are cut and count as incomplete."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    rest, held_return, skipping = "", False, False
    with Path(path).open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            text = rest + ("\r" if held_return else "") + decoder.decode(block)
            held_return = text.endswith("\r")  # its \n may come with the next block
            text = text[:-1] if held_return else text
            *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            for line in lines:
                if not skipping:
                    yield line[:MAX_LINE_CHARS], len(line) <= MAX_LINE_CHARS
                skipping = False
            if len(rest) > MAX_LINE_CHARS:
                if not skipping:
                    yield rest[:MAX_LINE_CHARS], False
                rest, skipping = "", True
    rest += decoder.decode(b"", final=True)
    if (rest or held_return) and not skipping:
        yield rest, held_return


def _not_text(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} {what}, expected a text log in UTF-8",
        hint="give the log, static-performance JSON, quant_info JSON or compiled .bin of a build",
    )
