"""End-to-end heads: the best pairs, not suppressed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.decode import DecodeOptions, Decoder, decode_rows
from edgekit.ops.letterbox import letterbox_of
from tests.decode.scenes import decode, make_heads, make_spec


def test_end_to_end_heads_give_the_best_pairs_unsuppressed() -> None:
    spec = replace(make_spec(task="detect", reg_max=1), end_to_end=True, family="yolo26")
    heads = make_heads(spec)
    decoder = Decoder(spec, DecodeOptions(score_threshold=0.001, max_detections=50))
    found = decoder.plan.objects(heads)
    plain = decode_rows(heads, spec)
    best = np.argsort(-plain.scores, axis=None, kind="stable")[:50]
    cells, classes = np.unravel_index(best, plain.scores.shape)
    np.testing.assert_allclose(found.scores, plain.scores[cells, classes], atol=1e-6)
    assert np.array_equal(found.class_ids, classes)
    np.testing.assert_allclose(found.boxes_xyxy, plain.boxes[cells], atol=1e-3)


def test_one_to_many_heads_are_suppressed() -> None:
    spec = make_spec(task="detect", reg_max=1)
    heads = make_heads(spec)
    letterbox = letterbox_of((96, 64), spec.preprocess)
    options = DecodeOptions(score_threshold=0.05, iou_threshold=0.3)
    suppressed = decode(heads, spec, letterbox, options)
    end_to_end = decode(heads, replace(spec, end_to_end=True), letterbox, options)
    assert 0 < len(suppressed) < len(end_to_end)
