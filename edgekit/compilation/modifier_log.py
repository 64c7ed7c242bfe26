"""The nodes that a saved hb_model_modifier log lists, to plan a strip that is done elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.errors import DataError
from edgekit.logs.lines import read_lines
from edgekit.logs.modifier import ModifierNode, parse_modifier


def read_removable_nodes(path: Path) -> tuple[str, Sequence[ModifierNode]]:
    """(model name, nodes) of a log or console output of any generation; the model is "" where it is not named.

    Console output tells names alone: such nodes have no outputs. Raises DataError where no Dequantize node is listed.
    """
    log = parse_modifier(read_lines(path))
    names = log.deletable or log.requested or log.removed
    bare = tuple(ModifierNode(name, "Dequantize", (), ()) for name in names if name.endswith("Dequantize"))
    nodes = log.nodes or bare
    if not any(node.op_type == "Dequantize" for node in nodes):
        raise DataError(
            f"{path} lists no Dequantize node, expected the log of hb_model_modifier MODEL.bin",
            hint="call hb_model_modifier with the .bin alone and give the hb_model_modifier.log that it writes",
        )
    return Path(log.model).name, nodes
