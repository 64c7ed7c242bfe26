from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.decode import DecodeOptions
from edgekit.errors import ConfigError, ModelError
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import masks_reference
from edgekit.results import Detections, Segmentations
from edgekit.spec import HeadDtype
from tests.decode.scenes import SIZE_WH, decode, floats, make_heads, make_spec
from tests.typed import detections

OPTIONS = DecodeOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=20)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("source_wh", [(96, 64), (300, 100), (50, 200)])
def test_segment(dtype: HeadDtype, source_wh: tuple[int, int]) -> None:
    spec = make_spec(dtype=dtype)
    heads = make_heads(spec)
    letterbox = letterbox_of(source_wh, spec.preprocess)
    results = decode(heads, spec, letterbox, OPTIONS, device="sim")
    assert isinstance(results, Segmentations)
    assert 0 < len(results) <= 20
    assert results.size_wh == source_wh
    assert (np.diff(results.scores) <= 0).all()
    assert (results.boxes_xyxy >= 0).all()
    assert (results.boxes_xyxy <= np.tile(source_wh, 2)).all()
    proto = floats(spec, heads, "proto", 4)
    boxes = {tuple(np.round(b, 3)) for b in results.boxes_xyxy.astype(float)}
    assert len(boxes) > 1
    # every mask of each object, from the coefficients of whichever cell gave it
    every = decode(heads, spec, letterbox, DecodeOptions(0.3, 1.0, 5000), device="sim")
    assert isinstance(every, Segmentations)
    coefficients = np.concatenate([floats(spec, heads, "mask", s).reshape(-1, 8) for s in spec.strides])
    classes = np.concatenate([floats(spec, heads, "class", s).reshape(-1, 3) for s in spec.strides])
    scores = (1 / (1 + np.exp(-classes))).max(axis=1)
    cells = np.argsort(-scores, kind="stable")[: len(every)]
    np.testing.assert_allclose(every.scores, scores[cells], atol=1e-5)
    oracle = masks_reference(coefficients[cells][:10], proto, every.boxes_xyxy[:10], letterbox)
    for index in range(10):
        union = np.logical_or(every.masks[index], oracle[index]).sum()
        assert np.logical_and(every.masks[index], oracle[index]).sum() >= 0.99 * union


def test_integers_and_their_floats_decode_alike() -> None:
    spec = make_spec(dtype="int32")
    heads = make_heads(spec)
    as_floats = {
        h.name: (heads[h.name].astype(np.float32) * np.asarray(h.scale, np.float32)).astype(np.float32)
        for h in spec.outputs
    }
    letterbox = letterbox_of(SIZE_WH, spec.preprocess)
    raw = decode(heads, spec, letterbox, OPTIONS)
    real = decode(as_floats, make_spec(dtype="float32"), letterbox, OPTIONS)
    np.testing.assert_allclose(detections(raw).boxes_xyxy, detections(real).boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(detections(raw).scores, detections(real).scores, atol=1e-6)


def test_detect_gives_plain_detections() -> None:
    spec = make_spec(task="detect")
    results = decode(make_heads(spec), spec, letterbox_of(SIZE_WH, spec.preprocess), OPTIONS)
    assert type(results) is Detections
    assert "segmentation" not in results.to_dict()["objects"][0]


def test_results_are_json_and_say_that_they_are_simulated() -> None:
    spec = make_spec()
    results = decode(make_heads(spec), spec, letterbox_of((50, 40), spec.preprocess), OPTIONS, device="sim")
    for masks in ("rle", "polygons", "none"):
        document = json.loads(json.dumps(results.to_dict(masks=masks)))
        assert document["simulated"] is True
        assert document["device"] == "sim"
        assert len(document["objects"]) == len(results)
        assert ("segmentation" in document["objects"][0]) == (masks != "none")


def test_unknown_task_and_bad_thresholds() -> None:
    with pytest.raises(ConfigError, match="score_threshold is 1.5"):
        DecodeOptions(score_threshold=1.5)
    with pytest.raises(ConfigError, match="max_detections is 0"):
        DecodeOptions(max_detections=0)
    with pytest.raises(ModelError, match="stride 8 has the outputs box, class, expected box, class, mask"):
        spec = make_spec(task="detect")
        odd = type(spec)("segment", spec.names, spec.input, spec.preprocess, spec.outputs)
        decode(make_heads(spec), odd, letterbox_of(SIZE_WH, spec.preprocess), OPTIONS)
