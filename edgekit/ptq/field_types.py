"""Kinds of yaml values: how each is read, checked and written back without loss."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One kind of value: `read(yaml value)` raises ValueError on an illegal one, `write` is its inverse.

    `expected` finishes the sentence "..., expected "; `legal` lists the values where they are few.
    """

    expected: str
    read: Callable[[object], Any]
    write: Callable[[Any], object]
    legal: tuple[str, ...] = ()


def choice(*values: str) -> FieldKind:
    """One of a few words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in values:
            raise ValueError
        return value

    return FieldKind("one of " + ", ".join(values), read, str, values)


def flag() -> FieldKind:
    """True or False; the words in quotes are taken as well, since many templates quote every value."""
    words = {"true": True, "false": False}

    def read(value: object) -> bool:
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if not isinstance(value, bool):
            raise ValueError
        return value

    return FieldKind("True or False", read, lambda value: value, ("True", "False"))


def text(*, plain: bool = False) -> FieldKind:
    """Any words that are not blank; `plain`: a file name without folders."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or value != value.strip():
            raise ValueError
        if "\0" in value or (plain and (value in (".", "..") or re.search(r'[\\/:*?"<>|\n]', value))):
            raise ValueError
        return value

    expected = "a plain name without folders" if plain else "text (put numbers and yes/no in quotes)"
    return FieldKind(expected, read, lambda value: value)


def number(low: float, high: float) -> FieldKind:
    """A finite number in [low, high]."""

    def read(value: object) -> float:
        result = _float(value)
        if not low <= result <= high:
            raise ValueError
        return result

    return FieldKind(f"a number in {low:g}..{high:g}", read, lambda value: value)


def integer(low: int, high: int, *, or_zero: bool = False) -> FieldKind:
    """A whole number in [low, high], or 0 where `or_zero`."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"\d{1,12}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError
        if not (low <= value <= high or (or_zero and value == 0)):
            raise ValueError
        return value

    zero = "0 or " if or_zero else ""
    return FieldKind(f"{zero}a whole number in {low}..{high}", read, lambda value: value)


def joined(item: FieldKind, *, separator: str = ";", blanks: bool = False) -> FieldKind:
    """Several values in one text, e.g. one per input; a blank text is the empty tuple.

    `blanks` allows a blank place among several (an input for which the field says nothing). Without blanks a separator
    may end the text, as in the vendor's samples.
    """

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, str):
            raise ValueError
        parts = [part.strip() for part in value.split(separator)]
        if len(parts) > 1 and not parts[-1] and not blanks:
            parts.pop()
        if parts == [""]:
            return ()
        return tuple(part if blanks and not part else item.read(part) for part in parts)

    def write(value: tuple[Any, ...]) -> str:
        if not isinstance(value, tuple):
            raise ValueError
        return separator.join(part if blanks and part == "" else str(item.write(part)) for part in value)

    return FieldKind(f"{item.expected} (several joined with {separator!r})", read, write, item.legal)


def shape() -> FieldKind:
    """A tensor shape as `1x3x640x640`."""

    def read(value: object) -> tuple[int, ...]:
        if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5}){0,7}", value):
            raise ValueError
        return tuple(int(side) for side in value.split("x"))

    return FieldKind("a shape such as 1x3x640x640", read, lambda value: "x".join(map(str, value)))


def channel_values(*, zero: bool) -> FieldKind:
    """Per input, one number or one per channel (spaces between), or None; `zero`: whether 0 is legal."""

    def read(value: object) -> tuple[tuple[float, ...] | None, ...]:
        if not isinstance(value, str):
            return ((checked(value),),)
        if not value.strip():
            return ()
        return tuple(read_part(part.strip()) for part in value.strip().removesuffix(";").split(";"))

    def read_part(part: str) -> tuple[float, ...] | None:
        if part == "None":
            return None
        numbers = tuple(checked(word) for word in part.split())
        if not numbers:
            raise ValueError
        return numbers

    def checked(value: object) -> float:
        result = _float(value)
        if result == 0 and not zero:
            raise ValueError
        return result

    def write(value: tuple[tuple[float, ...] | None, ...]) -> object:
        if len(value) == 1 and value[0] is not None and len(value[0]) == 1:
            return value[0][0]
        return ";".join("None" if single is None else " ".join(map(repr, single)) for single in value)

    kind = "numbers" if zero else "numbers other than 0"
    return FieldKind(f"finite {kind}: one, or one per channel with spaces between", read, write)


def mapping_of(item: FieldKind) -> FieldKind:
    """Name with a value each."""

    def read(value: object) -> Mapping[str, Any]:
        return MappingProxyType({_name(key): item.read(entry) for key, entry in _pairs(value)})

    def write(value: Mapping[str, Any]) -> dict[str, object]:
        return {key: item.write(entry) for key, entry in value.items()}

    return FieldKind(f"{{input name: {item.expected}}}", read, write, item.legal)


def node_rules() -> FieldKind:
    """Per node where it runs and which of its tensors are int16."""

    def read(value: object) -> Mapping[str, Mapping[str, str]]:
        return MappingProxyType({_name(node): read_part(rules) for node, rules in _pairs(value)})

    def read_part(value: object) -> Mapping[str, str]:
        rules = dict(_pairs(value))
        for key, entry in rules.items():
            if not isinstance(key, str) or not re.fullmatch(r"ON|OutputType|InputType\d{0,3}", key):
                raise ValueError
            if not isinstance(entry, str) or entry not in (("BPU", "CPU") if key == "ON" else ("int16",)):
                raise ValueError
        if not rules:
            raise ValueError
        return MappingProxyType(rules)

    def write(value: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        return {node: dict(rules) for node, rules in value.items()}

    # yaml 1.1 reads a bare ON as the truth value, hence the quotes
    expected = "{node: {'ON': BPU or CPU, InputType[n]: int16, OutputType: int16}} with 'ON' in quotes"
    return FieldKind(expected, read, write)


def _pairs(value: object) -> list[tuple[Any, Any]]:
    if not isinstance(value, Mapping):
        raise ValueError
    return list(value.items())


def _name(key: object) -> str:
    if not isinstance(key, str) or not key.strip():
        raise ValueError
    return key


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    try:
        result = float(value)
    except OverflowError as error:
        raise ValueError from error
    if not math.isfinite(result):
        raise ValueError
    return result
