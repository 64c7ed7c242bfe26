"""The latency model's word on a build: its frame beside the compiler's and the board's, and what would be faster."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import EdgekitError
from edgekit.graph.model_size import ModelSize
from edgekit.latency.advice import Saving, advise
from edgekit.latency.estimate import Estimate, estimate_layers
from edgekit.latency.integer_size import integer_size
from edgekit.latency.layer import graph_layers
from edgekit.latency.parameters import load_parameters
from edgekit.report.build import Build
from edgekit.sim.graph import load_graph

__all__ = ["Predicted", "predict"]

MAX_BYTES = 1 << 28  # of a quantized graph; yolov8x has 70 MB


@dataclass(frozen=True, slots=True)
class Predicted:
    """An estimate of the build's quantized graph, what would take milliseconds off it, and how large it is."""

    estimate: Estimate
    savings: tuple[Saving, ...]
    size: ModelSize


def predict(build: Build) -> Predicted | None:
    """Estimate a build by its quantized graph.

    Args:
        build: The build; its graph is read here.

    Returns:
        None where there is no graph, another march, or a graph that cannot be estimated.
    """
    parameters = load_parameters()
    path = build.quantized_onnx
    if path is None or build.march not in ("", parameters.march):
        return None
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        graph = load_graph(path)
        layers = graph_layers(graph)
        task = build.sidecar.spec.task if build.sidecar else ""
        estimate = estimate_layers(layers, parameters=parameters, task=task, location=str(path))
    except (EdgekitError, OSError):  # the report says what its other files say
        return None
    return Predicted(estimate, advise(layers, estimate, parameters), integer_size(graph))
