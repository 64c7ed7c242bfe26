"""Yaml files from strangers: plain values only, every key once, no aliases, a size limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edgekit.errors import ConfigError

MAX_BYTES = 1 << 20  # a PTQ or dataset yaml has a few kB


def read_yaml(path: Path, *, max_bytes: int = MAX_BYTES) -> object:
    """The plain value in the yaml file `path`; raises ConfigError where it cannot be read as such."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", hint="check the path") from error
    if len(data) > max_bytes:
        raise ConfigError(
            f"{path} has over {max_bytes} bytes, expected at most that",
            hint="check that this is the yaml you meant",
        )
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a mark in front
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no UTF-8 text ({error})", hint="save it as UTF-8") from error
    return parse_yaml(text, place=str(path))


def parse_yaml(text: str, *, place: str = "the yaml") -> object:
    """The plain value in `text`; raises ConfigError on bad syntax, tags, aliases and repeated keys."""
    try:
        value: object = yaml.load(text, Loader=_PlainLoader)  # a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = (error.problem or error.context or "bad syntax").strip()
        raise ConfigError(f"{place}{line}: {problem}", hint="mend the yaml there") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:200]
        raise ConfigError(f"{place} cannot be read as yaml ({problem})", hint="mend the yaml") from error
    return value


class _PlainLoader(yaml.SafeLoader):
    """A SafeLoader that refuses what blows up (aliases) and what hides a mistake (repeated keys)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"alias *{event.anchor} found, expected the values written out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in seen:
                problem = f"key {key!r} stands there twice" if key is not None else "a key is no plain text"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
