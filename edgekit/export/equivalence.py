"""The proof that goes with every cut: edgekit's decoder gives the rows that the stock graph gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.reference import AllRows, decode_rows
from edgekit.decode.tasks import TASKS
from edgekit.errors import ModelError
from edgekit.export.head_analysis import Reading
from edgekit.export.head_location import NOT_YOLO_HINT
from edgekit.export.head_roles import Maps, Tail
from edgekit.ops.boxes import xywh_to_xyxy
from edgekit.spec import ModelSpec

# Room for float32 rounding: pixels of boxes and key points, scores, radians. Wrong formulas miss by far more.
TOLERANCE = {"box": 0.05, "score": 1e-4, "mask": 1e-4, "keypoint": 0.05, "angle": 1e-4}
SEED = 7
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecodingProof:
    """The largest differences found, by kind, and whether the stock rows hold corners instead of centres."""

    differences: dict[str, float]
    corners: bool


def prove_decoder(tail: Tail, reading: Reading, spec: ModelSpec) -> DecodingProof:
    """Decode noise on the heads both ways; raises ModelError naming the first kind of row that differs."""
    maps = tail.noise(SEED)
    heads = heads_of(maps, reading, spec)
    with np.errstate(all="ignore"):  # what is not finite differs, and is told below
        ours, stock = decode_rows(heads, spec), _in_our_order(tail.rows(maps), reading, spec)
        proof = compare_rows(ours, stock, spec)
    for kind, difference in proof.differences.items():
        if not difference <= TOLERANCE[kind]:
            raise ModelError(
                f"the {kind} rows of this graph differ from what edgekit decodes ({spec.family} {spec.task}) "
                f"by {difference:.3g}, expected at most {TOLERANCE[kind]}",
                hint=NOT_YOLO_HINT,
            )
    return proof


def heads_of(maps: Maps, reading: Reading, spec: ModelSpec) -> dict[str, Rows]:
    """Head maps (NCHW, by tensor) as the raw heads of `spec` (NHWC, by name); prototypes, which no row needs, are 0."""
    names = {(r.role, r.map.stride): r.map.tensor for r in reading.roles}
    heads = {
        h.name: np.ascontiguousarray(maps[names[h.role, h.stride]].transpose(0, 2, 3, 1))
        for h in spec.outputs
        if (h.role, h.stride) in names
    }
    return heads | {h.name: np.zeros(h.shape, np.float32) for h in spec.outputs if h.role == "proto"}


def compare_rows(ours: AllRows, stock: Rows, spec: ModelSpec) -> DecodingProof:
    """The differences of decoded rows from stock rows (A, 4 + classes + extra) in the same order."""
    first = 4 if not spec.anchors else 5
    scores = stock[:, first : first + spec.num_classes] * (stock[:, 4:5] if spec.anchors else 1)
    centres = stock[:, :4] if spec.task == "obb" else xywh_to_xyxy(stock[:, :4])
    as_centres, as_corners = (_largest(ours.boxes - boxes) for boxes in (centres, stock[:, :4]))
    corners = spec.task != "obb" and as_corners < as_centres
    differences = {"box": as_corners if corners else as_centres, "score": _largest(ours.scores - scores)}
    extra = stock[:, first + spec.num_classes :]
    if extra.shape[1]:
        kind = TASKS[spec.task].extra_role or "extra"
        differences[kind] = _largest(ours.extra - extra)
    return DecodingProof(differences, corners)


def _in_our_order(rows: Rows, reading: Reading, spec: ModelSpec) -> Rows:
    """Stock rows stride by stride and cell by cell; exports of YOLOv5 go anchor by anchor instead."""
    parts = []
    firsts = {r.map.stride: (r.first_row, r.map.shape[2] * r.map.shape[3]) for r in reading.roles}
    for index, stride in enumerate(spec.strides):
        first, cells = firsts[stride]
        anchors = len(spec.anchors[index]) if spec.anchors else 1
        block = rows[first : first + anchors * cells].reshape(anchors, cells, -1)
        parts.append(block.transpose(1, 0, 2).reshape(anchors * cells, -1))
    return np.concatenate(parts)


def _largest(differences: Rows) -> float:
    return float(np.abs(differences).max(initial=0))
