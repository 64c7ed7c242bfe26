"""Damage to any field of any protobuf message, found by reflection."""

from __future__ import annotations

from random import Random
from typing import Any

ODD_INTEGERS = (
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65536,
    1 << 20, 1 << 24,
    2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -1, -2, -3, -8, -32, -128, -32768, -(2**31), -(2**63),
)  # fmt: skip
ODD_TEXTS = (
    "",
    " ",
    "x",
    "x" * 3000,
    "é",
    "a\nb",
    "\x1b[31m",
    "../../x",
    "\u202e",
    "%s",
    "0",
    "{",
    "[1, 2",
    "{0: 'a'}",
    "\0",
)


def odd_integer(rng: Random, old: int) -> int:
    """Return another integer: a neighbour, a multiple, or an extreme one."""
    near = (old + 1, old - 1, old * 2, old // 2, -old)
    value = rng.choice(near) if rng.random() < 0.5 else rng.choice(ODD_INTEGERS)
    return max(-(2**63), min(2**63 - 1, value))


def odd_text(rng: Random, old: str) -> str:
    """Return another text; now and then one with a part of the old one."""
    return rng.choice((old[: len(old) // 2], old + "x", old * 2)) if rng.random() < 0.4 else rng.choice(ODD_TEXTS)


def any_field(rng: Random, message: Any) -> None:
    """Change one field somewhere in a message: walk down at random, then change or drop what is there."""
    while True:
        present = [(field, value) for field, value in message.ListFields()]
        if not present:
            return
        field, value = rng.choice(present)
        many = _is_repeated(field, value)
        if field.message_type is None or rng.random() < 0.15:
            _change(rng, message, field, value, many)
            return
        if many and not len(value):
            return
        message = rng.choice(value) if many else value


def _is_repeated(field: Any, value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and hasattr(value, "extend")


def _change(rng: Random, message: Any, field: Any, value: Any, many: bool) -> None:
    draw = rng.random()
    if draw < 0.25:
        message.ClearField(field.name)
    elif many:
        _change_repeated(rng, field, value)
    elif field.message_type is None:
        setattr(message, field.name, _odd(rng, field, value))


def _change_repeated(rng: Random, field: Any, values: Any) -> None:
    at, draw = rng.randrange(len(values)), rng.random()
    if draw < 0.3:
        del values[at]
    elif field.message_type is not None:
        values.add().CopyFrom(values[at])
    elif draw < 0.5:
        values.extend(list(values)[: rng.choice((1, 8, 1000))])
    else:
        values[at] = _odd(rng, field, values[at])


def _odd(rng: Random, field: Any, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if isinstance(value, int):
        bits = 31 if field.cpp_type == field.CPPTYPE_INT32 else 63
        odd = max(-(2**bits), min(2**bits - 1, odd_integer(rng, value)))
        return odd if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64) else abs(odd) % 20
    if isinstance(value, float):
        return rng.choice((0.0, -value, float("nan"), float("inf"), 1e-40, 3e38))
    if isinstance(value, bytes):
        return value[: len(value) // 2] if rng.random() < 0.5 else rng.randbytes(min(len(value) + 1, 4096))
    return odd_text(rng, str(value))
