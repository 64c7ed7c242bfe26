"""The vendor executor's own heads of real images: the gated decoder against one that decodes every cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.decode.reference import decode_rows
from edgekit.labels import COCO_NAMES
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.nms import nms_reference
from edgekit.results import Segmentations
from edgekit.spec import HEAD_DTYPES, HeadSpec, InputSpec, ModelSpec, Preprocess, Role
from edgekit.text import check_choice
from tests.decode.scenes import decode

NAMES: dict[str, tuple[Role, int]] = {  # outputs of the cut model behind the shared builds
    **{name: ("mask", stride) for name, stride in (("451", 8), ("459", 16), ("467", 32))},
    **{name: ("box", stride) for name, stride in (("475", 8), ("483", 16), ("491", 32))},
    **{name: ("class", stride) for name, stride in (("499", 8), ("507", 16), ("515", 32))},
    "443": ("proto", 4),
}
KEPT_FLOAT = ("class", "proto")  # their Dequantize nodes stay in the shared modified .bin


@pytest.fixture(params=["nv12_000000000776", "nv12_000000002006", "rgb_000000000776", "rgb_000000002006"])
def golden(request: pytest.FixtureRequest, shared_data: Path) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    with np.load(shared_data / "horizon" / "golden" / f"{request.param}.npz", allow_pickle=False) as archive:
        heads = {name: archive[f"int:{name}"] for name in NAMES}
        scales = {name: tuple(float(s) for s in archive[f"scale:{name}"]) for name in NAMES}
    outputs = tuple(
        HeadSpec(
            name, role, heads[name].shape, stride, check_choice(heads[name].dtype.name, HEAD_DTYPES, name), scales[name]
        )
        for name, (role, stride) in NAMES.items()
    )
    size = Preprocess(640, 640)
    return ModelSpec("segment", COCO_NAMES, InputSpec("images"), size, outputs, stage="bin", family="yolov8"), heads


@pytest.mark.parametrize("float_roles", [(), KEPT_FLOAT, ("mask", "box", "class", "proto")])
def test_same_boxes_classes_and_masks(
    golden: tuple[ModelSpec, dict[str, np.ndarray]], float_roles: tuple[str, ...]
) -> None:
    spec, heads = golden
    for head in spec.outputs:
        if head.role in float_roles:
            heads = {**heads, head.name: heads[head.name].astype(np.float32) * np.asarray(head.scale, np.float32)}
    outputs = tuple(replace(h, dtype="float32", scale=()) if h.role in float_roles else h for h in spec.outputs)
    spec = replace(spec, outputs=outputs)
    letterbox = letterbox_of((640, 480), spec.preprocess)
    found = decode(heads, spec, letterbox)
    assert isinstance(found, Segmentations)

    rows = decode_rows(heads, spec)
    scores, classes = rows.scores.max(axis=1), rows.scores.argmax(axis=1).astype(np.int32)
    passed = np.flatnonzero(scores > 0.25)
    passed = passed[nms_reference(rows.boxes[passed], scores[passed], classes[passed], iou_threshold=0.7)]
    assert len(found) == len(passed) > 0
    np.testing.assert_array_equal(found.class_ids, classes[passed])
    np.testing.assert_allclose(found.boxes_xyxy, letterbox.undo_boxes(rows.boxes[passed]), atol=0.01)

    head = spec.head("proto")
    proto = heads[head.name][0].astype(np.float64) * np.asarray(head.scale or (1.0,))
    logits = np.einsum("nk,hwk->nhw", rows.extra[passed].astype(np.float64), proto)
    for index, window in enumerate(found.masks.windows):
        (x, y), (height, width) = found.masks.corners_xy[index], window.shape
        plain = logits[index, y : y + height, x : x + width] > 0
        assert np.logical_and(window > 0, plain).sum() >= 0.99 * np.logical_or(window > 0, plain).sum()
