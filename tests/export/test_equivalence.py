"""The cut of every shared stock graph decodes to the graph's own rows, on a real image at its own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.decode import DecodeOptions, Decoder
from edgekit.decode.reference import decode_rows
from edgekit.export import cut_graph
from edgekit.export.equivalence import TOLERANCE, compare_rows
from edgekit.graph.onnx_graph import load_model
from edgekit.ops.image import read_image
from edgekit.ops.letterbox import letterbox_image
from edgekit.ops.pixels import normalised, pack_input
from edgekit.spec import ModelSpec
from tests.stock_rows import LIMITS, differences, noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

SHARED = {
    "yolov8n-seg.onnx": ("yolov8", "segment"),
    "random/yolov8n-pose.onnx": ("yolov8", "pose"),
    "random/yolov8n-obb.onnx": ("yolov8", "obb"),
    "random/yolov9t.onnx": ("yolov9", "detect"),
    "random/yolov10n.onnx": ("yolov10", "detect"),
    "random/yolo11n.onnx": ("yolo11", "detect"),
    "random/yolo26n.onnx": ("yolo26", "detect"),
    "random/yolo26n-end2end.onnx": ("yolo26", "detect"),
}
# Of graphs of full size these show key points, attention and rows of a selection; the tiny exports show all.
IN_THE_GATE = ("random/yolov8n-pose.onnx", "random/yolo11n.onnx", "random/yolo26n-end2end.onnx")


def _image(shared_data: Path, spec: ModelSpec) -> np.ndarray:
    image = read_image(sorted((shared_data / "coco" / "images" / "val").glob("*.jpg"))[0])
    canvas, _ = letterbox_image(image, spec.preprocess)
    return normalised(pack_input(canvas, spec.input, spec.preprocess), spec.input, spec.preprocess)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in IN_THE_GATE else pytest.mark.slow) for name in SHARED]
)
def test_shared_graphs_decode_to_their_own_rows(name: str, shared_data: Path) -> None:
    stock = load_model(shared_data / "models" / name)
    cut = cut_graph(stock)
    assert (cut.spec.family, cut.spec.task) == SHARED[name]
    image = _image(shared_data, cut.spec)
    found = differences(run_onnx(stock, image), run_onnx(cut.model, image), cut.spec)
    assert all(found[kind] <= LIMITS[kind] for kind in found), found


def test_the_shared_classifier_gives_its_own_probabilities(shared_data: Path) -> None:
    stock = load_model(shared_data / "models" / "random" / "yolov8n-cls.onnx")
    cut = cut_graph(stock)
    image = _image(shared_data, cut.spec)
    logits = run_onnx(cut.model, image)["class"].ravel()
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(shares, run_onnx(stock, image)["output0"][0], atol=1e-5)


def test_the_gated_decoder_agrees_with_the_plain_one() -> None:
    cut = cut_graph(tiny_yolo())
    heads = run_onnx(cut.model, noise_image((96, 64)))
    plain = decode_rows(heads, cut.spec)
    gated = Decoder(cut.spec, DecodeOptions(score_threshold=0)).plan.heads.candidates(heads)
    np.testing.assert_allclose(gated.boxes_xyxy, plain.boxes, atol=1e-3)
    np.testing.assert_allclose(gated.scores, plain.scores.max(axis=1), atol=1e-6)
    assert np.array_equal(gated.class_ids, plain.scores.argmax(axis=1))


def test_compare_rows_tells_corners_from_centres() -> None:
    spec = cut_graph(tiny_yolo(num_classes=2)).spec
    heads = {h.name: np.zeros(h.shape, np.float32) for h in spec.outputs}
    ours = decode_rows(heads, spec)
    corners = np.concatenate([ours.boxes, ours.scores], axis=1)
    assert compare_rows(ours, corners, spec).corners
    sizes = ours.boxes[:, 2:] - ours.boxes[:, :2]
    centres = np.concatenate([(ours.boxes[:, :2] + ours.boxes[:, 2:]) / 2, sizes, ours.scores], axis=1)
    found = compare_rows(ours, centres, spec)
    assert not found.corners
    assert found.differences["box"] < TOLERANCE["box"]
