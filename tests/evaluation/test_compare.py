from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import edgekit
from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.compare import compare_models, in_layout_of
from edgekit.evaluation.compared_model import open_compared
from edgekit.evaluation.detection_diff import diff_detections
from edgekit.results import Detections
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import required


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    write_images(folder / "images", 8)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return save_tiny_yolo(folder / "tiny.onnx", family="yolov8", task="segment")


@pytest.fixture(scope="module")
def built(folder: Path, model: Path) -> CompileResult:
    """The tiny model through our own calibration and compiler."""
    work = calibrate(model, folder / "images", folder / "work", num=8, input_kind="rgb")
    return compile_model(work.yaml_path, toolchain="sim")


def test_float_against_itself_is_the_same_everywhere(model: Path, folder: Path) -> None:
    result = compare_models(model, model, folder / "images", num=2)
    assert len(result.layers) > 20 and len(result.heads) == 10
    assert min(layer.metrics.cosine for layer in result.layers) == pytest.approx(1, abs=1e-9)
    assert all(figures.max_abs == 0 for figures in result.heads.values())
    assert result.passes and result.first_below is None
    assert sum(one.changes for one in result.differences) == 0


def test_float_against_its_quantized_graph_layer_by_layer(model: Path, built: CompileResult, folder: Path) -> None:
    result = compare_models(model, built.quantized_path, folder / "images", num=3)
    assert len(result.layers) > 10 and len(result.heads) == 10
    cosines = [layer.metrics.cosine for layer in result.layers]
    assert min(cosines) > 0.9 and max(cosines) < 1
    assert all(figures.cosine > 0.95 for figures in result.heads.values())
    assert result.layers[0].node.startswith("/model")
    first = replace(result, threshold=sorted(cosines)[len(cosines) // 2]).first_below
    assert first is not None and first.metrics.cosine < sorted(cosines)[len(cosines) // 2]
    assert not replace(result, threshold=1.0).passes
    assert result.to_dict()["layers"][0]["node"] == result.layers[0].node


def test_the_graph_against_its_bin_is_equal_to_the_last_integer(built: CompileResult, folder: Path) -> None:
    result = compare_models(built.quantized_path, built.bin_path, folder / "images", num=1)
    assert result.heads and all(figures.max_abs < 1e-6 for figures in result.heads.values())
    assert result.layers and all(layer.metrics.unequal in (0, None) for layer in result.layers)


def test_the_node_where_a_graph_was_damaged_is_named(model: Path, folder: Path, tmp_path: Path) -> None:
    """One convolution's weights are halved and shuffled: the first layer that parts is that convolution."""
    graph = onnx.load(str(model))
    convs = [node for node in graph.graph.node if node.op_type == "Conv"]
    victim = convs[3]
    weights = next(i for i in graph.graph.initializer if i.name == victim.input[1])
    values = numpy_helper.to_array(weights)
    weights.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values[::-1] * 0.5), weights.name))
    onnx.save(graph, str(tmp_path / "damaged.onnx"))
    result = compare_models(model, tmp_path / "damaged.onnx", folder / "images", num=1)
    assert result.first_below is not None
    assert result.first_below.node == victim.name


def test_dumped_outputs_are_compared_head_by_head(model: Path, folder: Path, tmp_path: Path) -> None:
    session = edgekit.load(model)
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for path in sorted((folder / "images").iterdir())[:2]:
        heads = dict(session.infer(session.prepare(edgekit.read_image(path))[0]))
        heads["box_8"] = heads["box_8"] + 0.5
        np.savez(dumps / f"{path.stem}.npz", allow_pickle=False, **heads)
    result = compare_models(model, dumps, folder / "images", num=2)
    assert result.heads["box_8"].max_abs == pytest.approx(0.5, abs=1e-5)
    assert result.heads["class_8"].max_abs < 1e-4
    assert result.layers == () and result.differences == ()
    with pytest.raises(DataError, match=r"has no image_002\.npz"):
        compare_models(model, dumps, folder / "images", num=3)
    with pytest.raises(ModelError, match="both dumps"):
        compare_models(dumps, dumps, folder / "images", num=1)


def test_integers_of_a_board_are_read_by_the_scales_of_the_graph_that_gives_floats(
    model: Path, built: CompileResult, folder: Path, tmp_path: Path
) -> None:
    """The board runs a build without Dequantize nodes, while its quantized graph still has them."""
    side = open_compared(built.quantized_path)
    assert side.session is not None
    path = sorted((folder / "images").iterdir())[0]
    inputs, _ = side.session.prepare(edgekit.read_image(path))
    floats = side.run(path.stem, inputs, [])
    ints = {}
    for name in (head.name for head in side.session.spec.outputs):
        scale, axis = side.output_scales[name]
        factors = scale.reshape([-1 if i == axis and scale.size > 1 else 1 for i in range(4)])
        ints[name] = np.round(floats[name] / factors).astype(np.int32)
    assert np.abs(ints["box_8"]).max() > 100
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    np.savez(dumps / f"{path.stem}.npz", allow_pickle=False, **ints)
    result = compare_models(built.quantized_path, dumps, folder / "images", num=1)
    assert len(result.heads) == 10 and all(figures.max_abs == 0 for figures in result.heads.values())
    with pytest.raises(ModelError, match="holds integers, and neither model knows their scale"):
        compare_models(model, dumps, folder / "images", num=1)


def test_bad_dumps_are_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "image_000.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read as arrays"):
        compare_models(model, tmp_path, folder / "images", num=1)
    np.savez(tmp_path / "image_000.npz", other=np.zeros(3))
    with pytest.raises(ModelError, match=r"output 'box_8' is only other"):
        compare_models(model, tmp_path, folder / "images", num=1)
    np.savez(tmp_path / "image_000.npz", box_8=np.asarray([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        compare_models(model, tmp_path, folder / "images", num=1)


def detections(rows: list[tuple[float, ...]]) -> Detections:
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), ("cat", "dog"), (200, 200), "sim")


def test_detections_in_the_users_terms() -> None:
    a = detections([(0, 0, 50, 50, 0.9, 0), (100, 100, 150, 150, 0.8, 1), (0, 100, 50, 150, 0.6, 0)])
    b = detections([(0, 0, 50, 50, 0.7, 0), (100, 100, 150, 139, 0.8, 1), (60, 0, 90, 40, 0.5, 1)])
    one = diff_detections("x.jpg", a, b)
    assert [s.name for s in one.lost] == ["cat"] and one.lost[0].score == pytest.approx(0.6)
    assert [s.box_xyxy for s in one.gained] == [(60, 0, 90, 40)]
    assert [s.iou for s in one.moved] == [pytest.approx(0.78)]
    assert (one.kept, one.changes) == (1, 3)
    empty = diff_detections("x.jpg", detections([]), detections([]))
    assert empty.changes == empty.kept == 0


def test_images_of_what_changed(folder: Path, model: Path, tmp_path: Path) -> None:
    import cv2

    other = save_tiny_yolo(tmp_path / "other.onnx", family="yolov8", task="segment", seed=3)
    result = compare_models(model, other, folder / "images", num=3, images_dir=tmp_path / "out")
    drawn = [one for one in result.differences if one.drawing]
    assert drawn
    image = cv2.imread(str(tmp_path / "out" / drawn[0].drawing))
    assert image is not None and image.shape == (72, 2 * 96 + 8, 3)


def test_layouts() -> None:
    nchw = np.arange(2 * 3 * 4, dtype=np.float32).reshape(1, 2, 3, 4)
    nhwc = nchw.transpose(0, 2, 3, 1)
    assert np.array_equal(required(in_layout_of(nchw, nhwc.astype(np.int8))), nchw)
    assert np.array_equal(required(in_layout_of(nhwc, nchw)), nhwc)
    square = np.arange(27, dtype=np.int8).reshape(1, 3, 3, 3)
    assert np.array_equal(required(in_layout_of(square.astype(np.float32), square)), square.transpose(0, 3, 1, 2))
    assert in_layout_of(nchw, np.zeros((1, 5, 5, 5))) is None


def test_a_side_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        open_compared(tmp_path / "absent.onnx")


def test_numbered_classes_are_shown_with_the_other_sides_names(folder: Path, tmp_path: Path) -> None:
    numbered = save_tiny_yolo(tmp_path / "numbered.onnx", family="yolov8", seed=1)
    graph = onnx.load(str(numbered))
    names = next(entry for entry in graph.metadata_props if entry.key == "names")
    names.value = "{0: '0', 1: '1', 2: '2'}"
    onnx.save(graph, str(numbered))
    named = save_tiny_yolo(tmp_path / "named.onnx", family="yolov8", seed=2)
    for pair in ((numbered, named), (named, numbered)):
        result = compare_models(*pair, folder / "images", num=2)
        seen = [s.name for one in result.differences for s in (*one.lost, *one.gained, *one.moved)]
        assert seen and all(name.startswith("thing") for name in seen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "pose"}, "does 'segment' with 3 classes, but other.onnx 'pose'"),
        ({"task": "segment", "num_classes": 5}, "'segment' with 5, expected the same"),
    ],
)
def test_models_of_another_kind_are_refused(
    model: Path, folder: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    other = save_tiny_yolo(tmp_path / "other.onnx", family="yolov8", **options)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        compare_models(model, other, folder / "images", num=1)
