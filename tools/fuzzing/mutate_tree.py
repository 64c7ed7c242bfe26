"""Damage to JSON and yaml, at the level of their values: types, sizes, nesting, keys, and how they are written."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_text import ODD_NUMBERS, ODD_WORDS, encode_text, mutate_text

Path = tuple[Any, ...]
NEST = "@nest@"  # becomes brackets when it is written
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e308, 1e-320, 10**30, 10**400, -(10**400), 2**31, 2**31 - 1, 2**63,
    2**64,
    float("nan"), float("inf"), float("-inf"), [], {}, [[]], [None], {"": None}, [0] * 7, [1, 2], ["a", "b"], NEST,
    {"a": {"b": [1]}}, [[1, 2], [3, 4]], *ODD_NUMBERS, *ODD_WORDS,
)  # fmt: skip


def mutate_json(rng: Random, data: bytes) -> bytes:
    """Damage a JSON document."""
    if rng.random() < 0.12:
        return rng.choice((mutate_bytes, mutate_text))(rng, data)
    value = mutate_tree(rng, json.loads(data))
    text = json.dumps(value, ensure_ascii=rng.random() < 0.7, indent=rng.choice((None, 1)))
    text = text.replace(f'"{NEST}"', _nest(rng))
    if rng.random() < 0.08:  # a repeated key, at the front or in any object
        at = rng.choice([i for i, c in enumerate(text[: 1 << 16]) if c == "{"] or [0])
        key = rng.choice(_keys(value) or ["a"])
        text = f"{text[:at]}{{{json.dumps(key)}: {json.dumps(rng.choice(ODD_VALUES))}, {text[at + 1 :]}"
    return encode_text(rng, text)


def mutate_tree(rng: Random, value: Any) -> Any:
    """Return a copy of plain JSON values with one to four places changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _unshared(value)
        value = rng.choice(MUTATORS)(rng, value, rng.choice(_places(value)))
    return value


def _unshared(value: Any) -> Any:
    """A copy of a tree in which no part is there twice, as `copy.deepcopy` would keep it."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _odd(rng: Random, root: Any, path: Path) -> Any:
    return _put(root, path, copy.deepcopy(rng.choice(ODD_VALUES)))


def _nearby(rng: Random, root: Any, path: Path) -> Any:
    """A number becomes another one, a text a number, a number a text, anything a list of itself."""
    value = _get(root, path)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _put(
            root,
            path,
            rng.choice(
                (-value, value + 1, value * 1000, value / 2 if abs(value) < 1e300 else 0.5, str(value), [value])
            ),
        )
    if isinstance(value, str):
        return _put(
            root, path, rng.choice((value + " ", value.upper(), value[:-1], value * 2, [value], {value: value}))
        )
    if isinstance(value, list):
        return _put(root, path, rng.choice((value * 2, value[:-1], value[::-1], [value], dict(enumerate(value)))))
    return _put(root, path, rng.choice(([value], {"a": value}, str(value))))


def _remove(rng: Random, root: Any, path: Path) -> Any:
    if not path:
        return root
    parent = _get(root, path[:-1])
    del parent[path[-1]]
    return root


def _repeat(rng: Random, root: Any, path: Path) -> Any:
    value = _get(root, path)
    if isinstance(value, list) and value and len(json.dumps(value, default=str)) < 20_000:
        return _put(root, path, value * rng.choice((2, 10, 300)))
    return _put(root, path, [value, copy.deepcopy(value)])


def _rename(rng: Random, root: Any, path: Path) -> Any:
    parent = _get(root, path[:-1]) if path else None
    if not isinstance(parent, dict):
        return _odd(rng, root, path)
    parent[rng.choice((*ODD_WORDS, str(path[-1]).upper(), "1"))] = parent.pop(path[-1])
    return root


def _swap(rng: Random, root: Any, path: Path) -> Any:
    other = rng.choice(_places(root))
    shorter = min(len(path), len(other))
    if path[:shorter] == other[:shorter]:  # one lies in the other
        return root
    a, b = _get(root, path), _get(root, other)
    return _put(_put(root, path, b), other, a)


def _copy(rng: Random, root: Any, path: Path) -> Any:
    return _put(root, path, copy.deepcopy(_get(root, rng.choice(_places(root)))))


def _places(value: Any, path: Path = ()) -> list[Path]:
    """Every place in a tree; of long lists the first hundred elements."""
    found = [path]
    if isinstance(value, dict):
        for key in list(value)[:200]:
            found += _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), 100)):
            found += _places(value[index], (*path, index))
    return found


def _keys(value: Any) -> list[str]:
    return [str(path[-1]) for path in _places(value) if path and isinstance(path[-1], str)]


def _get(root: Any, path: Path) -> Any:
    for key in path:
        root = root[key]
    return root


def _put(root: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    _get(root, path[:-1])[path[-1]] = value
    return root


def _nest(rng: Random) -> str:
    depth = rng.choice((10, 70, 1500, 100_000))
    return "[" * depth + "]" * depth if rng.random() < 0.6 else '{"a":' * depth + "1" + "}" * depth


MUTATORS: tuple[Callable[[Random, Any, Path], Any], ...] = (
    _odd, _odd, _odd, _odd, _nearby, _nearby, _remove, _repeat, _rename, _swap, _copy,
)  # fmt: skip
