"""Class maps and depth maps decoded: integers and floats, cells and full size, by hand and against the definition."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from edgekit.decode import DecodeOptions, Decoder
from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.results import DepthMap, SemanticMap
from edgekit.spec import (
    DepthFormula,
    HeadSpec,
    InputSpec,
    ModelSpec,
    Preprocess,
    TaskName,
    spec_from_dict,
    spec_to_dict,
)

SAME = Letterbox((16, 8), (16, 8), (16, 8), 0, 0)


def _semantic(head: HeadSpec, size_wh: tuple[int, int] = (16, 8)) -> ModelSpec:
    names = tuple(f"kind {i}" for i in range(head.channels))
    return ModelSpec("semantic", names, InputSpec("images"), Preprocess(*size_wh), (head,))


def _classes(spec: ModelSpec, heads: npt.NDArray[Any], letterbox: Letterbox = SAME, **options: bool) -> Any:
    results = Decoder(spec, DecodeOptions(**options))({spec.outputs[0].name: heads}, letterbox)
    assert isinstance(results, SemanticMap)
    return results.class_map


def test_every_pixel_has_the_class_of_its_cell() -> None:
    spec = _semantic(HeadSpec("class_8", "class", (1, 1, 2, 3), 8))
    class_map = _classes(spec, np.array([[[[0, 2, 1], [5, 2, 1]]]], np.float32))
    assert class_map.dtype == np.uint8
    np.testing.assert_array_equal(class_map[0], [1] * 8 + [0] * 8)


def test_integers_of_one_scale_are_compared_as_they_are() -> None:
    head = HeadSpec("class_8", "class", (1, 1, 2, 2), 8, "int32", (0.1, 0.1))
    raw = np.array([[[[2**24, 2**24 + 1], [3, 2]]]], np.int32)  # equal as float32
    np.testing.assert_array_equal(_classes(_semantic(head), raw)[0], [1] * 8 + [0] * 8)


def test_integers_of_other_scales_are_compared_as_logits() -> None:
    head = HeadSpec("class_8", "class", (1, 1, 2, 2), 8, "int32", (0.1, 1.0))
    raw = np.array([[[[20, 3], [40, 3]]]], np.int32)  # 2 < 3, 4 > 3
    np.testing.assert_array_equal(_classes(_semantic(head), raw)[0], [1] * 8 + [0] * 8)


def test_at_full_size_the_border_lies_where_the_logits_cross() -> None:
    spec = _semantic(HeadSpec("class_8", "class", (1, 1, 2, 2), 8))
    heads = np.array([[[[3, 0], [0, 1]]]], np.float32)  # cell centers at 4 and 12; equal at 4 + 8 * 3/4 = 10
    assert _classes(spec, heads)[0].tolist() == [0] * 8 + [1] * 8
    assert _classes(spec, heads, full_size=True)[0].tolist() == [0] * 10 + [1] * 6


def test_many_classes_have_two_bytes() -> None:
    spec = _semantic(HeadSpec("class_8", "class", (1, 1, 2, 300), 8))
    heads = np.zeros((1, 1, 2, 300), np.float32)
    heads[..., 299] = 1
    class_map = _classes(spec, heads)
    assert (class_map.dtype, class_map.max()) == (np.uint16, 299)


def test_the_letterbox_is_undone() -> None:
    preprocess = Preprocess(32, 32)
    head = HeadSpec("class_8", "class", (1, 4, 4, 2), 8)
    heads = np.zeros((1, 4, 4, 2), np.float32)
    heads[:, 1:3, :, 1] = 1  # the rows of the image; the padding above and below is of class 0
    letterbox = letterbox_of((64, 32), preprocess)
    assert _classes(_semantic(head, (32, 32)), heads, letterbox).shape == (32, 64)
    assert (_classes(_semantic(head, (32, 32)), heads, letterbox) == 1).all()


def _depth(formula: DepthFormula | None) -> ModelSpec:
    head = HeadSpec("depth_8", "depth", (1, 1, 2, 1), 8)
    return ModelSpec("depth", ("depth",), InputSpec("images"), Preprocess(16, 8), (head,), depth=formula)


@pytest.mark.parametrize(
    ("formula", "full_size", "expected"),
    [
        (DepthFormula("exp"), False, [1.0, np.e**2]),
        (DepthFormula("sigmoid", 10.0, 1.0), False, [6.0, 10 / (1 + np.exp(-2)) + 1]),
        (DepthFormula("linear", 2.0, low=0.5, high=3.0), False, [0.5, 3.0]),
        (DepthFormula("exp"), True, [1 + (np.e**2 - 1) * 7 / 16, 1 + (np.e**2 - 1) * 9 / 16]),
        (DepthFormula("exp", interpolates_raw=True), True, [np.exp(2 * 7 / 16), np.exp(2 * 9 / 16)]),
    ],
)
def test_raw_numbers_become_depths(formula: DepthFormula, full_size: bool, expected: list[float]) -> None:
    decoder = Decoder(_depth(formula), DecodeOptions(full_size=full_size))
    results = decoder({"depth_8": np.array([[[[0], [2]]]], np.float32)}, SAME)
    assert isinstance(results, DepthMap)
    assert results.depth.dtype == np.float32
    np.testing.assert_allclose(results.depth[3, 7:9], expected, rtol=1e-5)  # the pixels beside the middle


def test_a_depth_model_without_its_formula_is_refused() -> None:
    with pytest.raises(ModelError, match="no formula of depths"):
        Decoder(_depth(None))({"depth_8": np.zeros((1, 1, 2, 1), np.float32)}, SAME)


def test_the_formula_is_kept_in_the_sidecar() -> None:
    spec = _depth(DepthFormula("sigmoid", 80.0, low=0.1, high=80.0))
    assert spec_from_dict(spec_to_dict(spec)) == spec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "tanh"}, "depth.activation"),
        ({"factor": 0.0}, "depth.factor"),
        ({"low": 3.0, "high": 1.0}, "the lower one first"),
    ],
)
def test_a_formula_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        DepthFormula(**changes)


def test_a_map_has_one_output() -> None:
    heads = tuple(HeadSpec(f"class_{s}", "class", (1, 16 // s, 32 // s, 2), s) for s in (8, 16))
    with pytest.raises(ModelError, match="2 outputs, expected one"):
        Decoder(ModelSpec("semantic", ("a", "b"), InputSpec("images"), Preprocess(32, 16), heads))


@pytest.mark.parametrize(
    ("name", "task", "channels", "expected"),
    [("class_8", "", 19, "semantic"), ("depth_4", "", 1, "depth"), ("out", "depth", 1, "depth")],
)
def test_an_only_map_is_told_by_its_name_or_its_task(
    name: str, task: Literal[TaskName, ""], channels: int, expected: str
) -> None:
    heads = infer_roles([(name, (1, 8, 12, channels))], (96, 64), task=task)
    assert task_of_heads(heads) == expected
