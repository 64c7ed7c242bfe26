"""A small checker of the JSON Schema words that our schema uses, so that no test needs another package."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
WORDS = {"$schema", "$defs", "$ref", "title", "description", "oneOf", "type", "properties", "required", "items", "enum"}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], location: str = "$") -> list[str]:
    """What of `value` does not fit `schema`; a field that the schema does not know is an error here."""
    assert schema.keys() <= WORDS, f"{location}: a word that this checker does not know"
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        tried = [errors(value, option, root, location) for option in schema["oneOf"]]
        return [] if sum(not found for found in tried) == 1 else min(tried, key=len) or [f"{location}: several fit"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{location}: {value!r} is none of {schema['enum']}"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, kind) for kind in kinds):
        return [f"{location}: {value!r} is no {kinds}"]
    found = []
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{location}: {key} is missing" for key in schema.get("required", ()) if key not in value]
        found += [f"{location}: {key} is unknown" for key in value if key not in schema["properties"]]
        for key, part in schema["properties"].items():
            found += errors(value[key], part, root, f"{location}.{key}") if key in value else []
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += errors(item, schema["items"], root, f"{location}[{i}]")
    return found


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
