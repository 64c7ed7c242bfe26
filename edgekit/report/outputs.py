"""The outputs of a build, each with its role, shape, cosine and whether the board's CPU dequantizes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from edgekit.report.build import Build
from edgekit.report.cosine_trace import Flow
from edgekit.report.graph import BuildGraph, block_of, declared_outputs

# Head branches by the names that Ultralytics gives them; cv4 holds what the task adds to boxes and classes.
ROLES = (
    (re.compile(r"(?:one2one_)?cv2\.\d+"), "box"),
    (re.compile(r"(?:one2one_)?cv3\.\d+"), "class"),
    (re.compile(r"(?:one2one_)?cv4\.\d+"), "extra"),
    (re.compile(r"(?:one2one_)?proto"), "proto"),
)
MASK_CHANNELS = 32
FLOAT_BYTES = 4
INTEGER_BYTES = {"proto": 2}  # int16; all other heads are int32 accumulators
MAX_STEPS_BACK = 3  # from an output over Transpose and Dequantize to the convolution that bears its name


@dataclass(frozen=True, slots=True)
class Output:
    """One output; unknown facts are "" or None, `cosine_from` says whose cosine it is (`table` or `last node`)."""

    name: str
    node: str
    role: str
    stride: int | None
    shape: tuple[int, ...]
    dtype: str
    cosine: float | None
    cosine_from: str
    l1: float | None
    l2: float | None
    chebyshev: float | None
    dequantized_on_cpu: bool | None

    @property
    def label(self) -> str:
        """The name with its role, as people read it: `475 (box)`; a node's name shrinks to its block."""
        name = block_of(self.name) if "/" in self.name else self.name
        return f"{name} ({self.role})" if self.role not in ("", name) else name


def list_outputs(build: Build, graph: BuildGraph | None, flow: Flow | None) -> tuple[Output, ...]:
    """Every output that any file of the build names, in the model's own order."""
    nodes = dict(graph.outputs) if graph else declared_outputs(build)
    rows = {row.name: row for row in (build.log.output_rows if build.log else ())}
    ends = {route.output: route.cosine for route in (flow.routes if flow else ())}
    shapes = _shapes(build)
    dequantized = _dequantized(build)
    heads = build.sidecar.spec.outputs if build.sidecar else ()
    roles, strides = {h.name: h.role for h in heads}, {h.name: h.stride for h in heads}
    outputs = []
    for name in _names(build, rows, shapes, nodes):
        row, shape = rows.get(name), shapes.get(name, ("", ()))
        cosine = row.cosine if row else ends.get(name)
        node = _head_node(graph, nodes.get(name, ""))
        outputs.append(
            Output(
                name=name,
                node=node,
                role=roles.get(name) or _role(node, shape[1]),
                stride=strides.get(name) or _stride(build, shape[1]),
                shape=shape[1],
                dtype=shape[0],
                cosine=cosine,
                cosine_from="" if cosine is None else ("table" if row else "last node"),
                l1=row.l1 if row else None,
                l2=row.l2 if row else None,
                chebyshev=row.chebyshev if row else None,
                dequantized_on_cpu=dequantized.get(name),
            )
        )
    return tuple(outputs)


def dequantized_bytes(outputs: tuple[Output, ...]) -> int:
    """Bytes per frame that the CPU's Dequantize nodes read and write: integers in, float32 out."""
    return sum(
        prod(o.shape) * (FLOAT_BYTES + INTEGER_BYTES.get(o.role, 4))
        for o in outputs
        if o.dequantized_on_cpu and o.shape
    )


def _names(
    build: Build,
    rows: Mapping[str, object],
    shapes: Mapping[str, object],
    nodes: Mapping[str, str],
) -> list[str]:
    """The table's order where there is one; the guessed ends of a graph only where no shape bears their names."""
    if rows:
        return list(rows)
    named_by_graph = [name for name in nodes if name in shapes]
    if shapes and (named_by_graph or not nodes):
        return list(shapes)
    return list(nodes)


def _shapes(build: Build) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name: (dtype, shape) by the .bin, else by the board, else by the float graph."""
    if build.bin:
        return {o.name: (o.dtype, o.shape) for o in build.bin.outputs}
    if build.board and build.board.outputs:
        return {o.name: (o.kind.lower(), o.shape) for o in build.board.outputs}
    if build.sidecar:
        return {o.name: (o.dtype, o.shape) for o in build.sidecar.spec.outputs}
    log = build.compile_log
    return {o.name: (o.dtype, o.shape) for o in log.outputs} if log else {}


def _dequantized(build: Build) -> dict[str, bool]:
    if build.bin:
        return {o.name: bool(o.dequantized_by) for o in build.bin.outputs}
    if build.board and build.board.outputs:
        return {o.name: o.kind in ("F32", "F16") for o in build.board.outputs}
    if build.sidecar and build.sidecar.spec.stage == "bin":
        return {o.name: o.dtype == "float32" for o in build.sidecar.spec.outputs}
    return {}


def _head_node(graph: BuildGraph | None, last: str) -> str:
    """The node that bears the head's name: `last` itself, or what it transposes or dequantizes."""
    node = last
    for _ in range(MAX_STEPS_BACK):
        if graph is None or _role(node, ()) or node not in graph.nodes or len(graph.nodes[node].inputs) != 1:
            break
        node = graph.nodes[node].inputs[0]
    return node if _role(node, ()) else last


def _role(node: str, shape: tuple[int, ...]) -> str:
    role = next((role for pattern, role in ROLES if any(map(pattern.fullmatch, node.split("/")))), "")
    if role == "extra" and shape and shape[-1] == MASK_CHANNELS:
        return "mask"
    return role


def _stride(build: Build, shape: tuple[int, ...]) -> int | None:
    """Input height over the output's, for NHWC outputs whose height divides it."""
    log = build.compile_log
    sides = [t.shape[2] for t in log.inputs if len(t.shape) == 4] if log else []
    if not sides and build.bin:
        sides = [i.shape[1] for i in build.bin.inputs if len(i.shape) == 4]
    if len(shape) != 4 or not sides or shape[1] < 2 or sides[0] % shape[1]:
        return None
    return sides[0] // shape[1]
