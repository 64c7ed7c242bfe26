"""The quantization record (`<prefix>_quant_info.json`): per node its tensors, thresholds and cosine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.logs.numbers import finite

CALIBRATED = "_calibrated"  # suffix of a tensor behind its calibration node: the same tensor
MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class QuantNode:
    """A node of the calibrated graph: `inputs` and `outputs` are tensor names; a threshold list per input."""

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    thresholds: tuple[tuple[float, ...], ...]
    cosine: float | None


def is_quant_info(value: object) -> bool:
    """Whether a JSON value has this file's shape: objects with inputs, outputs and thresholds."""
    if not isinstance(value, dict) or not value:
        return False
    keys = {"inputs", "outputs", "thresholds"}
    return all(isinstance(node, dict) and keys <= node.keys() for node in list(value.values())[:20])


def read_quant_info(path: Path) -> tuple[QuantNode, ...]:
    """Read the file, nodes in its order (topological); raises DataError where it is none."""
    value = read_json(path)
    if not is_quant_info(value):
        raise DataError(
            f"{path} is no list of nodes with inputs, outputs and thresholds",
            hint="give the _quant_info.json that hb_mapper wrote beside the .bin",
        )
    nodes = list(value.items())[:MAX_NODES]  # type: ignore[attr-defined]
    return tuple(_node(name, node) for name, node in nodes if isinstance(node, dict))


def _node(name: str, node: Mapping[str, object]) -> QuantNode:
    thresholds = node.get("thresholds")
    return QuantNode(
        name=name,
        type=str(node.get("type", "")),
        inputs=tuple(text.removesuffix(CALIBRATED) for text in _texts(node.get("inputs"))),
        outputs=_texts(node.get("outputs")),
        thresholds=tuple(map(_floats, thresholds)) if isinstance(thresholds, list) else (),
        cosine=finite(node.get("cosine_similarity")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _floats(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, list) else []
    return tuple(number for item in items if not isinstance(item, str) and (number := finite(item)) is not None)
