"""The second half of the proof: the rows that an export itself selects are those that edgekit selects.

Stock rows say how boxes and scores are decoded. An export that goes on to select its best rows (top-k of a
one-to-one head, or NMS inside the graph) also says which of them are objects; that is compared here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgekit.decode.reference import AllRows, decode_rows
from edgekit.errors import ModelError
from edgekit.export.head_analysis import Reading
from edgekit.export.head_location import Branch
from edgekit.export.head_roles import Maps, Tail
from edgekit.graph.onnx_graph import GraphIndex, declared_shape, extract, graph_inputs, open_session, reachable
from edgekit.ops.boxes import box_iou
from edgekit.ops.nms import nms
from edgekit.ops.rotated import rotated_iou, rotated_nms
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]
FLOOR = 0.01  # scores below are background: padding, and what the made-up heads hold elsewhere
USUAL_IOU = (0.7, 0.45)  # Ultralytics' default, and YOLOv5's
IOU_ROUNDING = 1e-3  # exports move boxes apart by class before they compare them, which rounds
# float32 rounding, as of the rows, after the export's own arithmetic
TOLERANCE = {"box": 0.05, "score": 1e-4, "class": 0.0, "extra": 0.05}
SCORE, CLASS, EXTRA = 4, 5, 6  # columns of final rows: four of the box, then these


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which rows become objects: (cell, class) pairs or cells with their best class; `iou` 0 suppresses nothing.

    agnostic: boxes of other classes suppress, too. fast: so do boxes that are suppressed themselves (fast NMS).
    """

    iou: float = 0.0
    multi_label: bool = False
    agnostic: bool = False
    fast: bool = False


def prove_final_rows(
    index: GraphIndex, tail: Tail, heads: Callable[[Maps], Mapping[str, Floats]], reading: Reading, spec: ModelSpec
) -> ModelSpec:
    """`spec` with `end_to_end` as the export's own selection shows it, and notes of what it does otherwise.

    The export's selection runs on made-up heads with some objects; `heads` gives them as raw heads of `spec`.
    Exports without a selection come back as they are. Raises ModelError where no selection that edgekit knows
    gives the export's final rows.
    """
    outputs = _final_outputs(index, tail.branch)
    if not outputs:
        return spec
    maps = _made_up_heads(tail, reading, spec)
    values = _run_selection(index, tail.branch, outputs, maps)
    rows = decode_rows(dict(heads(maps)), spec)
    width = EXTRA + rows.extra.shape[1]
    final = values[outputs[0]]
    if len(outputs) > 1 or final.shape not in ((1, len(final.reshape(-1, 1)) // width, width), (len(final), width)):
        forms = ", ".join(f"{name} {values[name].shape}" for name in outputs)
        return _with_note(spec, f"the export's own selection ({forms}) is of a form that is not compared")
    table: Floats = final.reshape(-1, width).astype(np.float32)
    theirs = table[table[:, SCORE] > FLOOR]
    theirs = theirs[np.argsort(-theirs[:, SCORE], kind="stable")]
    closest = (float("inf"), "the export finds nothing" if not len(theirs) else "")
    for selection in _selections(index, tail.branch, one_to_one=spec.end_to_end) if len(theirs) else ():
        miss, description = _difference(_selected(rows, spec, selection, len(table)), theirs)
        if not miss:
            return _as_selected(spec, selection)
        closest = min(closest, (miss, description))
    raise ModelError(
        f"the final rows {outputs[0]!r} of this export are not the objects that edgekit finds on the same heads "
        f"({spec.family} {spec.task}): {closest[1]}",
        hint="export with nms=False, which leaves the selection to edgekit",
    )


def _as_selected(spec: ModelSpec, selection: RowSelection) -> ModelSpec:
    spec = replace(spec, end_to_end=not selection.iou)
    if selection.agnostic:
        spec = _with_note(spec, "the export's NMS works across classes (agnostic_nms); edgekit's within each class")
    if selection.fast:
        spec = _with_note(spec, "the export's fast NMS lets suppressed boxes suppress others; edgekit's does not")
    return spec


def _with_note(spec: ModelSpec, note: str) -> ModelSpec:
    return replace(spec, notes=(*spec.notes, note))


def _final_outputs(index: GraphIndex, branch: Branch) -> list[str]:
    """The outputs behind the branch's rows, where the export selects among them."""
    behind = reachable(index, branch.rows) - {branch.rows}
    return [name for name in index.output_names if name in behind] if branch.selection else []


def _run_selection(
    index: GraphIndex, branch: Branch, outputs: list[str], maps: Maps
) -> dict[str, npt.NDArray[np.generic]]:
    piece = extract(index.model, {m.tensor: m.shape for m in branch.maps}, outputs)
    others = {i.name: np.zeros(declared_shape(i), np.float32) for i in graph_inputs(piece) if i.name not in maps}
    return open_session(piece)({**maps, **others})


def _selections(index: GraphIndex, branch: Branch, *, one_to_one: bool) -> Iterator[RowSelection]:
    """What the export may do, the likeliest first; thresholds are looked for among its constants."""
    best = (RowSelection(multi_label=True), RowSelection())
    suppressed = [
        RowSelection(iou + shift, agnostic=agnostic, fast=fast)
        for iou in dict.fromkeys((*_constant_shares(index, branch), *USUAL_IOU))
        for agnostic in (False, True)
        for fast in (False, True)
        for shift in (0.0, IOU_ROUNDING, -IOU_ROUNDING)
    ]
    yield from (*best, *suppressed) if one_to_one else (*suppressed, *best)


def _constant_shares(index: GraphIndex, branch: Branch) -> list[float]:
    """Numbers between 0 and 1 that the selection reads, those of NMS nodes first."""
    nodes = {id(n): n for t in reachable(index, branch.rows) for n in index.consumers.get(t, ())}.values()
    ordered = sorted(nodes, key=lambda n: n.op_type != "NonMaxSuppression")
    read = [index.constants[name] for node in ordered for name in node.input if name in index.constants]
    single = (value.ravel()[0] for value in read if value.size == 1 and value.dtype.kind == "f")
    return [float(value) for value in single if FLOOR < value < 1]


def _made_up_heads(tail: Tail, reading: Reading, spec: ModelSpec) -> dict[str, Floats]:
    """Head maps that hold a few dozen objects of two classes in neighbouring cells, which overlap, and nothing else."""
    rng = np.random.default_rng(11)
    maps = {}
    chosen = {m.stride: _clusters(rng, m.shape[2], m.shape[3]) for m in tail.branch.maps}
    for role in reading.roles:
        _, channels, height, width = role.map.shape
        noise = rng.normal(0, 1, (channels, height * width)).astype(np.float32)
        cells = chosen[role.map.stride]
        if role.role == "box" and channels == 4:
            noise = np.abs(noise) + 4  # distances in cells
        elif role.role == "class":
            noise = _class_logits(rng, channels, height * width, cells)
        elif role.role == "object":
            slots = noise.reshape(len(spec.anchors[0]), -1, height * width)
            slots[:, 4] = -14
            slots[0, 4, cells] = 6
            slots[0, 5 : 5 + spec.num_classes] = _class_logits(rng, spec.num_classes, height * width, cells)
        maps[role.map.tensor] = np.ascontiguousarray(noise.reshape(role.map.shape))
    return maps


def _clusters(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.intp]:
    """Cells in groups of up to three neighbours."""
    corners = rng.integers(0, height * width, 8)
    cells = np.concatenate([corners, corners + 1, corners + width])
    return np.unique(cells[cells < height * width])


def _class_logits(rng: np.random.Generator, classes: int, count: int, cells: npt.NDArray[np.intp]) -> Floats:
    logits = np.full((classes, count), -14, np.float32)
    logits[:, cells] = rng.normal(-3, 0.5, (classes, len(cells)))
    logits[rng.choice([0, classes - 1], len(cells)), cells] = rng.normal(2, 0.7, len(cells))
    return logits


def _selected(rows: AllRows, spec: ModelSpec, selection: RowSelection, count: int) -> Floats:
    """Our final rows (n, 6 + extra), best first."""
    pairs = np.nonzero(rows.scores > FLOOR)
    if not selection.multi_label:
        cells = np.flatnonzero(rows.scores.max(axis=1) > FLOOR)
        pairs = (cells, rows.scores[cells].argmax(axis=1))
    cells, classes = pairs
    scores, boxes = rows.scores[cells, classes], rows.boxes[cells]
    keep = np.argsort(-scores, kind="stable")[:count]
    if selection.iou:
        ids = np.zeros_like(classes, np.int32) if selection.agnostic else classes.astype(np.int32)
        turned = spec.task == "obb"
        suppressed_boxes = np.concatenate([boxes, rows.extra[cells]], axis=1) if turned else boxes
        keep = _suppress(suppressed_boxes, scores, ids, selection)[:count]
    table_rows = np.column_stack([boxes, scores, classes, rows.extra[cells]])[keep]
    return np.asarray(table_rows, np.float32)


def _suppress(
    boxes: Floats, scores: Floats, ids: npt.NDArray[np.int32], selection: RowSelection
) -> npt.NDArray[np.intp]:
    """Which boxes (n, 4) xyxy, or (n, 5) turned ones, are left by NMS, best first."""
    turned = boxes.shape[1] == 5
    if not selection.fast:
        suppress = rotated_nms if turned else nms
        return suppress(boxes, scores, ids, iou_threshold=selection.iou, max_detections=len(scores))
    order = np.argsort(-scores, kind="stable")
    overlaps = (rotated_iou if turned else box_iou)(boxes[order], boxes[order])
    rivals = (overlaps > selection.iou) & (ids[order][:, None] == ids[order])
    return order[~np.triu(rivals, 1).any(axis=0)]


def _difference(ours: Floats, theirs: Floats) -> tuple[float, str]:
    """0 where they are equal down to the export's own least score; else how far apart they are, and in words."""
    ours = ours[ours[:, SCORE] >= theirs[-1, SCORE] - TOLERANCE["score"]]
    if len(ours) != len(theirs):
        return 1e6 + abs(len(ours) - len(theirs)), f"{len(theirs)} rows of its own, {len(ours)} of edgekit's"
    columns = {"box": slice(0, SCORE), "score": slice(SCORE, CLASS), "class": slice(CLASS, EXTRA)}
    columns["extra"] = slice(EXTRA, None)
    for kind, column in columns.items():
        apart = float(np.abs(ours[:, column] - theirs[:, column]).max(initial=0))
        if not apart <= TOLERANCE[kind]:
            return max(apart, 1e-9), f"the {kind} differs by {apart:.3g}, expected at most {TOLERANCE[kind]}"
    return 0.0, ""
