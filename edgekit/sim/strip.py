"""Stripping a simulated `.bin`: the same plan as for a real one, written into its header; no toolchain is needed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.compilation.strip_plan import STRIPPED_ROLES, StripPlan, plan_strip
from edgekit.errors import ModelError, OutputError
from edgekit.sim.container import SimBin, read_sim_bin, write_sim_bin
from edgekit.sim.device import open_sim_device
from edgekit.sim.graph import load_graph
from edgekit.spec import HEAD_DTYPES, HeadSpec, ModelSpec, file_ref, save_spec, sidecar_path
from edgekit.text import check_choice


@dataclass(frozen=True, slots=True)
class SimNode:
    """A node in front of an output of the integer graph, in the words of the real node list."""

    name: str
    op_type: str
    outputs: tuple[str, ...]


def plan_for_sim_bin(model: Path, spec: ModelSpec | None, *, roles: Collection[str] = STRIPPED_ROLES) -> StripPlan:
    """What would be removed from the simulated `model`; raises ModelError where nothing is left."""
    container = read_sim_bin(model)
    plan = plan_strip(_nodes(container), spec, roles=roles)
    if not plan.removed:
        raise ModelError(
            f"{model} has no Dequantize node behind a head of role {', '.join(sorted(roles))}; "
            f"{len(container.removed)} were removed before",
            hint="run it as it is; --also class,proto removes further ones",
        )
    return plan


def strip_sim_bin(
    model: Path, spec: ModelSpec | None, output: Path, *, roles: Collection[str] = STRIPPED_ROLES
) -> tuple[StripPlan, Path | None]:
    """Write `output` without the nodes that `plan_for_sim_bin` chooses; returns the plan and the new sidecar."""
    if output.resolve() == model.resolve():
        raise OutputError(f"{output} is the model itself", hint="choose another name with -o")
    plan = plan_for_sim_bin(model, spec, roles=roles)
    container = read_sim_bin(model)
    write_sim_bin(
        output,
        container.graph,
        march=container.march,
        removed=(*container.removed, *plan.removed),
        input_kind=container.input_kind,
        input_kinds=container.input_kinds,
        batch=container.batch,
        tools=container.tools,
    )
    return plan, None if spec is None else _write_sidecar(output, spec)


def _nodes(container: SimBin) -> list[SimNode]:
    """Every node that writes an output, those that were removed left out."""
    graph = load_graph(container.graph)
    nodes = []
    for name in graph.outputs:
        node = graph.producers[name]
        if node.op_type == "HzDequantize" and node.name not in container.removed:
            nodes.append(SimNode(node.name, "Dequantize", (name,)))
        else:
            nodes.append(SimNode(node.name, "BPU", (name,)))
    return nodes


def _write_sidecar(output: Path, spec: ModelSpec) -> Path:
    """`spec` with every output as the simulated device itself gives it."""
    device = open_sim_device(output)
    tensors = {tensor.name: tensor for tensor in device.outputs}
    device.close()

    def as_built(head: HeadSpec) -> HeadSpec:
        tensor = tensors[head.name]
        dtype = check_choice(tensor.dtype, HEAD_DTYPES, f"the dtype of output {head.name!r}", error=ModelError)
        return replace(head, dtype=dtype, scale=() if dtype == "float32" else tensor.scale, axis=tensor.axis)

    heads = tuple(map(as_built, spec.outputs))
    files = {**spec.files, "model": file_ref(output)}
    save_spec(sidecar_path(output), replace(spec, stage="bin", outputs=heads, files=files))
    return sidecar_path(output)
