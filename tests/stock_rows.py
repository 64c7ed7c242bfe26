"""A stock export's own answer: its rows on an image, put beside what edgekit decodes from the cut heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from edgekit.decode.heads import RawHeads
from edgekit.decode.reference import AllRows, decode_rows
from edgekit.spec import ModelSpec

# What equality means: pixels, scores, mask logits, pixels, radians.
LIMITS = {"box": 0.05, "score": 1e-4, "mask": 1e-3, "keypoint": 0.05, "angle": 1e-4}


def run_onnx(model: onnx.ModelProto, image: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Outputs by name of a float model on one image (1, 3, h, w) of 0..1."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(None, {session.get_inputs()[0].name: image})
    return dict(zip((o.name for o in session.get_outputs()), values, strict=True))


def noise_image(size_wh: tuple[int, int], seed: int = 3) -> npt.NDArray[np.float32]:
    """An image of soft blobs rather than white noise, which a convolution averages away."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    coarse = rng.random((1, 3, height // 8, width // 8), np.float32)
    return (
        np.kron(coarse, np.ones((1, 1, 8, 8), np.float32)) * 0.8 + rng.random((1, 3, height, width), np.float32) * 0.2
    )


def differences(stock: dict[str, npt.NDArray[Any]], heads: RawHeads, spec: ModelSpec) -> dict[str, float]:
    """The largest difference per kind between the stock outputs and the decoded heads, every row compared."""
    ours = decode_rows(heads, spec)
    rows = stock["output0"][0]
    if spec.family != "yolov5" and not spec.end_to_end:
        rows = rows.T
    if spec.end_to_end:
        return _matched_differences(rows, ours, spec)
    if spec.anchors:
        rows = _by_cell(rows, spec)
    first = 5 if spec.anchors else 4
    scores = rows[:, first : first + spec.num_classes] * (rows[:, 4:5] if spec.anchors else 1)
    found = {
        "box": _largest(_as_xywh(ours.boxes, spec) - rows[:, :4]),
        "score": _largest(ours.scores - scores),
    }
    extra = rows[:, first + spec.num_classes :]
    if spec.task == "segment":
        ours_proto = heads["proto"][0].reshape(-1, heads["proto"].shape[-1])
        stock_proto = stock["output1"][0].reshape(stock["output1"].shape[1], -1)
        best = np.argsort(-ours.scores.max(axis=1))[:50]
        found["mask"] = _largest(ours.extra[best] @ ours_proto.T - extra[best] @ stock_proto)
    elif extra.shape[1]:
        found["keypoint" if spec.task == "pose" else "angle"] = _largest(ours.extra - extra)
    return found


def _matched_differences(top: npt.NDArray[Any], ours: AllRows, spec: ModelSpec) -> dict[str, float]:
    """End-to-end rows (k, 6 + extra): box, score, class, extra. Each is matched to the nearest of our boxes."""
    boxes = _as_xywh(ours.boxes, spec) if spec.task == "obb" else ours.boxes
    cells = np.abs(boxes[None] - top[:, None, :4]).max(axis=2).argmin(axis=1)
    classes = top[:, 5].astype(int)
    pairs = set(zip(cells.tolist(), classes.tolist(), strict=True))
    assert len(pairs) == len(top), "two rows are the same cell and class"
    last = np.sort(ours.scores, axis=None)[-len(top)]
    assert top[:, 4].min() > last - LIMITS["score"], "a better row was left out"
    found = {"box": _largest(boxes[cells] - top[:, :4]), "score": _largest(ours.scores[cells, classes] - top[:, 4])}
    if top.shape[1] > 6:
        kind = {"segment": "mask", "pose": "keypoint", "obb": "angle"}[spec.task]
        found[kind] = _largest(ours.extra[cells] - top[:, 6:])
    return found


def _as_xywh(boxes: npt.NDArray[Any], spec: ModelSpec) -> npt.NDArray[Any]:
    if spec.task == "obb":
        return boxes
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def _by_cell(rows: npt.NDArray[Any], spec: ModelSpec) -> npt.NDArray[Any]:
    """YOLOv5 writes all cells of an anchor, then the next anchor; we go cell by cell."""
    parts, start = [], 0
    for stride, anchors in zip(spec.strides, spec.anchors, strict=True):
        cells = (spec.preprocess.width // stride) * (spec.preprocess.height // stride)
        block = rows[start : start + cells * len(anchors)].reshape(len(anchors), cells, -1)
        parts.append(block.swapaxes(0, 1).reshape(cells * len(anchors), -1))
        start += cells * len(anchors)
    return np.concatenate(parts)


def _largest(values: npt.NDArray[Any]) -> float:
    return float(np.abs(values).max(initial=0))
