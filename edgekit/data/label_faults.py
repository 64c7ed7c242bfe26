"""What is wrong in files that somebody else labelled: collected entry by entry, told in one list with counts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from edgekit.errors import DataError
from edgekit.text import shorten

SHOWN = 3  # places named of each kind of fault
LEFT_OUT = "left out"
MAX_EXACT = 2**53  # floats are exact up to here
MAX_ID = 2**63 - 1
MAX_NUMBER = 1e9

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,19}(\.0*)?\s*")
_DECIMAL = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*")


@dataclass(slots=True)
class _Kind:
    """Faults of one expectation and one effect: how many, and the first few places."""

    count: int = 0
    shown: list[str] = field(default_factory=list)


class Faults:
    """The faults of one data set; of each kind only the count and the first few places are held."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def __len__(self) -> int:
        return sum(kind.count for kind in self._kinds.values())

    def add(self, location: str, value: object, expected: str, *, effect: str = LEFT_OUT) -> None:
        """Note that `value` stands at `location` where `expected` should, and what was done about it (`effect`)."""
        kind = self._kinds.setdefault((effect, expected), _Kind())
        kind.count += 1
        if len(kind.shown) < SHOWN:
            kind.shown.append(f"{location} is {value if isinstance(value, _Words) else shorten(value, 50)}")

    def tell(self, name: str) -> str:
        """All of them in one phrase that begins with the `name` of the file or data set."""
        kinds = [self._phrase(effect, expected, kind) for (effect, expected), kind in self._kinds.items()]
        return f"{name} has {len(self)} fault{'s' * (len(self) != 1)}: {'; '.join(kinds)}"

    def notes(self, name: str) -> tuple[str, ...]:
        """`tell` as the only note, or none where nothing is wrong."""
        return (self.tell(name),) if self._kinds else ()

    def refuse(self, name: str, *, hint: str) -> None:
        """Raise DataError with the whole list where anything is wrong."""
        if self._kinds:
            raise DataError(self.tell(name), hint=hint)

    @staticmethod
    def _phrase(effect: str, expected: str, kind: _Kind) -> str:
        more = f" and {kind.count - len(kind.shown)} more" if kind.count > len(kind.shown) else ""
        return f"{kind.count} {effect} ({', '.join(kind.shown)}{more}), expected {expected}"


class _Words(str):
    """A value told in words rather than by its repr."""


def words(text: str) -> str:
    """Return `text` as a value for `Faults.add` that is not quoted."""
    return _Words(text)


def as_integer(value: object, *, low: int = -MAX_ID, high: int = MAX_ID) -> int | None:
    """Return an integer that is written as 5, 5.0 or "5"; None where `value` is none of `low` to `high`."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value.partition(".")[0])
    if isinstance(value, float):
        value = int(value) if abs(value) <= MAX_EXACT and value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def as_number(value: object, *, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> float | None:
    """Return a finite number that is written as 0.5 or "0.5"; None where `value` is none of `low` to `high`."""
    if isinstance(value, str) and len(value) <= 40 and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value) if math.isfinite(value) else None
