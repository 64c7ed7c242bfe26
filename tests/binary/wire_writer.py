"""Protobuf messages, written: what the tests read back."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """An unsigned number in groups of seven bits."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes | str) -> bytes:
    """One field: a number, or bytes or a text with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, code: int, shape: tuple[int, ...]) -> bytes:
    """A named tensor description as a `.bin` holds it."""
    return field(1, name) + field(2, field(1, code) + field(2, b"".join(map(varint, shape))))


def initializer(name: str, values: tuple[float, ...]) -> bytes:
    """Named floats as a `.bin` holds them."""
    kind = field(1, field(1, 1) + field(2, varint(len(values))))
    return kind + field(2, struct.pack(f"<{len(values)}f", *values)) + field(8, name)
