"""Yaml files from strangers: plain values only, every key once, no aliases, limits of size and digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from edgekit.errors import ConfigError
from edgekit.text import read_text, shorten

MAX_BYTES = 1 << 20  # a PTQ or dataset yaml has a few kB
MAX_DIGITS = 300  # characters of a number; sexagesimal ones take quadratic time
NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
HINT = "correct the yaml there"


def read_yaml(
    path: Path, *, max_bytes: int = MAX_BYTES, on_repeat: Callable[[str], None] | None = None, words: bool = False
) -> object:
    """Read the plain value in the yaml file `path` by the rules of `parse_yaml`."""
    text = read_text(path, max_bytes=max_bytes, error=ConfigError)
    return parse_yaml(text, location=str(path), on_repeat=on_repeat, words=words)


def parse_yaml(
    text: str, *, location: str = "the yaml", on_repeat: Callable[[str], None] | None = None, words: bool = False
) -> object:
    """Parse plain yaml: scalars, lists and mappings with scalar keys, without aliases.

    Args:
        text: The yaml text.
        location: What the text is, for messages.
        words: Leave all but plain integers (and empty or `null` values) as the text they are, for class names and
            folders: `no`, `yes`, `true`, dates, 007, 1.0, 12:30.
        on_repeat: Told of each repeated key, whose last value then counts as in PyYAML; without it they are refused.

    Returns:
        The plain value; None for an empty text.

    Raises:
        ConfigError: On bad syntax, values that do not fit their tags, aliases and repeated keys.
    """
    try:
        loader = _WordLoader if words else _PlainLoader
        value: object = loader(text, on_repeat).get_single_data()  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = " ".join((error.problem or error.context or "bad syntax").split())
        raise ConfigError(f"{location}{line}: {problem}", hint=HINT) from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        problem = " ".join(str(error).split())[:200]
        raise ConfigError(f"{location} cannot be read as yaml ({problem})", hint=HINT) from error
    return value


class _PlainLoader(yaml.SafeLoader):
    """A SafeLoader that refuses what blows up (aliases) and what hides a mistake (repeated keys)."""

    def __init__(self, text: str, on_repeat: Callable[[str], None] | None) -> None:
        super().__init__(text)
        self._on_repeat = on_repeat

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"alias *{event.anchor} found, expected the values written out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """As PyYAML does it, but whatever its constructors raise on a value that its tag does not fit is told."""
        if node.tag in NUMBER_TAGS and isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_DIGITS:
            raise _refused(f"a number of {len(node.value)} characters, expected at most {MAX_DIGITS}", node)
        if isinstance(node, yaml.ScalarNode) and any("\ud800" <= c <= "\udfff" for c in node.value):
            raise _refused("half of a surrogate pair, expected text that can be written as UTF-8", node)
        return _located(lambda: super(_PlainLoader, self).construct_object(node, deep), node)  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _refused(f"a {node.id}, expected a mapping as its tag says", node)
        lines: dict[object, int] = {}
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise _refused("a key is no plain text", key_node)
            if key in lines:
                self._repeated(key, lines[key], key_node)
            lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def _repeated(self, key: str, first_line: int, node: Any) -> None:
        if self._on_repeat is None:
            raise _refused(f"key {shorten(key)} appears twice, first in line {first_line}", node)
        line = node.start_mark.line + 1
        self._on_repeat(f"key {shorten(key)} appears twice, in line {first_line} and line {line}; the last one counts")


class _WordLoader(_PlainLoader):
    """Keep what yaml 1.1 reads as truth values, dates and numbers of unusual writing as text."""


KEPT_AS_TEXT = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", *NUMBER_TAGS)
PLAIN_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]*)$")  # str() of its value is what stands there
_WordLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in KEPT_AS_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_WordLoader.add_implicit_resolver("tag:yaml.org,2002:int", PLAIN_INTEGER, list("-0123456789"))  # type: ignore[no-untyped-call]


def _located(construct: Callable[[], Any], node: Any) -> Any:
    try:
        return construct()
    except (yaml.YAMLError, RecursionError):
        raise
    except (
        Exception
    ) as error:  # IndexError, KeyError, AttributeError, TypeError: PyYAML checks no value against its tag
        kind = node.tag.rpartition(":")[2]
        value = shorten(node.value) if isinstance(node, yaml.ScalarNode) else f"a {node.id}"
        raise _refused(f"{value} cannot be read as {shorten(kind)}", node) from error


def _refused(problem: str, node: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
