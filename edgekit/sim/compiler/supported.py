"""Whether the simulated compiler knows every node of a cut model: asked at the cut, not only when it compiles.

The list of what it knows is its own registry: the forms that the graph's passes bring nodes to (`graph.pipeline`) and
the operations that have an emitter (`quantize.EMITTERS`). The vendor's compiler is another one: it puts what its BPU
lacks on the board's CPU. So what is missing here is a warning at the cut, and an error where this compiler is to build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.calibration.samples import Normalisation
from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatGraph, read_float_graph
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.emit.preprocess import ArrayInput, BoardInput, ImageInput
from edgekit.sim.compiler.quantize import EMITTERS, quantize
from edgekit.sim.compiler.scales import plan_scales
from edgekit.spec import InputSpec, ModelSpec

__all__ = ["Unknown", "support_warning", "unknown_nodes"]

SHOWN = 3  # operators, and nodes of each, that a warning names
CHANNELS = {"gray": 1}  # of a kind of image; 3 of the others


@dataclass(frozen=True, slots=True)
class Unknown:
    """What the simulated compiler does not know.

    Attributes:
        nodes: Operator -> names of the nodes, in running order; empty if it is one node's attributes or shapes.
        reason: What that node does that it does not know, as the compiler says it; empty if `nodes` has it.
    """

    nodes: Mapping[str, tuple[str, ...]]
    reason: str = ""


def unknown_nodes(model: Path, spec: ModelSpec) -> Unknown | None:
    """Try the simulated compiler on a cut model, without data.

    Args:
        model: The cut ONNX.
        spec: Its sidecar.

    Returns:
        What it does not know; None if it would compile the model.

    Raises:
        ModelError: The file is no ONNX with inputs.
    """
    graph = read_float_graph(model)
    try:
        simple = simplify(graph)
    except ModelError as error:
        return Unknown({}, error.message)
    if unknown := _without_emitter(simple):
        return Unknown(unknown)
    try:
        plan = plan_scales(simple)
        inputs = [_board_input(item, spec) for item in spec.inputs]
        quantize(simple, plan, dict.fromkeys(plan.source, 1.0), *inputs)
    except ModelError as error:
        return Unknown({}, error.message)
    return None


def support_warning(model: Path, spec: ModelSpec) -> str:
    """Return what to say of a cut model that the simulated compiler cannot build; empty if it can."""
    unknown = unknown_nodes(model, spec)
    if unknown is None:
        return ""
    reason = unknown.reason.removesuffix(", expected an operation that the simulated compiler can quantize")
    what = f"does not know {_listed(unknown.nodes)}" if unknown.nodes else f"cannot build it: {reason}"
    return (
        f"the simulated compiler {what}; edgekit compile --toolchain sim would refuse the model. The vendor's "
        "(--toolchain hb_mapper) is another one, and puts what its BPU lacks on the board's CPU"
    )


def _without_emitter(graph: FloatGraph) -> dict[str, tuple[str, ...]]:
    """Nodes by operator that no emitter takes."""
    nodes: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.op not in EMITTERS:
            nodes.setdefault(node.op, []).append(node.name)
    return {op: tuple(names) for op, names in nodes.items()}


def _board_input(item: InputSpec, spec: ModelSpec) -> BoardInput:
    """An input of the board that is as the float model's: what it feeds has no part in what is known."""
    if not item.is_image:
        return ArrayInput(item.name)
    channels = CHANNELS.get(item.kind, 3)
    mean, scale = (_per_channel(values, channels) for values in (spec.preprocess.mean, spec.preprocess.scale))
    return ImageInput(item.name, item.kind, item.kind, "NCHW", "regular", Normalisation(mean, scale))


def _per_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) if len(values) == channels else tuple(values[:1]) * channels


def _listed(nodes: Mapping[str, tuple[str, ...]]) -> str:
    parts = []
    for op, names in list(nodes.items())[:SHOWN]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        parts.append(f"{op} ({names[0]}{more})")
    if len(nodes) > SHOWN:
        parts.append(f"{len(nodes) - SHOWN} other operators")
    return ", ".join(parts)
