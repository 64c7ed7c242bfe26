"""The log of hb_model_modifier: the nodes that a compiled model can lose, and those it lost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgekit.logs.failures import Failure, FailureWatch
from edgekit.logs.lines import LogLine

QUOTED = re.compile(r'(input|output|name|op_type): "([^"]*)"\s*$')
REMOVED = re.compile(r"Node '([^']+)' is removed")
SAVED = re.compile(r"modified model saved as (\S+\.bin)\b")
STORED = re.compile(r"storing info of model: (\S+\.bin)\b")
NAME_LIST = re.compile(r"'([^']*)'")
MAX_NODES = 10_000


@dataclass(frozen=True, slots=True)
class ModifierNode:
    """A node of the compiled model's runtime graph, as the tool prints it."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModifierLog:
    """`deletable` and `removed` are node names in the order of the log; `saved_as` is "" where nothing was."""

    model: str
    nodes: tuple[ModifierNode, ...]
    deletable: tuple[str, ...]
    requested: tuple[str, ...]
    removed: tuple[str, ...]
    saved_as: str
    failure: Failure | None


@dataclass(slots=True)
class _Block:
    """A node's lines as they come."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    name: str = ""


def parse_modifier(lines: Iterable[LogLine]) -> ModifierLog:
    """Read one hb_model_modifier log, file or console form; never raises for its content."""
    nodes: dict[str, ModifierNode] = {}
    removed: dict[str, None] = {}
    lists: dict[str, tuple[str, ...]] = {"deleted": (), "removed": ()}
    model, saved, block, watch = "", "", _Block(), FailureWatch()
    for line in lines:
        text = line.text
        if line.stamp:
            block = _Block()
            watch.feed(text)
            if match := REMOVED.match(text):
                removed[match[1]] = None
            elif match := SAVED.match(text):
                saved = match[1]
            elif match := STORED.match(text):
                model = match[1]
            elif match := re.match(r"Nodes that (?:can|will) be (deleted|removed)\b[^\[]*\[(.*)\]", text):
                lists[match[1]] = tuple(NAME_LIST.findall(match[2]))
        if match := QUOTED.match(text):
            node = _feed(block, match[1], match[2])
            if node and len(nodes) < MAX_NODES:
                nodes[node.name] = node
    return ModifierLog(
        model=model,
        nodes=tuple(nodes.values()),
        deletable=lists["deleted"],
        requested=lists["removed"],
        removed=tuple(removed),
        saved_as=saved,
        failure=None if saved or lists["deleted"] else watch.failure,
    )


def _feed(block: _Block, key: str, value: str) -> ModifierNode | None:
    """Take one quoted field; gives the node when its type, the last of its fields, has come."""
    if key == "input":
        block.inputs.append(value)
    elif key == "output":
        block.outputs.append(value)
    elif key == "name":
        block.name = value
    elif block.name and block.outputs:
        return ModifierNode(block.name, value, tuple(block.inputs), tuple(block.outputs))
    return None
