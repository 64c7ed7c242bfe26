"""Frozen dataclasses as JSON and back, and the envelope that every JSON of edgekit begins with.

{"schema": "edgekit.model/1", "edgekit": "0.1.0", ...}: what the document is and which version wrote it. The number of a
schema changes if a field is removed or changes its meaning; fields may be added within it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgekit.errors import EdgekitError, ModelError
from edgekit.text import shorten
from edgekit.version import __version__

__all__ = [
    "any_of",
    "as_list",
    "as_mapping",
    "check_envelope",
    "envelope",
    "from_json",
    "require",
    "to_json",
    "unexpected",
]

MAX_INTEGER = 2**53  # beyond it a JSON number is no longer exact everywhere
MAX_NUMBER = 1e30
HINT = "correct the field, or run edgekit cut or edgekit compile again to rewrite the sidecar"
PREFIX = "edgekit."

T = TypeVar("T")


def envelope(kind: str, version: int = 1) -> dict[str, Any]:
    """Return the first fields of a document.

    Args:
        kind: What it is: "model", "bundle", "manifest", ...
        version: Of this kind's fields.

    Returns:
        {"schema": "edgekit.KIND/VERSION", "edgekit": the version of edgekit}.
    """
    return {"schema": f"{PREFIX}{kind}/{version}", "edgekit": __version__}


def check_envelope(
    value: object,
    kind: str,
    location: str,
    *,
    version: int = 1,
    error: type[EdgekitError] = ModelError,
    hint: str = HINT,
) -> dict[str, Any]:
    """Check that a parsed document is of one kind and version.

    Args:
        value: The parsed JSON.
        kind: As for `envelope`.
        location: What the document is, for messages.
        version: The one that this edgekit reads.
        error: The class of the error raised.
        hint: The way out.

    Returns:
        The document's own fields.

    Raises:
        EdgekitError: (of class `error`) if it is no object, or of another kind or version.
    """
    document = dict(value) if isinstance(value, Mapping) else {}
    schema, _ = document.pop("schema", None), document.pop("edgekit", None)
    expected = f"{PREFIX}{kind}/{version}"
    if schema != expected:
        what = f"of schema {shorten(schema)}" if isinstance(schema, str) else "no document of this edgekit"
        raise error(f"{location} is {what}, expected {expected}", hint=hint)
    return document


def to_json(value: Any) -> Any:
    """Convert a value to plain JSON values.

    Args:
        value: A dataclass, mapping, list or tuple of such values, or a plain value.

    Returns:
        Dicts, lists, strings, numbers, booleans and None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value


def from_json(kind: type[T], value: object, location: str) -> T:
    """Make a dataclass of a JSON object; every field is checked for its annotated type.

    Args:
        kind: The dataclass. Its annotations may be str, int, bool, float, Literal, other dataclasses, (nested) tuples
            and mappings of these, unions with None, and Any.
        value: The parsed JSON; a field may also hold what it is converted to.
        location: What the value is, for messages.

    Returns:
        The dataclass, lists as tuples.

    Raises:
        ModelError: A field is unknown, missing or of the wrong type; names it.
    """
    data, hints = as_mapping(value, location), _hints(kind)  # type: ignore[arg-type]  # classes are hashable
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted((key for key in data if key not in known), key=str)
    if unknown:
        raise unexpected(location, "field", unknown[0], "one of " + ", ".join(known))
    for name, f in known.items():
        required = f.default is MISSING and f.default_factory is MISSING
        if required and data.get(name) is None and NoneType not in get_args(hints[name]):
            raise ModelError(f"{location}: {name} is missing, expected a value", hint=HINT)
    values = {key: _converted(hints[key], item, f"{location}.{key}", "value") for key, item in data.items()}
    try:
        return kind(**values)
    except ModelError as error:  # of the dataclass's own checks, which know no location
        raise ModelError(f"{location}: {error.message}", hint=error.hint) from error


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


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Check a field of a dataclass.

    Args:
        condition: Whether its value is legal.
        name: The field's, for the message.
        value: What it holds.
        expected: What it may hold.

    Raises:
        ModelError: The condition does not hold.
    """
    if not condition:
        raise ModelError(f"{name} is {shorten(value)}, expected {expected}", hint=HINT)


def any_of(values: Iterable[object]) -> str:
    """Return "one of a, b" for the members of a closed set, an empty text as ''."""
    return "one of " + ", ".join(str(value) or "''" for value in values)


def unexpected(location: str, name: str, value: object, expected: str) -> ModelError:
    """Return the error for a value that is not what was expected there."""
    return ModelError(f"{location}: {name} is {shorten(value)}, expected {expected}", hint=HINT)


@functools.lru_cache(maxsize=256)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _converted(kind: Any, value: object, location: str, name: str) -> object:
    """Return `value` as `kind`: tuple[tuple[int, ...], ...] is a list of lists of integers, no deeper."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple(inner, value, location)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        entries = as_mapping(value, location).items()
        return {
            str(_converted(str, k, location, "key")): _converted(inner[1], v, f"{location}.{k}", "entry")
            for k, v in entries
        }
    if origin is UnionType or origin is Union:
        return None if value is None and NoneType in inner else _converted(inner[0], value, location, name)
    if origin is Literal:
        if value not in inner:
            raise unexpected(location, name, value, any_of(inner))
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        return value if isinstance(value, kind) else from_json(kind, value, location)
    return _scalar(kind, value, location, name)


def _tuple(inner: tuple[Any, ...], value: object, location: str) -> tuple[object, ...]:
    items = as_list(value, location)
    if inner[-1] is Ellipsis:
        kinds = inner[:1] * len(items)
    else:
        kinds = inner
        if len(items) != len(kinds):
            raise unexpected(location, "number of entries", len(items), str(len(kinds)))
    nested = is_dataclass(inner[0])
    return tuple(
        _converted(kind, item, f"{location}[{i}]" if nested else location, "entry")
        for i, (item, kind) in enumerate(zip(items, kinds, strict=True))
    )


def _scalar(kind: Any, value: object, location: str, name: str) -> object:
    if kind is str:
        return _text(value, location, name)
    if kind is bool and not isinstance(value, bool):
        raise unexpected(location, name, value, "of type bool")
    if kind is int and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER):
        raise unexpected(location, name, value, "of type int")
    if kind is float:
        # compared as it is: an integer such as 10**400 has no float
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_NUMBER:
            raise unexpected(location, name, value, f"a number of at most {MAX_NUMBER:g}")
        return float(value)
    return value


def _text(value: object, location: str, name: str) -> str:
    if not isinstance(value, str):
        raise unexpected(location, name, value, "of type str")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise unexpected(location, name, value, "text that can be written as UTF-8, without NUL")
    return value
