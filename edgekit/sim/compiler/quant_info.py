"""What a build tells about its nodes: rows for the log's tables and the quant_info JSON in the vendor's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from edgekit.bpu import INT_MAX
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.sim.compiler.log import LoggedNode, LoggedOutput
from edgekit.sim.compiler.measure import Distance
from edgekit.sim.compiler.quantize import QuantizedGraph
from edgekit.sim.compiler.scales import ScalePlan

CPU_OPS = ("Softmax", "HzQuantize", "HzDequantize")
# As in the vendor's table, which leaves out how featuremaps become integers, too; outputs have one of their own.
HIDDEN_OPS = ("HzDequantize", "Transpose")
INT8_NODES = ("HzSQuantizedPreprocess", "HzQuantizedResizeUpsample", "HzSQuantizedConvTranspose")
VENDOR_TYPES = {"Table": "Hz{}", "Scale": "Mul", "Flatten": "Reshape"}


def node_rows(
    quantized: QuantizedGraph, plan: ScalePlan, scales: Mapping[str, float], distances: Mapping[str, Distance]
) -> list[LoggedNode]:
    """A row per node of the integer graph; cosines where the node's output stands for a float tensor."""
    widths = {8: "int8", 16: "int16"}
    rows = []
    fed = {value.name for value in quantized.model.graph.input}
    for node in quantized.model.graph.node:
        of_input = node.op_type == "HzQuantize" and node.input[0] in fed
        if node.op_type in HIDDEN_OPS or of_input:
            continue
        source = quantized.reads.get(node.name, "")
        distance = distances.get(node.output[0])
        known = distance is not None and node.op_type != "HzRequantize"
        rows.append(
            LoggedNode(
                name=node.name,
                on="CPU" if node.op_type in CPU_OPS else "BPU",
                type=node.op_type,
                cosine=distance.cosine if known and distance else None,
                threshold=_read_at(node, source, plan, scales) if known else None,
                dtype="float32" if node.op_type == "Softmax" else widths[_bits_read(node, source, plan)],
            )
        )
    return rows


def _bits_read(node: onnx.NodeProto, source: str, plan: ScalePlan) -> int:
    """The width of what a node reads, as in the vendor's table; pixels are int8."""
    return 8 if node.op_type in INT8_NODES else plan.bits.get(source, 8)


def _read_at(node: onnx.NodeProto, source: str, plan: ScalePlan, scales: Mapping[str, float]) -> float | None:
    """The threshold of what a node reads; pixels minus 128 count as they are."""
    return float(INT_MAX[8]) if node.op_type == "HzSQuantizedPreprocess" else _threshold(source, plan, scales)


def output_rows(graph: FloatGraph, distances: Mapping[str, Distance]) -> list[LoggedOutput]:
    """A row per graph output."""
    return [
        LoggedOutput(name, distances[name].cosine, distances[name].l1, distances[name].l2, distances[name].largest)
        for name in graph.outputs
    ]


def quant_info(
    graph: FloatGraph,
    quantized: QuantizedGraph,
    plan: ScalePlan,
    scales: Mapping[str, float],
    distances: Mapping[str, Distance],
) -> dict[str, Any]:
    """Per float node: type, tensors, a threshold list per input (empty for constants) and the cosine."""
    by_float = {
        mapping.float_name: distances[name].cosine for name, mapping in quantized.mappings.items() if name in distances
    }
    nodes = {node.name: _node_info(node, graph, plan, scales, by_float) for node in graph.nodes}
    made = [n for n in quantized.model.graph.node if n.op_type == "HzSQuantizedPreprocess"]
    inputs = {node.name: _input_info(quantized.mappings[node.output[0]].float_name, by_float) for node in made}
    return {**inputs, **nodes}


def _input_info(name: str, by_float: Mapping[str, float]) -> dict[str, Any]:
    info = {
        "type": "HzPreprocess",
        "inputs": [f"{name}_calibrated"],
        "outputs": [name],
        "thresholds": [[float(INT_MAX[8])]],
    }
    return _with_cosine(info, by_float.get(name))


def _node_info(
    node: FloatNode, graph: FloatGraph, plan: ScalePlan, scales: Mapping[str, float], by_float: Mapping[str, float]
) -> dict[str, Any]:
    kind = VENDOR_TYPES.get(node.op, node.op).format(str(node.attrs.get("function", "")).title().replace("_", ""))
    known = {name: _threshold(name, plan, scales) for name in node.inputs if name}
    info = {
        "type": kind,
        "inputs": [name if value is None else f"{name}_calibrated" for name, value in known.items()],
        "outputs": list(node.outputs),
        "thresholds": [[] if value is None else [round(value, 6)] for value in known.values()],
    }
    return _with_cosine(info, by_float.get(node.output))


def _with_cosine(info: dict[str, Any], cosine: float | None) -> dict[str, Any]:
    return info if cosine is None else {**info, "cosine_similarity": f"{cosine:.6f}"}


def _threshold(tensor: str, plan: ScalePlan, scales: Mapping[str, float]) -> float | None:
    """The float value of a tensor's largest integer."""
    return scales[tensor] * INT_MAX[plan.bits[tensor]] if tensor in scales else None
