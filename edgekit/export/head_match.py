"""What each way of finding heads hands to the cut: where they are, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from edgekit.export.prepare import INPUT_KINDS
from edgekit.graph.onnx_graph import GraphIndex, declared_shape, graph_inputs
from edgekit.spec import InputSpec, ModelSpec
from edgekit.version import __version__

Outputs = dict[str, tuple[str, tuple[int, ...]]]  # new name -> (tensor, its shape (1, c, h, w))


@dataclass(frozen=True, slots=True)
class HeadMatch:
    """`source` is the graph in which `outputs` names tensors; `dropped` says what is left behind, in a few words."""

    source: onnx.ModelProto
    spec: ModelSpec
    outputs: Outputs
    dropped: tuple[str, ...] = ()


def float_input(index: GraphIndex) -> InputSpec:
    """The input of a float graph: RGB or grey by its channels, NCHW."""
    value = graph_inputs(index.model)[0]
    return InputSpec(value.name, INPUT_KINDS[declared_shape(value)[1]], "NCHW")


def tool_versions() -> dict[str, str]:
    """What a cut was made with, for the sidecar."""
    return {"edgekit": __version__, "onnx": onnx.__version__}
