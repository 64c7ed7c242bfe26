"""The nodes of a compiled model as hb_model_modifier lists them in its log, of any generation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.host.logs.lines import read_lines

# Only what stands at the line's start: the same keys come indented inside attributes.
ENTRY = re.compile(r'(input|output|name|op_type): "([^"]*)"')
OFFERED = re.compile(r"Nodes that (?:can be deleted|will be removed from this model): (\[.*\])")
MODEL = re.compile(r"storing info of model: (\S.*\.bin)")
MAX_NODES = 4096


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of the runtime's graph: `outputs` is empty where only its name was offered."""

    name: str
    op_type: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModifierLog:
    """What a log says: the model's file name ("" where it does not) and its nodes, in the log's order."""

    model_name: str
    nodes: tuple[GraphNode, ...]


def read_modifier_log(path: Path) -> ModifierLog:
    """Reads a log or console output of hb_model_modifier; raises DataError where it lists no removable node."""
    reader = _Reader()
    for line in read_lines(path):
        reader.feed(line.text)
    nodes = reader.nodes or [GraphNode(name, "Dequantize", ()) for name in reader.offered if "Dequantize" in name]
    if not any(node.op_type == "Dequantize" for node in nodes):
        raise DataError(
            f"{path} lists no Dequantize node, expected the log of hb_model_modifier MODEL.bin",
            hint="call hb_model_modifier with the .bin alone and give the hb_model_modifier.log that it writes",
        )
    return ModifierLog(reader.model_name, tuple(nodes))


class _Reader:
    """Gathers the blocks input.. output.. name, op_type; a block that is cut or mixed up is dropped."""

    def __init__(self) -> None:
        self.model_name = ""
        self.nodes: list[GraphNode] = []
        self.offered: list[str] = []
        self._outputs: list[str] = []
        self._name = ""

    def feed(self, text: str) -> None:
        if match := ENTRY.match(text):
            self._entry(*match.groups())
        elif text.startswith("type {") or "--------" in text:  # a tensor's description, not a node's
            self._clear()
        elif match := MODEL.search(text):
            self.model_name = Path(match[1]).name
        elif match := OFFERED.search(text):
            self.offered = _names(match[1])

    def _entry(self, key: str, value: str) -> None:
        if key == "input" and self._name:
            self._clear()
        elif key == "output":
            self._outputs.append(value)
        elif key == "name":
            self._name = value
        elif key == "op_type":
            known = {node.name for node in self.nodes}
            if self._name and self._outputs and self._name not in known and len(known) < MAX_NODES:
                self.nodes.append(GraphNode(self._name, value, tuple(self._outputs)))
            self._clear()

    def _clear(self) -> None:
        self._outputs, self._name = [], ""


def _names(text: str) -> list[str]:
    """The names of a printed Python list of strings; nothing where it is anything else."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [name for name in _items(value) if isinstance(name, str)][:MAX_NODES]


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else []
