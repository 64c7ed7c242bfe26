"""The console log of hb_model_info: what a compiled model says about its build."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.logs.failures import Failure, FailureWatch
from edgekit.logs.lines import LogLine
from edgekit.logs.mapper import KEY_VALUE, SECTION, VERSION

TITLE = re.compile(r"\*{4,} (?P<name>\S+) \*{4,}")
TYPES = re.compile(r"model (?P<way>input|output) types\s*: \[(?P<types>.*)\]\s*$")
TYPE = re.compile(r"<\w+\.(\w+): \d+>")
DELETED = re.compile(r"deleted nodes: (\S+)\s*$")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`input_types` are runtime kinds (NV12, ...), `output_types` element types (FLOAT, INT32, ...)."""

    name: str
    versions: Mapping[str, str]
    settings: Mapping[str, Mapping[str, str]]
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]
    deleted_nodes: tuple[str, ...]
    failure: Failure | None


def parse_model_info(lines: Iterable[LogLine]) -> ModelInfo:
    """Read one hb_model_info log; never raises for its content."""
    name, section = "", ""
    versions: dict[str, str] = {}
    settings: dict[str, dict[str, str]] = {}
    types: dict[str, tuple[str, ...]] = {"input": (), "output": ()}
    deleted: dict[str, None] = {}
    watch = FailureWatch()
    for line in lines:
        text = line.text
        watch.feed(text)
        if not line.complete:
            continue
        if match := TITLE.match(text):
            name = match["name"]
        elif match := SECTION.match(text):
            section = match["name"].replace(" ", "_")
        elif match := VERSION.match(text):
            versions[match[1].replace(" ", "_")] = match[2]
        elif match := TYPES.match(text):
            types[match["way"]] = tuple(TYPE.findall(match["types"]))
        elif match := DELETED.match(text):
            deleted[match[1]] = None
        elif section and not text.startswith("-") and (match := KEY_VALUE.match(text)):
            settings.setdefault(section, {})[match["key"]] = match["value"]
    return ModelInfo(
        name=name,
        versions=versions,
        settings=settings,
        input_types=types["input"],
        output_types=types["output"],
        deleted_nodes=tuple(deleted),
        failure=watch.failure if not name else None,
    )
