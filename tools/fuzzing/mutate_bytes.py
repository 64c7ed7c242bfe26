"""Damage to bytes that knows nothing of a format: cut, flipped, inserted, repeated, overwritten."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def mutate_bytes(rng: Random, data: bytes) -> bytes:
    """Damage `data` once to three times."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(MUTATORS)(rng, data)
    return data


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flip(rng: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 32)) if out else 0):
        out[_near_front(rng, len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _insert(rng: Random, data: bytes) -> bytes:
    at = _near_front(rng, len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 64))) + data[at:]


def _remove(rng: Random, data: bytes) -> bytes:
    at = _near_front(rng, len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 4, 64)) :]


def _repeat(rng: Random, data: bytes) -> bytes:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 16, 256))
    return data[:at] + data[at : at + size] * rng.choice((2, 3, 50)) + data[at + size :]


def _edge(rng: Random, data: bytes) -> bytes:
    """An integer of 1, 2, 4 or 8 bytes becomes an extreme one, in either byte order."""
    code = rng.choice("BHIQ")
    order, value = rng.choice("<>"), rng.choice(EDGES) & (1 << 8 * struct.calcsize(code)) - 1
    packed, at = struct.pack(order + code, value), _near_front(rng, len(data) + 1)
    return data[:at] + packed + data[at + len(packed) :]


def _fill(rng: Random, data: bytes) -> bytes:
    at, size = rng.randrange(len(data) + 1), rng.choice((4, 64, 4096))
    return data[:at] + rng.choice((b"\0", b"\xff", b" ")) * len(data[at : at + size]) + data[at + size :]


def _splice(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + data[rng.randrange(len(data) + 1) :]


def _near_front(rng: Random, size: int) -> int:
    """A place in 0..size-1, mostly in the first bytes, where headers are."""
    return rng.randrange(min(size, 64) if rng.random() < 0.5 else size) if size else 0


MUTATORS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _cut, _flip, _insert, _remove, _repeat, _edge, _fill, _splice,
)  # fmt: skip
