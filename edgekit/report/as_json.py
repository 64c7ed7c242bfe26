"""A report as JSON, for other tools. The shape is `edgekit.report/1`, described in schema.json beside this file.

Within a version fields are only added. Unknown numbers are null, unknown texts "", missing parts null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from edgekit.logs.failures import Failure
from edgekit.logs.mapper_log import GraphTensor
from edgekit.logs.sensitivity import Sensitivity
from edgekit.records import envelope
from edgekit.report.build import Build
from edgekit.report.cosine_trace import Flow
from edgekit.report.graph import block_of
from edgekit.report.report import Facts, Report

WORST_NODES = 10


def report_json(report: Report) -> dict[str, Any]:
    """One report; numbers are floats as read, shapes lists, times seconds, milliseconds or microseconds by name."""
    facts = report.facts
    build = facts.build
    return {
        **envelope("report"),
        "build": _build(build),
        "verdict": asdict(report.verdict),
        "model": _model(facts),
        "calibration": asdict(facts.log.calibration) if facts.log else None,
        "config": _plain(facts.log.config) if facts.log and facts.log.config else None,
        "settings": _plain(facts.log.settings) if facts.log else {},
        "outputs": [asdict(output) | {"shape": list(output.shape)} for output in facts.outputs],
        "nodes": _nodes(facts),
        "worst_nodes": [row.name for row in facts.worst_nodes[:WORST_NODES]],
        "int16_nodes": [row.name for row in facts.int16_nodes],
        "flow": _flow(facts.flow),
        "cpu": _cpu(facts),
        "performance": _performance(facts),
        "bin": _bin(build),
        "sensitivity": _sensitivity(build.sensitivity),
        "stages": [asdict(stage) for stage in facts.log.stages] if facts.log else [],
        "warnings": list(facts.log.warnings) if facts.log else [],
    }


def reports_json(reports: Sequence[Report], left_aside: Sequence[tuple[object, str]] = ()) -> dict[str, Any]:
    """Several reports, in the order given, with the files that belong to none of them."""
    return {
        **envelope("reports"),
        "builds": [report_json(report) for report in reports],
        "left_aside": [{"path": str(path), "why": why} for path, why in left_aside],
    }


def _build(build: Build) -> dict[str, Any]:
    log = build.compile_log
    return {
        "name": build.name,
        "tool": log.tool if log else "",
        "simulated": build.simulated,
        "generation": log.generation if log else "",
        "march": build.march,
        "versions": dict(build.versions),
        "board_versions": dict(build.board.versions) if build.board else {},
        "started_at": log.started_at if log else "",
        "seconds": log.seconds if log else None,
        "finished": log.finished if log else None,
        "runs_in_log": log.runs if log else 0,
        "failure": _failure(log.failure if log else None),
        "sources": [{"path": str(file.path), "kind": file.kind} for file in build.sources],
        "deleted_nodes": list(build.deleted_nodes),
    }


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    return asdict(failure) if failure else None


def _model(facts: Facts) -> dict[str, Any]:
    log = facts.build.compile_log
    return {
        "onnx": log.onnx_model if log else "",
        "prefix": log.prefix if log else "",
        "opset": log.opset if log else "",
        "producer": log.producer if log else "",
        "input_type": facts.build.setting("input_parameters", "input_type_rt"),
        "inputs": [_tensor(tensor) for tensor in log.inputs] if log else [],
        "outputs": [_tensor(tensor) for tensor in log.outputs] if log else [],
        "size": facts.predicted.size.to_dict() if facts.predicted else None,
    }


def _tensor(tensor: GraphTensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype}


def _nodes(facts: Facts) -> list[dict[str, Any]]:
    drops = facts.flow.drops if facts.flow else {}
    return [
        asdict(row)
        | {"block": block_of(row.name), "drop": round(drops[row.name].drop, 6) if row.name in drops else None}
        for row in facts.nodes
    ]


def _flow(flow: Flow | None) -> dict[str, Any] | None:
    if flow is None:
        return None
    return {
        "edges_from": flow.source,
        "first_fall": _fall(flow.first),
        "greatest_fall": _fall(max(flow.drops.values(), key=lambda fall: fall.drop, default=None)),
        "routes": [
            {
                "output": route.output,
                "node": route.node,
                "cosine": route.cosine,
                "deepest_node": route.deepest,
                "deepest_cosine": route.deepest_cosine,
                "greatest_fall": _fall(route.fall),
                "blocks": list(route.blocks),
            }
            for route in flow.routes
        ],
    }


def _fall(fall: Any) -> dict[str, Any] | None:
    return asdict(fall) | {"drop": round(fall.drop, 6)} if fall else None


def _cpu(facts: Facts) -> dict[str, Any]:
    cpu = facts.cpu
    return {
        "nodes": [row.name for row in cpu.nodes],
        "between_bpu_nodes": [row.name for row in cpu.inner],
        "crossings": cpu.crossings,
        "bpu_subgraphs": cpu.subgraphs,
        "dequantize_nodes": cpu.dequantize,
        "dequantize_bytes_per_frame": cpu.dequantize_bytes,
        "measured_ms_beyond_bpu": cpu.beyond_bpu_ms,
    }


def _performance(facts: Facts) -> dict[str, Any]:
    build = facts.build
    static = build.static
    return {
        "estimate": asdict(build.estimate) if build.estimate else None,
        "checker_estimate": asdict(build.checker.estimates[0]) if build.checker and build.checker.estimates else None,
        "static": {
            "ops_per_frame": static.ops,
            "loaded_bytes": static.loaded_bytes,
            "stored_bytes": static.stored_bytes,
            "interval_ms": static.interval_ms,
            "utilization": list(static.utilization),
            "load_mb_s": list(static.load_mb_s),
            "store_mb_s": list(static.store_mb_s),
            "layers": [asdict(layer) for layer in static.layers],
        }
        if static
        else None,
        "predicted": _predicted(facts),
        "measured": [asdict(run) for run in build.perf],
    }


def _predicted(facts: Facts) -> dict[str, Any] | None:
    """The latency model's static estimate, and what would take milliseconds off it."""
    if facts.predicted is None:
        return None
    estimate = facts.predicted.estimate
    return {
        "fps": estimate.fps,
        "latency_us": estimate.frame_us,
        "error_band": estimate.band,
        "ddr_bytes": estimate.ddr_bytes,
        "notes": list(estimate.notes),
        "savings": [asdict(saving) for saving in facts.predicted.savings],
    }


def _bin(build: Build) -> dict[str, Any] | None:
    info = build.bin
    if info is None:
        return None
    return {
        "path": str(info.path),
        "bytes": info.file_bytes,
        "name": info.name,
        "march": info.march,
        "versions": dict(info.versions),
        "inputs": [asdict(item) | {"shape": list(item.shape)} for item in info.inputs],
        "outputs": [asdict(item) | {"shape": list(item.shape), "scales": list(item.scales)} for item in info.outputs],
        "dequantize_nodes": list(info.dequantize_nodes),
        "deleted_nodes": list(info.deleted_nodes),
        "metadata": dict(info.metadata),
    }


def _sensitivity(result: Sensitivity | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "measure": result.measure,
        "baseline": dict(result.baseline),
        "nodes": [asdict(node) | {"tensors": list(node.tensors)} for node in result.nodes],
    }


def _plain(value: object) -> Any:
    """YAML values as JSON ones: dates and the like become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
