"""What `edgekit tune` measured of every node: what it loses alone in int8, and what int16 gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.logs.numbers import finite

SENSITIVITY = "sensitivity.json"  # beside the prepared yaml
MAX_BYTES = 16 << 20
MAX_NODES = 20_000
MAX_TENSORS = 1000  # of one node
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class SensitiveNode:
    """A node, or a unit that is set as one. `loss_alone`: the measure with it alone in int8; the gains: how much of the
    loss of everything in int8 goes away with it alone in int16 or float, None where not measured; `extra_cost`: share
    of the model's time that int16 adds here; `chosen`: the wider type that was chosen for it, "" for none.
    """

    node: str
    tensors: tuple[str, ...]
    op: str
    loss_alone: float
    gain_int16: float | None
    gain_float: float | None
    extra_cost: float | None
    chosen: str


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A setting that was tried: its loss, the frame's milliseconds (a static estimate), and whether it was chosen."""

    what: str
    loss: float
    milliseconds: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What was measured (`measure`), its value for whole models by name (`baseline`), and the nodes, most sensitive
    first; `front`: settings with their milliseconds, empty where no latency model gave them.
    """

    measure: str
    baseline: Mapping[str, float]
    nodes: tuple[SensitiveNode, ...]
    front: tuple[FrontPoint, ...] = ()


def is_sensitivity(value: object) -> bool:
    """Whether a JSON value is what `edgekit tune` measured."""
    return isinstance(value, dict) and {"measure", "baseline", "nodes"} <= value.keys()


def read_sensitivity(path: Path) -> Sensitivity:
    """Read the file; raises DataError, naming the field, where it is not as edgekit tune writes it."""
    value = read_json(path, max_bytes=MAX_BYTES)
    if not isinstance(value, dict) or not is_sensitivity(value):
        raise _damaged(path, "it", value, "an object with measure, baseline and nodes")
    baseline, nodes = value["baseline"], value["nodes"]
    if not isinstance(baseline, dict) or len(baseline) > MAX_TENSORS:
        raise _damaged(path, "baseline", baseline, "an object of numbers")
    if not isinstance(nodes, list) or len(nodes) > MAX_NODES:
        raise _damaged(path, "nodes", nodes, f"a list of at most {MAX_NODES} nodes")
    read = [_node(path, f"nodes[{i}]", node) for i, node in enumerate(nodes)]
    front = value.get("front", [])
    if not isinstance(front, list) or len(front) > MAX_TENSORS:
        raise _damaged(path, "front", front, f"a list of at most {MAX_TENSORS} settings")
    return Sensitivity(
        measure=_text(path, "measure", value["measure"]),
        baseline={
            _text(path, "baseline", name): _number(path, f"baseline.{name[:40]}", n) for name, n in baseline.items()
        },
        nodes=tuple(sorted(read, key=lambda node: (-node.loss_alone, node.node))),
        front=tuple(
            point for i, value in enumerate(front) if (point := _point(path, f"front[{i}]", value)) is not None
        ),
    )


def _point(path: Path, location: str, value: object) -> FrontPoint | None:
    """A setting; None for one without milliseconds."""
    if not isinstance(value, dict):
        raise _damaged(path, location, value, "an object")
    milliseconds = _number_or_none(path, f"{location}.milliseconds", value.get("milliseconds"))
    if milliseconds is None:
        return None
    return FrontPoint(
        what=_text(path, f"{location}.what", value.get("what")),
        loss=_number(path, f"{location}.loss", value.get("loss")),
        milliseconds=milliseconds,
        chosen=value.get("chosen") is True,
    )


def _node(path: Path, location: str, value: object) -> SensitiveNode:
    if not isinstance(value, dict):
        raise _damaged(path, location, value, "an object")
    tensors = value.get("tensors", [])
    if not isinstance(tensors, list) or len(tensors) > MAX_TENSORS:
        raise _damaged(path, f"{location}.tensors", tensors, "a list of names")
    return SensitiveNode(
        node=_text(path, f"{location}.node", value.get("node")),
        tensors=tuple(_text(path, f"{location}.tensors", name) for name in tensors),
        op=_text(path, f"{location}.op", value.get("op", "")),
        loss_alone=_number(path, f"{location}.loss_alone", value.get("loss_alone")),
        gain_int16=_number_or_none(path, f"{location}.gain_int16", value.get("gain_int16")),
        gain_float=_number_or_none(path, f"{location}.gain_float", value.get("gain_float")),
        extra_cost=_number_or_none(path, f"{location}.extra_cost", value.get("extra_cost")),
        chosen=_text(path, f"{location}.chosen", value.get("chosen", "")),
    )


def _text(path: Path, location: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _damaged(path, location, value, f"a text of at most {MAX_TEXT} letters")
    return value


def _number_or_none(path: Path, location: str, value: object) -> float | None:
    return None if value is None else _number(path, location, value)


def _number(path: Path, location: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _damaged(path, location, value, "a number")
    number = finite(value)
    if number is None:
        raise _damaged(path, location, value, "a finite number")
    return number


def _damaged(path: Path, location: str, value: Any, expected: str) -> DataError:
    received = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
    if value is None or isinstance(value, (str, float, bool)):
        received = f"{value!r:.40}"
    return DataError(
        f"{path} is damaged: {location[:120]} is {received}, expected {expected}",
        hint="run edgekit tune again: it writes it again",
    )
