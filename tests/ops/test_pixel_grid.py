"""Maps of cells at the pixels of the original image: by hand, against the definition, and against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.ops.pixel_grid import cell_positions, expand_cells, interpolate_cells, interpolated_classes
from edgekit.spec import Preprocess

SAME = Letterbox((8, 4), (8, 4), (8, 4), 0, 0)  # the image is the input


def test_positions_count_centers() -> None:
    rows, columns = cell_positions(SAME, (2, 4))
    np.testing.assert_allclose(rows, [-0.25, 0.25, 0.75, 1.25])
    np.testing.assert_allclose(columns[:3], [-0.25, 0.25, 0.75])


def test_pixels_take_the_value_of_their_cell() -> None:
    cells = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint8)
    expanded = expand_cells(cells, SAME)
    assert expanded.dtype == np.uint8
    np.testing.assert_array_equal(expanded[0], [1, 1, 2, 2, 3, 3, 4, 4])
    np.testing.assert_array_equal(expanded[:, 0], [1, 1, 5, 5])


def test_the_padding_of_the_letterbox_is_left_out() -> None:
    letterbox = letterbox_of((16, 8), Preprocess(32, 32))  # twice as large, 8 rows of padding above and below
    cells = np.zeros((8, 8), np.uint8)
    cells[2:6] = 1
    np.testing.assert_array_equal(expand_cells(cells, letterbox), np.ones((8, 16), np.uint8))


def test_values_between_cells_are_interpolated_by_hand() -> None:
    cells = np.array([[0.0, 4.0]], np.float32)
    letterbox = Letterbox((4, 1), (4, 1), (4, 1), 0, 0)
    np.testing.assert_allclose(interpolate_cells(cells, letterbox), [[0, 1, 3, 4]])


@pytest.mark.parametrize("source_wh", [(31, 17), (64, 64), (97, 40), (5, 90)])
def test_interpolation_is_the_definition(source_wh: tuple[int, int]) -> None:
    letterbox = letterbox_of(source_wh, Preprocess(64, 32))
    cells = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
    expected = interpolated_reference(cells[..., None], letterbox)[..., 0]
    np.testing.assert_allclose(interpolate_cells(cells, letterbox), expected, atol=1e-5)


@pytest.mark.parametrize("source_wh", [(31, 17), (64, 64), (97, 40), (5, 90)])
def test_classes_along_borders_are_those_of_interpolated_logits(source_wh: tuple[int, int]) -> None:
    letterbox = letterbox_of(source_wh, Preprocess(64, 32))
    logits = np.random.default_rng(4).normal(size=(4, 8, 5)).astype(np.float32)
    logits[:2, :4, 2] += 9  # a region of one class beside mixed ones
    class_ids = logits.argmax(axis=2).astype(np.uint8)
    expected = interpolated_reference(logits, letterbox).argmax(axis=2)
    np.testing.assert_array_equal(interpolated_classes(logits, class_ids, letterbox), expected)


def test_interpolation_is_that_of_onnx_resize() -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from edgekit.graph.onnx_graph import open_session

    nodes = [
        helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel")
    ]
    graph = helper.make_graph(
        nodes,
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 3, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 24, 40])],
        [helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    cells = np.random.default_rng(5).normal(size=(3, 5)).astype(np.float32)
    expected = open_session(model)({"x": cells[None, None]})["y"][0, 0]
    np.testing.assert_allclose(
        interpolate_cells(cells, Letterbox((40, 24), (40, 24), (40, 24), 0, 0)), expected, atol=1e-5
    )


def interpolated_reference(values: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Every pixel by the definition, in float64."""
    rows, columns = cell_positions(letterbox, values.shape[:2])
    rows, columns = rows.clip(0, values.shape[0] - 1), columns.clip(0, values.shape[1] - 1)
    out = np.zeros((len(rows), len(columns), values.shape[2]))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, values.shape[0] - 1), min(x0 + 1, values.shape[1] - 1)
            upper = values[y0, x0] * (1 - (x - x0)) + values[y0, x1] * (x - x0)
            lower = values[y1, x0] * (1 - (x - x0)) + values[y1, x1] * (x - x0)
            out[i, j] = upper * (1 - (y - y0)) + lower * (y - y0)
    return out
