"""Text, JSON and numbers that somebody else wrote: decoded, parsed and checked before anything uses them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from edgekit.errors import DataError, EdgekitError

MAX_TEXT_BYTES = 64 << 20
MAX_JSON_DEPTH = 64  # our own files nest at most ten levels
T = TypeVar("T")
BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),  # behind utf-32-le, whose mark begins with the same two bytes
    (b"\xfe\xff", "utf-16-be"),
)

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def decode_text(data: bytes, location: str, *, error: type[EdgekitError] = DataError) -> str:
    """Decode text as UTF-8, or as what its byte order mark names, with "\\n" as the only line end.

    Args:
        data: The bytes of the whole text.
        location: What the bytes are, for messages: a path, or "the answer of the board".
        error: The class of the error raised.

    Returns:
        The text without its byte order mark.

    Raises:
        EdgekitError: (of class `error`) where the bytes are no text in that encoding, or hold NUL characters.
    """
    bom, encoding = next(((bom, name) for bom, name in BOMS if data.startswith(bom)), (b"", "utf-8"))
    try:
        text = data[len(bom) :].decode(encoding)
    except UnicodeDecodeError as cause:
        raise error(
            f"{location} is not {encoding.upper()} text (byte {len(bom) + cause.start}: {cause.reason})",
            hint="save it as UTF-8",
        ) from cause
    if "\0" in text:
        raise error(f"{location} holds NUL characters, expected text", hint="save it as UTF-8, or check the path")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, *, max_bytes: int = MAX_TEXT_BYTES, error: type[EdgekitError] = DataError) -> bytes:
    """Read a file whole, its size checked first; raises `error` where it is missing, unreadable or too large."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except FileNotFoundError as cause:
        raise error(f"{path} does not exist", hint="check the path") from cause
    except (OSError, ValueError) as cause:  # ValueError: a NUL in the path
        raise error(f"{path} cannot be read ({_reason(cause)})", hint="check the path and its permissions") from cause
    if len(data) > max_bytes:
        raise error(
            f"{path} has more bytes than allowed, expected at most {max_bytes}", hint="check that it is the right file"
        )
    return data


def read_text(path: Path, *, max_bytes: int = MAX_TEXT_BYTES, error: type[EdgekitError] = DataError) -> str:
    """Read a text file by the rules of `decode_text`; raises `error` where it cannot be read as text."""
    return decode_text(read_bytes(path, max_bytes=max_bytes, error=error), str(path), error=error)


def parse_json(
    text: str | bytes, location: str, *, finite: bool = True, error: type[EdgekitError] = DataError
) -> object:
    """Parse JSON strictly: no repeated keys, no NaN or infinities, at most `MAX_JSON_DEPTH` levels.

    Args:
        text: The JSON text, or its bytes.
        location: What the text is, for messages.
        finite: False lets NaN and infinities through, for readers that name the field they stand in.
        error: The class of the error raised.

    Returns:
        The parsed value.

    Raises:
        EdgekitError: (of class `error`) where the text is not such JSON.
    """
    decoded = decode_text(text, location, error=error) if isinstance(text, bytes) else text
    try:
        _check_depth(decoded)
        value: object = json.loads(
            decoded,
            object_pairs_hook=_unique_keys,
            parse_float=_finite_float if finite else None,
            parse_constant=_refuse_constant if finite else None,
        )
    except (ValueError, RecursionError) as cause:
        problem = " ".join(str(cause).split())[:200]
        raise error(f"{location} cannot be read as JSON ({problem})", hint="fix or rewrite the JSON there") from cause
    return value


def read_json_file(
    path: Path, *, max_bytes: int = MAX_TEXT_BYTES, finite: bool = True, error: type[EdgekitError] = DataError
) -> object:
    """Read and parse a JSON file by the rules of `parse_json`."""
    return parse_json(read_bytes(path, max_bytes=max_bytes, error=error), str(path), finite=finite, error=error)


def check_integer(
    value: object, location: str, *, low: int, high: int = 2**31 - 1, error: type[EdgekitError] = DataError
) -> int:
    """Return `value` as an int if it is an integer (no bool) of `low` to `high`; raises `error` if not."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise error(
            f"{location} is {shorten(value)}, expected an integer from {low} to {high}",
            hint=f"correct {location} there",
        )
    return value


def check_number(
    value: object, location: str, *, low: float = -1e30, high: float = 1e30, error: type[EdgekitError] = DataError
) -> float:
    """Return `value` as a finite float if it is a number (no bool) of `low` to `high`; raises `error` if not."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    # an int is compared before it becomes a float: 10**400 has no float
    if not numeric or not low <= value <= high:  # type: ignore[operator]
        raise error(
            f"{location} is {shorten(value)}, expected a number from {low:g} to {high:g}",
            hint=f"correct {location} there",
        )
    return float(value)  # type: ignore[arg-type]


def check_choice(
    value: object,
    choices: Iterable[T],
    location: str,
    *,
    error: type[EdgekitError] = DataError,
    hint: str = "",
) -> T:
    """Return foreign text as the member of a closed set that it equals.

    Args:
        value: The text.
        choices: The values that are legal; their type is that of the result.
        location: Where the text stands, for messages.
        error: The class of the error raised.
        hint: The way out; "" to have the text corrected where it stands.

    Raises:
        EdgekitError: (of class `error`) where the text is none of them.
    """
    legal = tuple(choices)
    for choice in legal:
        if choice == value:
            return choice
    expected = ", ".join(map(str, legal))
    raise error(f"{location} is {shorten(value)}, expected one of {expected}", hint=hint or f"correct {location} there")


def shorten(value: object, length: int = 80) -> str:
    """Return the `repr` of a foreign value, at most about `length` characters, without control characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints; a nest without end
        return f"a {type(value).__name__} too large to print"
    return text if len(text) <= length else text[:length] + "..."


def printable(text: str, length: int = 2000) -> str:
    """Return hostile text fit for a terminal: control characters but newline and tab replaced, cut to `length`."""
    clean = "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text[:length])
    return clean if len(text) <= length else clean + "..."


def _check_depth(text: str) -> None:
    """Raise ValueError where brackets nest too deep, which the recursive parser of C would follow."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text) if text.count("[") + text.count("{") > MAX_JSON_DEPTH else ():
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise ValueError(f"nested deeper than {MAX_JSON_DEPTH} levels")
        elif token in "]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {shorten(repeated)} appears twice in one object")
    return value


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"number {digits[:40]} is out of range")
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
