"""Twins of real exports give the detections of the plain export: same count, nearly the same boxes.

Of the trained models only ONNX files are shared: their twins are made by tools of onnx and onnxruntime (version
converter, float16 converter, static quantizer, open sizes). Where EDGEKIT_ULTRALYTICS_PYTHON names an interpreter with
Ultralytics, that package exports a network of random, lively weights with its own options, the same weights each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import version_converter

import edgekit
from edgekit.export import cut_graph
from edgekit.export.metadata import read_metadata
from edgekit.graph.declared_quantization import read_declared
from edgekit.ops.letterbox import letterbox_image
from edgekit.spec import Preprocess
from tests.export.detection_twins import count, detect, lowest_overlap
from tests.qdq_twins import qdq_twin
from tests.stock_rows import noise_image, run_onnx
from tests.ultralytics_exports import ultralytics_export

pytestmark = pytest.mark.slow
MODELS = ("yolov8n-seg.onnx", "trained/yolo11n.onnx", "trained/yolov5n.onnx")
IMAGES = 4
CONFIDENT = 0.35  # detections that rounding does not take away


def opset(version: int) -> Callable[[Path, list[Path]], onnx.ModelProto]:
    return lambda path, _: version_converter.convert_version(onnx.load(path), version)


def half(path: Path, _: list[Path]) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted: onnx.ModelProto = convert_float_to_float16(onnx.load(path), keep_io_types=True)
    return converted


def open_size(path: Path, _: list[Path]) -> onnx.ModelProto:
    """Height and width are names, as dynamic=True declares them; the metadata name the size."""
    model = onnx.load(path)
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    return model


def quantized(path: Path, images: list[Path]) -> onnx.ModelProto:
    """Static Q/DQ on the very images that are compared: no threshold cuts off any of their values."""
    newer = path.with_name("opset13.onnx")
    onnx.save(version_converter.convert_version(onnx.load(path), 13), str(newer))
    return qdq_twin(newer, reader=ImageReader(images))


class ImageReader:
    """Letterboxed images for onnxruntime's quantizer."""

    def __init__(self, images: list[Path]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = map(self._feed, images)

    def _feed(self, path: Path) -> Mapping[str, Any]:
        image, _ = letterbox_image(edgekit.read_image(path), Preprocess(640, 640))
        return {"images": (image[..., ::-1].transpose(2, 0, 1)[None] / 255).astype(np.float32)}

    def get_next(self) -> Mapping[str, Any] | None:
        return next(self._feeds, None)


TWINS = {
    "opset 18": (opset(18), 0.99),
    "opset 22": (opset(22), 0.99),
    "float16": (half, 0.98),
    "open": (open_size, 0.99),
}


@pytest.fixture(scope="module", params=MODELS)
def trained(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Any]]:
    path, folder = shared_data / "models" / request.param, tmp_path_factory.mktemp("plain")
    if not path.is_file():
        pytest.skip(f"no {request.param} in the real material")
    copied = folder / "stock.onnx"
    copied.write_bytes(path.read_bytes())
    images = sorted((shared_data / "coco" / "images" / "val").glob("*.jpg"))[:IMAGES]
    return copied, images, detect(onnx.load(copied), images, folder / "cut")


@pytest.mark.parametrize("name", TWINS)
def test_a_trained_twin_gives_the_plain_detections(
    trained: tuple[Path, list[Path], list[Any]], name: str, tmp_path: Path
) -> None:
    path, images, plain = trained
    if name == "open size" and not read_metadata(onnx.load(path)).imgsz_hw:
        pytest.skip("the published export names no size: it is said by --imgsz")
    make, limit = TWINS[name]
    assert count(plain) > 5
    assert lowest_overlap(plain, detect(make(path, images), images, tmp_path)) >= limit


def test_a_quantized_trained_twin_gives_the_plain_detections(
    trained: tuple[Path, list[Path], list[Any]], tmp_path: Path
) -> None:
    """Weights that lie near the int8 grid of a release barely move; those of YOLOv5 lie on none."""
    path, images, plain = trained
    twin = quantized(path, images)
    assert len(read_declared(cut_graph(twin).model).weight_scales) > 40
    is_on_grid = bool(read_metadata(onnx.load(path)).imgsz_hw)
    if not is_on_grid:
        plain = detect(onnx.load(path), images, tmp_path / "plain", conf=CONFIDENT)
    found = detect(twin, images, tmp_path / "twin", conf=0.25 if is_on_grid else CONFIDENT)
    assert count(plain) > 5
    assert lowest_overlap(plain, found) >= (0.98 if is_on_grid else 0.9)


# Float16 is compared on trained models above: networks of random weights enlarge its rounding.
OPTIONS = {
    "dynamic": ({"dynamic": "True"}, 1e-3),
    "batch 4": ({"batch": "4"}, 1e-3),
    "nms": ({"nms": "True"}, 1e-3),
    "opset 22": ({"opset": "22"}, 1e-3),
    "opset 12": ({"opset": "12"}, 1e-3),
}


@pytest.fixture(scope="module")
def plain_export(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    return onnx.load(ultralytics_export(tmp_path_factory.mktemp("ultralytics"), "yolo11"))


@pytest.mark.parametrize("name", OPTIONS)
def test_an_export_with_an_option_gives_the_plain_heads(
    plain_export: onnx.ModelProto, name: str, tmp_path: Path
) -> None:
    """Heads, not detections: random networks show hundreds of equal scores, of which the first are kept."""
    options, tolerance = OPTIONS[name]
    plain = cut_graph(plain_export)
    twin = cut_graph(onnx.load(ultralytics_export(tmp_path, "yolo11", options=options)))
    image = noise_image((320, 320))
    actual = run_onnx(twin.model, image)
    for head, values in run_onnx(plain.model, image).items():
        assert np.abs(actual[head] - values).max() <= tolerance * np.abs(values).max(), head
