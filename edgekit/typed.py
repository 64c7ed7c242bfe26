"""Dataclasses from foreign JSON values: every field is checked for its annotated type before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from edgekit.errors import ModelError
from edgekit.text import shorten

MAX_INTEGER = 2**53  # beyond it a JSON number is no longer exact everywhere
MAX_NUMBER = 1e30
HINT = "correct the field, or run edgekit cut or edgekit compile again to rewrite the sidecar"

T = TypeVar("T")


def build(kind: type[T], value: object, location: str) -> T:
    """Make a dataclass of a JSON object.

    Args:
        kind: The dataclass; its annotations may be str, int, bool, float, (nested) tuples and mappings of these.
        value: The parsed JSON; a field may also hold what `build` made before.
        location: What the value is, for messages.

    Returns:
        The dataclass, lists as tuples.

    Raises:
        ModelError: Where a field is unknown, missing or of the wrong type, by name.
    """
    data = as_mapping(value, location)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted((key for key in data if key not in known), key=str)
    if unknown:
        raise unexpected(location, "field", unknown[0], "one of " + ", ".join(known))
    for name, f in known.items():
        required = f.default is MISSING and f.default_factory is MISSING
        if required and data.get(name) is None:
            raise ModelError(f"{location}: {name} is missing, expected a value", hint=HINT)
    return kind(**{k: _typed(v, str(known[k].type), f"{location}.{k}") for k, v in data.items()})


def as_mapping(value: object, location: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object; raises ModelError if not."""
    if not isinstance(value, Mapping):
        raise ModelError(f"{location}: value is {type(value).__name__}, expected a JSON object", hint=HINT)
    return value


def as_list(value: object, location: str) -> list[Any]:
    """Return `value` if it is a JSON list; raises ModelError if not."""
    if not isinstance(value, (list, tuple)):
        raise ModelError(f"{location}: value is {type(value).__name__}, expected a JSON list", hint=HINT)
    return list(value)


def unexpected(location: str, name: str, value: object, expected: str) -> ModelError:
    """The error for a value that is not what was expected there."""
    return ModelError(f"{location}: {name} is {shorten(value)}, expected {expected}", hint=HINT)


def _typed(value: object, annotation: str, location: str) -> object:
    """`value` as `annotation` says: "tuple[tuple[int, ...], ...]" is a list of lists of integers, no deeper."""
    if annotation.startswith("tuple["):
        inner = _item_annotations(annotation)
        items = as_list(value, location)
        if len(inner) > 1 and len(items) != len(inner):
            raise unexpected(location, "number of entries", len(items), str(len(inner)))
        kinds = inner if len(inner) > 1 else inner * len(items)
        return tuple(_checked(item, kind, location, "entry") for item, kind in zip(items, kinds, strict=True))
    if annotation.startswith("Mapping[str, "):
        kind = annotation[len("Mapping[str, ") : -1]
        entries = as_mapping(value, location).items()
        return {str(_checked(k, "str", location, "key")): _checked(v, kind, location, "entry") for k, v in entries}
    return _checked(value, annotation, location, "value")


def _item_annotations(annotation: str) -> list[str]:
    """The annotations of a tuple's items: one for "tuple[X, ...]", else one per item."""
    inside = annotation[len("tuple[") : -1]
    return [inside.removesuffix(", ...")] if inside.endswith(", ...") else inside.split(", ")


def _checked(value: object, annotation: str, location: str, name: str) -> object:
    if annotation.startswith("tuple["):
        return _typed(value, annotation, location)
    if annotation == "str":
        if not isinstance(value, str):
            raise unexpected(location, name, value, "of type str")
        return _text(value, location, name)
    if annotation == "bool" and not isinstance(value, bool):
        raise unexpected(location, name, value, "of type bool")
    if annotation == "int" and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER):
        raise unexpected(location, name, value, "of type int")
    if annotation == "float":
        # compared as it is: an integer such as 10**400 has no float
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_NUMBER:
            raise unexpected(location, name, value, f"a number of at most {MAX_NUMBER:g}")
        return float(value)
    return value


def _text(value: str, location: str, name: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise unexpected(location, name, value, "text that can be written as UTF-8, without NUL")
    return value
