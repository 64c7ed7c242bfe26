"""The integer graph of a model file, and what lies beside it: march, task, kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ConfigError, ModelError
from edgekit.files import is_file
from edgekit.runtime.registry import quantized_beside
from edgekit.sim.container import is_sim_bin, read_sim_bin
from edgekit.sim.graph import Graph, load_graph
from edgekit.sim.graph_proto import parse_model
from edgekit.spec import load_spec, sidecar_path

__all__ = ["GraphSource", "read_source"]

COMPILE = "compile it first: edgekit compile YAML --toolchain sim needs seconds and no vendor toolchain"


@dataclass(frozen=True, slots=True)
class GraphSource:
    """A graph with what its files say: `march` and `task` are "" where nothing does."""

    graph: Graph
    march: str
    task: str


def read_source(path: Path) -> GraphSource:
    """Read a `*_quantized_model.onnx`, a simulated `.bin`, or a real `.bin` with its quantized graph beside it.

    Raises:
        ModelError: for what is no integer graph, or one without fixed shapes.
        ConfigError: for a real `.bin` that lies alone.
    """
    if not is_file(path):
        raise ModelError(f"{path} does not exist, expected a model", hint="check the path")
    march = task = ""
    sidecar = sidecar_path(path)
    if is_file(sidecar):
        spec = load_spec(sidecar)
        march, task = spec.march, spec.task
    if path.suffix == ".onnx":
        content: Path | bytes = path
    elif is_sim_bin(path):
        packed = read_sim_bin(path)
        content, march = packed.graph, packed.march
    else:
        content = _beside(path)
    _require_integers(content)
    return GraphSource(load_graph(content), march, task)


def _beside(path: Path) -> Path:
    quantized = quantized_beside(path)
    if quantized is None:
        raise ConfigError(
            f"{path} has no quantized graph beside it, expected *_quantized_model.onnx of the same build",
            hint="put it beside the .bin (the toolchain writes both), or give it instead",
        )
    return quantized


def _require_integers(content: Path | bytes) -> None:
    """Raise ModelError for a float graph: nothing of it would run on the BPU."""
    model, location = parse_model(content)
    if not any(node.domain == "horizon" for node in model.graph.node):
        raise ModelError(f"{location} holds no integer operator, expected a quantized graph", hint=COMPILE)
