"""Protobuf's wire format, read without a schema and without trust: lengths are checked before anything is taken.

Source: the public encoding guide of Protocol Buffers (varints, wire types 0, 1, 2 and 5). Groups are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10  # 64 bits in groups of seven
MAX_FIELDS = 1_000_000  # far above any message here; stops a crafted file from keeping us busy

Value = int | memoryview


class WireError(ValueError):
    """These bytes are not a protobuf message."""


def read_fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Yield (field number, wire type, value) of one message; bytes are views, nothing is copied.

    Raises WireError at the first thing that cannot stand in a message.
    """
    position, count = 0, 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire = key >> 3, key & 7
        if not 0 < field < 1 << 29:
            raise WireError(f"field number {field} at byte {position}")
        value: Value
        if wire == VARINT:
            value, position = _varint(message, position)
        else:
            if wire == BYTES:
                length, position = _varint(message, position)
            elif wire in (FIXED64, FIXED32):
                length = 8 if wire == FIXED64 else 4
            else:
                raise WireError(f"wire type {wire} at byte {position}")
            if length > len(message) - position:
                raise WireError(f"{length} bytes announced at byte {position}, {len(message) - position} left")
            value = message[position : position + length]
            position += length
        count += 1
        if count > MAX_FIELDS:
            raise WireError(f"more than {MAX_FIELDS} fields")
        yield field, wire, value


def submessages(message: memoryview, field: int) -> Iterator[memoryview]:
    """The length-delimited values of one field number, in order."""
    for number, wire, value in read_fields(message):
        if number == field and wire == BYTES and isinstance(value, memoryview):
            yield value


def text(value: memoryview) -> str:
    """The value as text; what is not UTF-8 becomes U+FFFD."""
    return bytes(value).decode("utf-8", errors="replace")


def texts(message: memoryview, field: int) -> tuple[str, ...]:
    """The values of a repeated string field."""
    return tuple(text(value) for value in submessages(message, field))


def first_text(message: memoryview, field: int) -> str:
    """The first value of a string field, "" where there is none."""
    return next(iter(texts(message, field)), "")


def integers(message: memoryview, field: int) -> tuple[int, ...]:
    """The values of a repeated integer field, packed or not."""
    values: list[int] = []
    for number, wire, value in read_fields(message):
        if number != field:
            continue
        if wire == VARINT and isinstance(value, int):
            values.append(value)
        elif wire == BYTES and isinstance(value, memoryview):
            position = 0
            while position < len(value):
                item, position = _varint(value, position)
                values.append(item)
    return tuple(values)


def floats(message: memoryview, field: int) -> tuple[float, ...]:
    """The values of a repeated 32-bit float field, packed or not."""
    values: list[float] = []
    for number, wire, value in read_fields(message):
        if number == field and wire in (BYTES, FIXED32) and isinstance(value, memoryview):
            if len(value) % 4:
                raise WireError(f"{len(value)} bytes of packed floats, expected a multiple of 4")
            values.extend(struct.unpack(f"<{len(value) // 4}f", value))
    return tuple(values)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(MAX_VARINT_BYTES):
        if position >= len(message):
            raise WireError(f"the message ends inside a number at byte {position}")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position
    raise WireError(f"a number of more than {MAX_VARINT_BYTES} bytes at byte {position}")
