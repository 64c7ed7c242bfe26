"""One mapping of a configuration, read key by key: every value is checked, and no key is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import ConfigError
from edgekit.text import check_integer, check_number, shorten

__all__ = ["Section", "entries"]

MAX_ENTRIES = 256


class Section:
    """The values of one mapping; `finish` names what nobody asked for."""

    def __init__(self, value: object, location: str) -> None:
        if not isinstance(value, Mapping):
            raise _unexpected(location, value, "a mapping")
        self.location = location
        self._values: dict[str, Any] = {str(key): entry for key, entry in value.items()}
        self._known: list[str] = []

    def at(self, key: str) -> str:
        """Return where a key is, for messages."""
        return f"{self.location}: {key}"

    def value(self, key: str) -> object:
        """Return the value of a key as it is; None where it is absent."""
        self._known.append(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text (or a number written as one); required without a default."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # a camera's number
        if not isinstance(value, str) or not value or not value.isprintable():
            raise _unexpected(self.at(key), value, "a text")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Return one of `choices`."""
        value = self.text(key, default)
        if value not in choices:
            raise _unexpected(self.at(key), value, f"one of {', '.join(choices)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _unexpected(self.at(key), value, "true or false")
        return value

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        value = self.value(key)
        return default if value is None else check_integer(value, self.at(key), low=low, high=high, error=ConfigError)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        value = self.value(key)
        return default if value is None else check_number(value, self.at(key), low=low, high=high, error=ConfigError)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a text or a list of texts; empty where it is absent."""
        value = self.value(key)
        values = [] if value is None else value if isinstance(value, list) else [value]
        if len(values) > MAX_ENTRIES or not all(isinstance(entry, str) and entry for entry in values):
            raise _unexpected(self.at(key), value, "a text or a list of texts")
        return tuple(values)

    def finish(self) -> None:
        """Raise ConfigError where the mapping has a key that was never read."""
        unknown = sorted(key for key in self._values if key not in self._known)
        if unknown:
            raise ConfigError(
                f"{self.location} has the unknown key {shorten(unknown[0])}, expected {', '.join(self._known)}",
                hint="correct its spelling, or remove it",
            )


def entries(value: object, location: str, *, least: int = 1) -> list[tuple[str, object]]:
    """Return the entries of a mapping of names, in order.

    Raises:
        ConfigError: Where it is no mapping, has fewer than `least` entries, or a name that is none.
    """
    if value is None and not least:
        return []
    if not isinstance(value, Mapping) or not least <= len(value) <= MAX_ENTRIES:
        raise _unexpected(location, value, f"a mapping of {least} to {MAX_ENTRIES} names")
    for name in value:
        if not is_name(str(name)):
            raise _unexpected(f"a name in {location}", name, "letters, digits, - and _")
    return [(str(name), entry) for name, entry in value.items()]


def is_name(name: str) -> bool:
    """Whether a name can also be that of a file, a topic and an address."""
    return 0 < len(name) <= 60 and name.isascii() and name.replace("-", "a").replace("_", "a").isalnum()


def _unexpected(location: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"{location} is {shorten(value)}, expected {expected}", hint="correct it there")
