"""Damage to a protobuf message whose schema is not known: its fields by number, at any depth, with right lengths."""

from __future__ import annotations

from random import Random

from fuzzing.mutate_bytes import mutate_bytes

Field = tuple[int, int, int | bytes]  # number, wire type, value
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ODD_VARINTS = (0, 1, 2, 7, 127, 128, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1)
ODD_BYTES = (
    b"",
    b"\0",
    b"x" * 5000,
    b"\xff\xfe",
    b"\x1b[31mred",
    b"nan",
    b"9" * 500,
    b"-1",
    b"a;b;c",
    b"\n",
    "é".encode(),
)


def mutate_wire(rng: Random, data: bytes) -> bytes:
    """Damage a message; one in four as bytes."""
    if rng.random() < 0.25:
        return mutate_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = _mutate(rng, data, 0)
    return data


def _mutate(rng: Random, data: bytes, depth: int) -> bytes:
    fields = parse(data)
    if not fields:
        return mutate_bytes(rng, data)
    at = rng.randrange(len(fields))
    number, wire, value = fields[at]
    draw = rng.random()
    if isinstance(value, bytes) and wire == BYTES and depth < 8 and draw < 0.8 and parse(value):
        fields[at] = (number, wire, _mutate(rng, value, depth + 1))
    elif draw < 0.15:
        del fields[at]
    elif draw < 0.3:
        fields[at:at] = [fields[at]] * rng.choice((1, 2, 500))
    elif draw < 0.4:
        fields[at] = (rng.choice((0, number + 1, 1, 2**29 - 1)), wire, value)
    elif draw < 0.5:
        fields[at] = (
            (number, BYTES, rng.choice(ODD_BYTES)) if wire == VARINT else (number, VARINT, rng.choice(ODD_VARINTS))
        )
    elif wire == VARINT:
        fields[at] = (number, wire, rng.choice(ODD_VARINTS))
    elif isinstance(value, bytes):
        fields[at] = (number, wire, rng.choice(ODD_BYTES) if wire == BYTES else rng.randbytes(len(value)))
    return b"".join(_encode(field) for field in fields)


def parse(data: bytes) -> list[Field]:
    """Return the fields of a message, [] where the bytes are none."""
    fields: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0 or at < 0:
            return []
        value: int | bytes
        if wire == VARINT:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if wire == BYTES else ({FIXED32: 4, FIXED64: 8}.get(wire, -1), at)
            if size < 0 or at < 0 or at + size > len(data):
                return []
            value, at = data[at : at + size], at + size
        if at < 0:
            return []
        fields.append((number, wire, value))
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number and the place behind it; place -1 where it does not end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return 0, -1
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    return 0, -1


def _encode(field: Field) -> bytes:
    number, wire, value = field
    out = _encode_varint(number << 3 | wire)
    if isinstance(value, int):
        return out + _encode_varint(value)
    return out + (_encode_varint(len(value)) if wire == BYTES else b"") + value


def _encode_varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
