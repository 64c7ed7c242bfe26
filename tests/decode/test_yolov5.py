"""YOLOv5's anchor heads: hand-computed boxes, and the gated decoder against the plain one, floats and integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.decode.heads import Head, Heads
from edgekit.decode.reference import decode_rows
from edgekit.decode.yolov5 import AnchorGrid, AnchorHeads, stride_anchors
from edgekit.errors import ModelError
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess

ANCHORS = (((10.0, 20.0), (30.0, 40.0)), ((50.0, 60.0), (70.0, 80.0)))
CLASSES = 3


def make_spec(*, integers: bool = False) -> ModelSpec:
    scale = tuple(float(np.float32(0.01 + 0.001 * i)) for i in range(2 * (5 + CLASSES)))
    dtype = {"dtype": "int32", "scale": scale} if integers else {}
    heads = [
        HeadSpec(f"object_{s}", "object", (1, 64 // s, 96 // s, 2 * (5 + CLASSES)), s, **dtype)  # type: ignore[arg-type]
        for s in (8, 16)
    ]
    names = tuple("abc")
    return ModelSpec(
        "detect",
        names,
        InputSpec("images"),
        Preprocess(96, 64),
        tuple(heads),
        family="yolov5",
        reg_max=1,
        anchors=ANCHORS,
    )


def make_heads(spec: ModelSpec) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    heads = {h.name: rng.normal(0, 2, h.shape) for h in spec.outputs}
    return {
        h.name: np.rint(heads[h.name] / np.asarray(h.scale)).astype(np.int32)
        if h.scale
        else heads[h.name].astype(np.float32)
        for h in spec.outputs
    }


def test_one_slot_by_hand() -> None:
    """All zero: sigmoid 1/2, so the centre is the cell's and the size is the anchor's."""
    rows = np.zeros((1, 8), np.float32)
    slots = np.array([2 * (1 * 4 + 3) + 1])  # second anchor of cell (row 1, column 3) of a grid 4 wide
    head = HeadSpec("object_8", "object", (1, 3, 4, 16), 8)
    grid = AnchorGrid(Head(head, np.dtype("float32"), np.zeros(0, np.float32)), ((10, 20), (30, 40)))
    boxes = grid.boxes(rows, slots)
    np.testing.assert_allclose(boxes, [[28 - 15, 12 - 20, 28 + 15, 12 + 20]])


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("multi_label", [False, True])
def test_gated_equals_plain(integers: bool, multi_label: bool) -> None:
    spec = make_spec(integers=integers)
    heads = make_heads(spec)
    plain = decode_rows(heads, spec)
    found = AnchorHeads(Heads(spec), score_threshold=0.3).candidates(heads, multi_label=multi_label)
    wanted = (
        plain.scores
        if multi_label
        else np.where(plain.scores == plain.scores.max(axis=1, keepdims=True), plain.scores, 0)
    )
    rows, classes = np.nonzero(wanted > 0.3)
    assert np.array_equal(found.class_ids, classes)
    np.testing.assert_allclose(found.scores, wanted[rows, classes], atol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, plain.boxes[rows], atol=1e-4)


def test_nothing_passes_a_threshold_of_one() -> None:
    spec = make_spec()
    found = AnchorHeads(Heads(spec), score_threshold=1.0).candidates(make_heads(spec))
    assert found.boxes_xyxy.shape == (0, 4)


def test_anchors_and_classes_must_fit_the_head() -> None:
    spec = make_spec()
    with pytest.raises(ModelError, match="anchors for 1 strides, expected 2"):
        stride_anchors(replace(spec, anchors=ANCHORS[:1]))
    with pytest.raises(ModelError, match="16 channels"):
        stride_anchors(replace(spec, names=("a", "b")))
    with pytest.raises(ModelError, match="16 channels"):
        stride_anchors(replace(spec, anchors=(ANCHORS[0][:1], ANCHORS[1][:1])))
