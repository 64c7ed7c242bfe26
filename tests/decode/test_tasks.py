"""Pose, obb and classify against the plain decoder of every cell, floats and integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.decode import DecodeOptions
from edgekit.decode.reference import decode_rows
from edgekit.errors import ModelError
from edgekit.ops.letterbox import letterbox_of
from edgekit.results import Classifications, Poses, RotatedDetections
from edgekit.spec import HeadDtype, HeadSpec, InputSpec, ModelSpec, Preprocess, TaskName
from tests.decode.scenes import SIZE_WH, decode, make_heads, make_spec

ALL = DecodeOptions(score_threshold=0.2, iou_threshold=1.0, max_detections=10_000)


def _spec(task: TaskName, *, dtype: HeadDtype = "float32", family: str = "yolov8") -> ModelSpec:
    base = make_spec(task="detect", dtype=dtype, reg_max=1 if family == "yolo26" else 16)
    role, channels = {"pose": ("keypoint", 15), "obb": ("angle", 1)}[task]
    extra = []
    for stride in base.strides:
        scale = {} if dtype == "float32" else {"dtype": dtype, "scale": (0.01,) * channels}
        head_shape = (1, SIZE_WH[1] // stride, SIZE_WH[0] // stride, channels)
        extra.append(HeadSpec(f"{role}_{stride}", role, head_shape, stride, **scale))  # type: ignore[arg-type]
    shape = (5, 3) if task == "pose" else ()
    return replace(base, task=task, outputs=(*base.outputs, *extra), keypoint_shape=shape, family=family)


def _heads(spec: ModelSpec) -> dict[str, np.ndarray]:
    extra = {h.name for h in spec.outputs if h.role in ("keypoint", "angle")}
    heads = make_heads(replace(spec, outputs=tuple(h for h in spec.outputs if h.name not in extra)))
    rng = np.random.default_rng(5)
    for head in spec.outputs:
        if head.name in extra:
            values = rng.normal(0, 1.5, head.shape)
            heads[head.name] = (np.rint(values / 0.01) if head.scale else values).astype(head.dtype)
    return heads


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("family", ["yolov8", "yolo26"])
def test_poses_are_the_plain_rows_in_original_pixels(dtype: HeadDtype, family: str) -> None:
    spec = _spec("pose", dtype=dtype, family=family)
    heads = _heads(spec)
    box = letterbox_of((200, 100), spec.preprocess)
    results = decode(heads, spec, box, ALL)
    assert isinstance(results, Poses)
    rows = decode_rows(heads, spec)
    best = rows.scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[: int((best > 0.2).sum())]
    points = rows.extra[order].reshape(-1, 5, 3)
    assert len(results) == len(order) > 0
    np.testing.assert_allclose(np.sort(results.scores), np.sort(best[order]), atol=1e-6)
    np.testing.assert_allclose(results.keypoints_xy, box.undo_points(points[..., :2]), atol=1e-2)
    np.testing.assert_allclose(results.visibility, points[..., 2], atol=1e-5)


def test_a_key_point_by_hand() -> None:
    """Raw 1 in cell (row 0, column 1), stride 8. YOLOv8: (1 * 2 + 1) * 8; YOLO26: (1 + 1.5) * 8."""
    for family, x, y in (("yolov8", 24, 16), ("yolo26", 20, 12)):
        spec = _spec("pose", family=family)
        heads = {h.name: np.zeros(h.shape, np.float32) for h in spec.outputs}
        for h in spec.outputs:
            if h.role == "class":
                heads[h.name] -= 10
        heads["class_8"][0, 0, 1, 0] = 5
        heads["keypoint_8"][...] = 1
        results = decode(heads, spec, letterbox_of(SIZE_WH, spec.preprocess), ALL)
        np.testing.assert_allclose(results.keypoints_xy[0, 0], [x, y], atol=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(4, 3), (), (15, 1), (5, 3, 1)])
def test_key_points_that_do_not_fill_the_head_are_refused(shape: tuple[int, ...]) -> None:
    spec = replace(_spec("pose"), keypoint_shape=shape)
    with pytest.raises(ModelError, match="keypoint_shape"):
        decode(_heads(spec), spec, letterbox_of(SIZE_WH, spec.preprocess), ALL)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("family", ["yolov8", "yolo26"])
def test_rotated_boxes_are_the_plain_rows(dtype: HeadDtype, family: str) -> None:
    spec = _spec("obb", dtype=dtype, family=family)
    heads = _heads(spec)
    results = decode(heads, spec, letterbox_of(SIZE_WH, spec.preprocess), ALL)
    assert isinstance(results, RotatedDetections)
    rows = decode_rows(heads, spec)
    best = rows.scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[: int((best > 0.2).sum())]
    np.testing.assert_allclose(results.boxes_xywhr[:, :2], rows.boxes[order, :2], atol=1e-3)
    turned = np.sort(rows.boxes[order, 2:4], axis=1)[:, ::-1]
    np.testing.assert_allclose(results.boxes_xywhr[:, 2:4], turned, atol=1e-3)


def test_rotated_boxes_at_the_images_own_scale() -> None:
    spec = _spec("obb")
    heads = _heads(spec)
    small = decode(heads, spec, letterbox_of(SIZE_WH, spec.preprocess), ALL)
    large = decode(heads, spec, letterbox_of((SIZE_WH[0] * 3, SIZE_WH[1] * 3), spec.preprocess), ALL)
    expected = small.boxes_xywhr * np.array([3, 3, 3, 3, 1], np.float32)  # type: ignore[union-attr]
    np.testing.assert_allclose(large.boxes_xywhr, expected, rtol=1e-4, atol=1e-3)  # type: ignore[union-attr]


def test_nothing_above_the_threshold_is_empty_in_every_task() -> None:
    for task in ("pose", "obb"):
        spec = _spec(task)
        results = decode(_heads(spec), spec, letterbox_of(SIZE_WH, spec.preprocess), DecodeOptions(score_threshold=1))
        assert len(results) == 0
        assert results.to_dict()["objects"] == []


def test_classify() -> None:
    names = tuple(f"c{i}" for i in range(7))
    head = HeadSpec("class", "class", (1, 1, 1, 7), 0, "int32", (0.5,))
    spec = ModelSpec("classify", names, InputSpec("images"), Preprocess(32, 32), (head,))
    raw = np.array([0, 2, 8, 4, 0, 6, 0], np.int32).reshape(1, 1, 1, 7)
    results = decode({"class": raw}, spec, letterbox_of((100, 50), spec.preprocess))
    assert isinstance(results, Classifications)
    shares = np.exp(raw.ravel() * 0.5) / np.exp(raw.ravel() * 0.5).sum()
    np.testing.assert_allclose(results.probabilities, shares, rtol=1e-5)
    assert [i for i, _ in results.top(3)] == [2, 5, 3]
    assert results.to_dict()["classes"][0]["name"] == "c2"
    with pytest.raises(ModelError, match="'class' has 7 channels, expected 2"):
        decode({"class": raw}, replace(spec, names=("a", "b")), letterbox_of((100, 50), spec.preprocess))
