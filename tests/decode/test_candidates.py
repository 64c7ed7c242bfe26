from __future__ import annotations

import numpy as np
import pytest

from edgekit.decode.anchorfree import AnchorFreeHeads
from edgekit.decode.candidates import Candidates
from edgekit.decode.heads import Heads
from edgekit.decode.tasks import TASKS
from edgekit.errors import ModelError
from edgekit.spec import HeadDtype, ModelSpec
from tests.decode.scenes import floats, make_heads, make_spec, plain_candidates


def bound(spec: ModelSpec, threshold: float) -> AnchorFreeHeads:
    return AnchorFreeHeads(Heads(spec), extra_role=TASKS[spec.task].extra_role, score_threshold=threshold)


def find_candidates(
    heads: dict[str, np.ndarray], spec: ModelSpec, *, score_threshold: float, multi_label: bool = False
) -> Candidates:
    return bound(spec, score_threshold).candidates(heads, multi_label=multi_label)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int16"])
@pytest.mark.parametrize("reg_max, classes", [(16, 3), (1, 3), (16, 1)])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.25, 0.9])
def test_equals_the_plain_decoder(dtype: HeadDtype, reg_max: int, classes: int, threshold: float) -> None:
    spec = make_spec(dtype=dtype, reg_max=reg_max, classes=classes)
    heads = make_heads(spec)
    found = find_candidates(heads, spec, score_threshold=threshold)
    expected = [c for c in plain_candidates(spec, heads) if c["scores"].max() > threshold]
    assert len(found) == len(expected)
    assert len(found) > 0 or threshold == 0.9
    np.testing.assert_allclose(found.boxes_xyxy, [c["box"] for c in expected], atol=2e-3)
    np.testing.assert_allclose(found.scores, [c["scores"].max() for c in expected], atol=1e-5)
    assert found.class_ids.tolist() == [int(c["scores"].argmax()) for c in expected]


def test_multi_label_gives_every_class_above_the_threshold() -> None:
    spec = make_spec(dtype="int32")
    heads = make_heads(spec)
    found = find_candidates(heads, spec, score_threshold=0.2, multi_label=True)
    expected = [(k, s) for c in plain_candidates(spec, heads) for k, s in enumerate(c["scores"]) if s > 0.2]
    assert found.class_ids.tolist() == [k for k, _ in expected]
    np.testing.assert_allclose(found.scores, [s for _, s in expected], atol=1e-5)


def test_nothing_above_the_threshold() -> None:
    spec = make_spec()
    heads = {k: np.full_like(v, -30) if k.startswith("class") else v for k, v in make_heads(spec).items()}
    found = find_candidates(heads, spec, score_threshold=0.25)
    assert found.boxes_xyxy.shape == (0, 4)
    assert len(found.suppress(iou_threshold=0.7, max_detections=300)) == 0


def test_threshold_of_one_lets_nothing_through() -> None:
    spec = make_spec(dtype="int32")
    assert len(find_candidates(make_heads(spec), spec, score_threshold=1.0)) == 0


def test_rows_are_gathered_at_the_survivors_own_cells() -> None:
    spec = make_spec(dtype="int32")
    heads = make_heads(spec)
    heads_of_grids = bound(spec, 0.25)
    found = heads_of_grids.candidates(heads).suppress(iou_threshold=0.5, max_detections=9)
    got = heads_of_grids.extra_rows(heads, found)
    for row, stride, cell in zip(got, found.strides, found.cells, strict=True):
        grid = floats(spec, heads, "mask", int(stride)).reshape(-1, 8)
        np.testing.assert_allclose(row, grid[cell], rtol=1e-5)


def test_order_of_outputs_does_not_matter() -> None:
    spec = make_spec()
    heads = make_heads(spec)
    turned = dict(reversed(heads.items()))
    a = find_candidates(heads, spec, score_threshold=0.25)
    b = find_candidates(turned, spec, score_threshold=0.25)
    np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"box_8": None}, "no output 'box_8'"),
        ({"box_8": np.zeros((1, 8, 12, 63), np.float32)}, "expected \\(1, 8, 12, 64\\)"),
        ({"class_16": np.zeros((1, 4, 6, 3), np.int32)}, "expected .* float32"),
    ],
)
def test_heads_that_contradict_the_sidecar(change: dict[str, np.ndarray | None], message: str) -> None:
    spec = make_spec()
    heads = {k: v for k, v in {**make_heads(spec), **change}.items() if v is not None}
    with pytest.raises(ModelError, match=message):
        Heads(spec).check(heads)
