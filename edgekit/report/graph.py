"""The edges between the nodes of a build: from its files where they hold them, else from the nodes' names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.logs.quant_info import QuantNode
from edgekit.logs.tables import TRUNCATED, NodeRow
from edgekit.report.build import Build

MAX_ONNX_BYTES = 1 << 30
MODULE = re.compile(r"/?model\.(\d+)(?:/|$)")
# The branches of a head, as Ultralytics names them (cv2 box, cv3 class, cv4 extra; YOLOv5: m.0/Conv).
BRANCH = re.compile(r"/?model\.\d+/((?:one2one_)?cv\d+\.\d+|(?:one2one_)?proto|m\.\d+(?=/Conv))(?:/|$)")
SAME_COSINE = 5e-6  # an output's cosine and its last node's, both printed with six digits
SAME_THRESHOLD = 1e-5  # relative: two consumers of one tensor share its threshold


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node with its cosine (None where none is known) and the nodes that feed it."""

    name: str
    cosine: float | None
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildGraph:
    """Nodes in topological order, the node behind each output, and where the edges come from, in words."""

    nodes: Mapping[str, GraphNode]
    outputs: Mapping[str, str]
    source: str


def build_graph(build: Build) -> BuildGraph | None:
    """The graph of a build, by the best source: quant_info, the quantized ONNX, the node names; None without nodes."""
    rows = build.compile_log.nodes if build.compile_log else ()
    graph = _from_quant_info(build.quant_nodes) if build.quant_nodes else None
    if graph is None and build.quantized_onnx is not None and rows:
        graph = _from_onnx(build.quantized_onnx, rows)
    if graph is None and rows:
        graph = _from_names(rows)
    return BuildGraph(graph.nodes, _output_names(graph, build), graph.source) if graph else None


def block_of(name: str) -> str:
    """The part of the network that a node belongs to, as people name it: `model.8`, `model.22/cv2.0`, `proto`."""
    if match := BRANCH.match(name):
        return f"{name.lstrip('/').split('/')[0]}/{match[1]}"
    if match := MODULE.match(name):
        return f"model.{match[1]}"
    return name.lstrip("/").split("/")[0]


def _from_quant_info(nodes: Sequence[QuantNode]) -> BuildGraph:
    producer = {tensor: node.name for node in nodes for tensor in node.outputs}
    consumed = {tensor for node in nodes for tensor in node.inputs}
    return BuildGraph(
        nodes={node.name: GraphNode(node.name, node.cosine, _producers(node.inputs, producer)) for node in nodes},
        outputs={t: node.name for node in nodes for t in node.outputs if t not in consumed},
        source="quant_info.json",
    )


def _from_onnx(path: Path, rows: Sequence[NodeRow]) -> BuildGraph | None:
    import onnx

    try:
        if path.stat().st_size > MAX_ONNX_BYTES:
            return None
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # onnx and protobuf raise many kinds; the edges are then taken from the names
        return None
    cosines = _cosines_by_name(rows, [node.name for node in model.graph.node])
    producer = {tensor: node.name for node in model.graph.node for tensor in node.output}
    return BuildGraph(
        nodes={
            node.name: GraphNode(node.name, cosines.get(node.name), _producers(tuple(node.input), producer))
            for node in model.graph.node
        },
        outputs={value.name: producer[value.name] for value in model.graph.output if value.name in producer},
        source="the quantized ONNX",
    )


def _cosines_by_name(rows: Sequence[NodeRow], names: Sequence[str]) -> dict[str, float]:
    """Cosines of the table by full node names; a truncated name counts where exactly one node ends like it."""
    by_node = {row.name: row.cosine for row in rows if row.cosine is not None and not row.truncated}
    for row in rows:
        if row.truncated and row.cosine is not None:
            matches = [name for name in names if name.endswith(row.name.removeprefix(TRUNCATED))]
            if len(matches) == 1:
                by_node[matches[0]] = row.cosine
    return by_node


def _producers(tensors: Sequence[str], producer: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(producer[t] for t in tensors if t in producer))


def _from_names(rows: Sequence[NodeRow]) -> BuildGraph:
    """Guessed edges: nodes of a block follow one another, block N follows N-1, and a head branch hangs where
    the trunk node hangs that has the same input threshold (consumers of one tensor share it).
    """
    named = [row for row in rows if row.cosine is not None and not row.truncated]
    if not any(MODULE.match(row.name) for row in named):
        return _in_order(named)
    head = max(int(match[1]) for row in named if (match := MODULE.match(row.name)))
    nodes: dict[str, GraphNode] = {}
    last: dict[str, str] = {}
    entry: list[tuple[float, str]] = []  # input threshold of a trunk block's first node, what feeds that node
    previous = ""
    for row in named:
        block = block_of(row.name)
        match = MODULE.match(row.name)
        if block in last:
            feeder = last[block]
        elif match and int(match[1]) == head and "/" in block:
            feeder = _twin(row, entry) or _trunk_end(last, head)
        else:
            feeder = last.get(f"model.{int(match[1]) - 1}", previous) if match else previous
            if row.threshold is not None:
                entry.append((row.threshold, feeder))
        nodes[row.name] = GraphNode(row.name, row.cosine, (feeder,) if feeder else ())
        last[block] = previous = row.name
    fed = {name for node in nodes.values() for name in node.inputs}
    ends = {name: name for block, name in last.items() if f"model.{head}" in block and name not in fed}
    return BuildGraph(nodes, ends or {previous: previous}, "node names and equal input thresholds (a guess)")


def _output_names(graph: BuildGraph, build: Build) -> dict[str, str]:
    """The graph's ends under the outputs' own names: as they are, else by the runtime graph's Dequantize nodes,
    else by equal cosines.
    """
    named_rows = {row.name for row in (build.log.output_rows if build.log else ())}
    if graph.outputs.keys() == named_rows:
        return dict(graph.outputs)
    declared = declared_outputs(build)
    if declared and all(node in graph.nodes for node in declared.values()):
        return declared
    named: dict[str, str] = {}
    rows = build.log.output_rows if build.log else ()
    for row in rows:
        if row.cosine is None:
            continue
        alike = [
            end
            for end in graph.outputs.values()
            if end not in named.values() and abs((graph.nodes[end].cosine or 0) - row.cosine) <= SAME_COSINE
        ]
        if len(alike) == 1:
            named[row.name] = alike[0]
    return named if rows and len(named) == len(rows) else dict(graph.outputs)


def declared_outputs(build: Build) -> dict[str, str]:
    """Output name: node behind it, as a .bin or hb_model_modifier lists them."""
    pairs: list[tuple[str, str]] = []
    model = build.plain_bin or build.bin
    if model:
        pairs = [(output.name, output.integer_name) for output in model.outputs]
    elif build.modifier:
        nodes = [node for node in build.modifier.nodes if node.op_type == "Dequantize" and node.inputs]
        pairs = [(node.outputs[0], node.inputs[0]) for node in nodes]
    return {name: integer.removesuffix("_quantized").removesuffix("_output_0") for name, integer in pairs if integer}


def _in_order(rows: Sequence[NodeRow]) -> BuildGraph:
    nodes = {row.name: GraphNode(row.name, row.cosine, (rows[i - 1].name,) if i else ()) for i, row in enumerate(rows)}
    end = rows[-1].name if rows else ""
    return BuildGraph(nodes, {end: end} if end else {}, "the order of the node table (a guess)")


def _twin(row: NodeRow, entry: Sequence[tuple[float, str]]) -> str:
    if row.threshold is None:
        return ""
    near = [name for threshold, name in entry if abs(threshold - row.threshold) <= SAME_THRESHOLD * threshold]
    return near[-1] if near and Counter(near)[near[-1]] == len(near) else ""


def _trunk_end(last: Mapping[str, str], head: int) -> str:
    trunk = [
        (int(match[1]), name)
        for block, name in last.items()
        if "/" not in block and (match := MODULE.match(block)) and int(match[1]) < head
    ]
    return max(trunk)[1] if trunk else ""
