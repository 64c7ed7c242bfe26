from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pycocotools import mask as coco_mask

import edgekit
from edgekit.decode.segment import mask_parts
from edgekit.errors import ConfigError
from edgekit.evaluation.labels import ImageEntry
from edgekit.evaluation.native_masks import native_masks_reference, predict_native, whole_cells
from edgekit.evaluation.predictions import predict_images
from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.results import Segmentations
from edgekit.spec import Preprocess
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


def boxed(width: int, height: int) -> Letterbox:
    return letterbox_of((width, height), Preprocess(640, 640))


@pytest.mark.parametrize(
    ("size_wh", "top", "rows", "left", "columns"),
    [
        ((640, 480), 20, 120, 0, 160),  # 80 pixels of padding are 20 cells
        ((640, 427), 26, 107, 0, 160),  # 26.6 cells: cut at 26 above and, from 133.4, at 133 below
        ((427, 640), 0, 160, 26, 107),
        ((100, 1), 79, 1, 0, 160),  # a cell is left of whatever is thinner than one
    ],
)
def test_padding_is_cut_in_whole_cells(size_wh: tuple[int, int], top: int, rows: int, left: int, columns: int) -> None:
    proto = np.arange(160 * 160).reshape(160, 160, 1)
    cells, stretch = whole_cells(proto, boxed(*size_wh))
    assert cells.shape == (rows, columns, 1) and cells[0, 0, 0] == top * 160 + left
    assert stretch.source_wh == size_wh and stretch.size_wh == stretch.resized_wh == (columns, rows)


@pytest.mark.parametrize("seed", range(3))
def test_masks_in_their_windows_are_those_of_the_plain_way(tmp_path: Path, seed: int) -> None:
    session = edgekit.load(
        save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", task="segment", seed=seed), conf=0.3, multi_label=True
    )
    bgr = np.random.default_rng(seed).integers(0, 256, (53 + 9 * seed, 71, 3), np.uint8)
    ours = predict_native(session, bgr)
    inputs, letterbox = session.prepare(bgr)
    raw, plan = session.infer(inputs), session.decoder.plan
    coefficients, proto = mask_parts(plan, raw, plan.objects(raw))
    planes = proto.astype(np.float32)
    assert isinstance(ours, Segmentations) and len(ours) > 5
    expected = native_masks_reference(coefficients, planes, ours.boxes_xyxy, letterbox)
    assert expected.any() and not np.array_equal(expected, np.asarray(session.predict(bgr).masks))  # type: ignore[union-attr]
    for mask, plain in zip(ours.masks, expected, strict=True):
        assert np.count_nonzero(mask != plain) <= 2  # logits at 0 by a rounding


def test_the_file_says_which_masks_it_holds_and_is_written_again_for_others(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", task="segment")
    images = [ImageEntry(i, path) for i, path in enumerate(write_images(tmp_path / "images", 2), 1)]
    session = edgekit.load(model, conf=0.3)
    exact = predict_images(session, model, images, tmp_path / "p.jsonl")
    of_exact = [found.rles for found in exact]
    native = predict_images(session, model, images, tmp_path / "p.jsonl", masks="ultralytics")
    assert (exact.header["masks"], native.header["masks"]) == ("edgekit", "ultralytics")
    rows = list(native)
    assert [row.rles for row in rows] != of_exact
    ours = predict_native(session, edgekit.read_image(images[0].path))
    assert isinstance(ours, Segmentations)
    rle = rows[0].rles[0]
    decoded = coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode()})
    assert np.array_equal(decoded.astype(bool), ours.masks[0])


def test_only_models_with_masks_place_them(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")
    session = edgekit.load(model)
    with pytest.raises(ConfigError, match="'ultralytics', but the model does 'detect'"):
        predict_images(session, model, [], tmp_path / "p.jsonl", masks="ultralytics")
    with pytest.raises(ConfigError, match="masks is 'best', expected one of edgekit, ultralytics"):
        predict_images(session, model, [], tmp_path / "p.jsonl", masks=cast(Any, "best"))
