"""Stock exports: the branch to keep, its heads as outputs, and the proof that they are read rightly."""

from __future__ import annotations

from dataclasses import replace

from edgekit.decode.families import formulas
from edgekit.errors import ModelError
from edgekit.export.equivalence import heads_of, prove_decoder
from edgekit.export.final_rows import prove_final_rows
from edgekit.export.head_analysis import Reading, read_branch
from edgekit.export.head_location import Branch, find_branches, proto_output
from edgekit.export.head_match import HeadMatch, Outputs, float_input, tool_versions
from edgekit.export.head_roles import HeadRole, open_tail
from edgekit.export.metadata import Metadata
from edgekit.graph.onnx_graph import GraphIndex, extract, tensor_shapes
from edgekit.spec import HeadSpec, ModelSpec, Preprocess, Role


def cut_stock(index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int], *, branch: str = "") -> HeadMatch:
    """The heads of a stock export: found by structure, read by experiment, their decoding proven.

    branch: as in `choose_branch`. Raises ModelError where any of the three fails.
    """
    proto = proto_output(index)
    chosen, dropped = choose_branch(find_branches(index, size_wh), branch)
    tail = open_tail(index.model, chosen)
    reading = read_branch(tail, metadata, has_proto=bool(proto))
    outputs: Outputs = {_output_name(r): (r.map.tensor, r.map.shape) for r in _sorted_roles(reading)}
    if proto:
        outputs["proto"] = (proto, tensor_shapes(index.model, [proto], (1, 3, size_wh[1], size_wh[0]))[proto])
    spec = _stock_spec(index, reading, outputs, size_wh)
    proof = prove_decoder(tail, reading, spec)
    spec = replace(spec, end_to_end=_is_one_to_one(chosen) or (proof.corners and not chosen.suppresses))
    spec = prove_final_rows(index, tail, lambda maps: heads_of(maps, reading, spec), reading, spec)
    behind = len(index.model.graph.node) - len(extract(index.model, {}, [t for t, _ in outputs.values()]).graph.node)
    selection = ("selection of the best rows, " if spec.end_to_end else "NMS, ") if chosen.selection else ""
    dropped_parts = (*dropped, f"{behind} nodes of decoding ({selection}{_decoding(reading)})")
    return HeadMatch(index.model, spec, outputs, dropped_parts)


def choose_branch(branches: tuple[Branch, ...], requested: str) -> tuple[Branch, tuple[str, ...]]:
    """The branch to keep, and what to say of the other.

    One-to-many by default: its neighbours overlap and NMS picks among them, so that rounding to 8 bits moves a
    score without consequence; a one-to-one head must rank a single cell above its neighbours by a small margin.
    """
    by_kind = {("one2one" if _is_one_to_one(b) else "one2many"): b for b in branches}
    if requested and requested not in by_kind:
        raise ModelError(
            f"the graph has no {requested} branch, only {', '.join(by_kind)}",
            hint="leave --branch out to keep what is there",
        )
    kind = requested or ("one2many" if "one2many" in by_kind else "one2one")
    others = [dropped_kind for dropped_kind in by_kind if dropped_kind != kind]
    if len(by_kind) < len(branches):
        raise ModelError(
            f"the graph has {len(branches)} heads that cannot be told apart, expected one-to-many and one-to-one",
            hint="export with one head, or name the tensors: edgekit cut --outputs box_8=NAME,...",
        )
    return by_kind[kind], tuple(f"the {dropped_kind} branch" for dropped_kind in others)


def _is_one_to_one(branch: Branch) -> bool:
    """Named so, or cut down to its best rows without suppression."""
    if branch.suppresses:
        return False
    return bool(branch.selection) or any("one2one" in m.tensor for m in branch.maps)


def _sorted_roles(reading: Reading) -> list[HeadRole]:
    order = ("box", "class", "mask", "keypoint", "angle", "object")
    return sorted(reading.roles, key=lambda r: (r.map.stride, order.index(r.role)))


def _decoding(reading: Reading) -> str:
    if formulas(reading.family).anchors:
        return "anchor boxes, sigmoid"
    return ("DFL, " if reading.reg_max > 1 else "") + "boxes, sigmoid"


def _stock_spec(index: GraphIndex, reading: Reading, outputs: Outputs, size_wh: tuple[int, int]) -> ModelSpec:
    roles = {_output_name(r): r.role for r in reading.roles}
    heads = tuple(_head(name, roles.get(name, "proto"), shape, size_wh) for name, (_, shape) in outputs.items())
    return ModelSpec(
        task=reading.task,
        names=reading.names,
        input=float_input(index),
        preprocess=Preprocess(*size_wh),
        outputs=heads,
        stage="heads",
        family=reading.family,
        reg_max=reading.reg_max,
        anchors=reading.anchors,
        keypoint_shape=reading.keypoint_shape,
        tools=tool_versions(),
        notes=reading.notes,
    )


def _output_name(head: HeadRole) -> str:
    return f"{head.role}_{head.map.stride}"


def _head(name: str, role: Role, shape_nchw: tuple[int, ...], size_wh: tuple[int, int]) -> HeadSpec:
    _, c, h, w = shape_nchw
    return HeadSpec(name, role, (1, h, w, c), size_wh[0] // w)
