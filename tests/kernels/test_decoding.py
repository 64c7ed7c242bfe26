"""Compiled decoding gives numpy's results for every format of head, on usual, empty, crowded and hostile frames."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.decode import DecodeOptions, Decoder
from edgekit.decode.compiled import CompiledDecoder, frame_block, plan_layout
from edgekit.errors import DeviceError, ModelError
from edgekit.kernels.decoding import ObjectKernel, decode_kernels, mask_logits
from edgekit.ops.prototypes import window_logits_reference
from edgekit.results import Detections, Poses, Results, RotatedDetections, Segmentations
from edgekit.spec import HeadDtype, ModelSpec
from tests.kernels.formats import DTYPES, FORMATS, FRAMES, MASKS, Format, make_frame, make_letterbox, make_spec
from tests.typed import detections, required

pytestmark = pytest.mark.needs_decode_kernels

# What equality means. numpy's exp, tanh and products differ from the kernels' by single units in the last place, and
# from one processor to the next.
PIXELS, SCORES = 2e-3, 2e-6
OPTIONS = {
    "default": DecodeOptions(),
    "scoring": DecodeOptions(score_threshold=0.01, multi_label=True),
    "all cells": DecodeOptions(score_threshold=0.0, iou_threshold=0.5, max_detections=50),
    "no overlap": DecodeOptions(score_threshold=0.1, iou_threshold=0.0, max_detections=7),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_every_format_decodes_as_by_numpy(kind: Format, frame: str) -> None:
    spec = make_spec(kind)
    for name, options in OPTIONS.items():
        by_numpy, compiled = both(spec, options)
        for seed in range(2 if name == "default" else 1):
            heads = make_frame(spec, frame, seed)
            with np.errstate(all="ignore"):
                expected, results = (decode(heads, make_letterbox(spec)) for decode in (by_numpy, compiled))
            same(results, expected, f"{kind} {frame} {name} {seed}")
            assert np.isfinite(detections(results).boxes_xyxy).all() and np.isfinite(detections(results).scores).all()
            assert frame != "empty" or name != "default" or len(results) == 0
            assert frame != "crowded" or len(results) >= 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_single_class_and_a_grid_that_is_no_whole_block(dtype: HeadDtype) -> None:
    kind = Format("yolov8", "detect", dtype)
    spec = make_spec(kind)
    outputs = tuple(
        replace(head, shape=(*head.shape[:3], 1), scale=head.scale[:1]) if head.role == "class" else head
        for head in spec.outputs
    )
    spec = replace(spec, names=("only",), outputs=outputs)
    by_numpy, compiled = both(spec, DecodeOptions(0.3))
    heads = make_frame(spec, "usual")
    same(compiled(heads, make_letterbox(spec)), by_numpy(heads, make_letterbox(spec)), dtype)


def test_limits_that_no_number_of_the_type_reaches_let_all_or_none_pass() -> None:
    spec = make_spec(Format("yolov8", "detect", "int8"))
    for factor in (1e-6, 1e6):  # nothing is far enough from 0; everything positive is far above
        outputs = tuple(
            replace(head, scale=tuple(s * factor for s in head.scale)) if head.role == "class" else head
            for head in spec.outputs
        )
        scaled = replace(spec, outputs=outputs)
        for threshold in (0.4999, 0.5001):
            by_numpy, compiled = both(scaled, DecodeOptions(threshold))
            heads = make_frame(spec, "usual")
            same(compiled(heads, make_letterbox(spec)), by_numpy(heads, make_letterbox(spec)), str((factor, threshold)))


def test_arrays_in_another_order_decode_the_same() -> None:
    spec = make_spec(Format("yolov8", "segment", "float32"))
    _, compiled = both(spec, DecodeOptions())
    heads, letterbox = make_frame(spec, "usual"), make_letterbox(spec)
    turned = {name: np.asfortranarray(array) for name, array in heads.items()}
    unaligned = {name: _unaligned(array) for name, array in heads.items()}
    expected = compiled(heads, letterbox)
    for other in (turned, unaligned):
        same(compiled(other, letterbox), expected, "order")


@pytest.mark.parametrize("damage", ["missing", "shape", "turned", "dtype"])
def test_heads_of_another_model_are_refused_before_c_is_entered(damage: str) -> None:
    spec = make_spec(Format("yolov8", "segment", "float32"))
    _, compiled = both(spec, DecodeOptions())
    heads = make_frame(spec, "usual")
    for name in list(heads):
        other = dict(heads)
        array = other.pop(name)
        if damage == "shape":
            other[name] = array[:, :-1]
        elif damage == "turned":
            other[name] = array.transpose(0, 2, 1, 3)  # as many numbers, another grid
        elif damage == "dtype":
            other[name] = array.astype(np.float64)
        with pytest.raises(ModelError, match=name):
            compiled(other, make_letterbox(spec))


def test_layouts_that_contradict_themselves_are_refused() -> None:
    spec = make_spec(Format("yolov8", "segment", "int16"))
    layout = plan_layout(Decoder(spec).plan)
    library = required(decode_kernels().library)
    grid = layout.grids[0]
    assert grid.box is not None and layout.proto is not None
    wrong = (
        replace(layout, class_count=4),
        replace(layout, reg_max=8),
        replace(layout, extra_channels=3),
        replace(layout, max_objects=0),
        replace(layout, keypoint_shape=(4, 3)),
        replace(layout, kind="anchored"),
        replace(layout, proto=replace(layout.proto, shape=(1, 24, 40, MASKS + 1))),
        replace(layout, grids=(replace(grid, limits=None), *layout.grids[1:])),
        replace(layout, grids=(replace(grid, box=replace(grid.box, shape=(1, 2, 2, 64))), *layout.grids[1:])),
        replace(layout, grids=(replace(grid, box=replace(grid.box, scale=np.ones(3, np.float32))), *layout.grids[1:])),
    )
    for one in wrong:
        with pytest.raises(ValueError, match="expected"):
            ObjectKernel(one, library)
    kernel = ObjectKernel(layout, library)
    with pytest.raises(ValueError, match="argument 2"):
        kernel([], frame_block(make_letterbox(spec)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count, k", [(0, 8), (1, 1), (3, 11), (40, 32)])
def test_mask_logits_are_the_reference(dtype: str, count: int, k: int) -> None:
    rng = np.random.default_rng(count)
    proto = rng.normal(0, 40, (13, 21, k)).astype(dtype)
    coefficients = rng.normal(0, 1, (count, k)).astype(np.float32)
    starts = np.stack([rng.integers(0, 20, count), rng.integers(0, 12, count)], axis=1)
    sizes = np.stack([rng.integers(1, 22 - starts[:, 0]), rng.integers(1, 14 - starts[:, 1])], axis=1)
    windows = np.concatenate([starts, starts + sizes], axis=1).astype(np.int64)
    parts = mask_logits(required(decode_kernels().library), proto, coefficients, windows)
    for part, expected in zip(parts, window_logits_reference(coefficients, proto, windows), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("window", [(-1, 0, 2, 2), (0, 0, 0, 2), (3, 1, 2, 2), (0, 0, 6, 2), (0, 0, 2, 5)])
def test_windows_beyond_the_prototypes_are_refused(window: tuple[int, ...]) -> None:
    proto, coefficients = np.zeros((4, 5, 3), np.float32), np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="beyond"):
        mask_logits(required(decode_kernels().library), proto, coefficients, np.array([window]))
    with pytest.raises(ValueError, match="expected"):
        mask_logits(required(decode_kernels().library), proto, coefficients[:, :2], np.array([(0, 0, 1, 1)]))
    with pytest.raises(ValueError, match="contiguous"):
        mask_logits(required(decode_kernels().library), proto[:, ::2], coefficients, np.array([(0, 0, 1, 1)]))


def test_no_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(Format("yolov8", "detect", "float32"))
    kernel = ObjectKernel(plan_layout(Decoder(spec).plan), required(decode_kernels().library))
    monkeypatch.setattr(kernel, "_library", SimpleNamespace(edgekit_objects=lambda *arguments: -1))
    heads = make_frame(spec, "usual")
    arrays = [heads[f"{role}_{stride}"] for stride in spec.strides for role in ("class", "box")]
    with pytest.raises(DeviceError, match="memory"):
        kernel(arrays, frame_block(make_letterbox(spec)))


def both(spec: ModelSpec, options: DecodeOptions) -> tuple[Decoder, CompiledDecoder]:
    """The same model bound for numpy and for the kernels."""
    by_numpy = Decoder(spec, options, compiled=False)
    library = required(decode_kernels().library)
    assert isinstance(library, ctypes.CDLL)
    return by_numpy, CompiledDecoder(by_numpy.plan, library)


def same(results: Results, expected: Results, where: str) -> None:
    """The same objects in the same order, up to rounding."""
    assert type(results) is type(expected) and isinstance(results, Detections) and isinstance(expected, Detections)
    assert len(results) == len(expected), where
    results = results.take(in_order_of(results, expected, where))
    close(results.scores, expected.scores, SCORES, where)
    close(results.boxes_xyxy, expected.boxes_xyxy, PIXELS, where)
    if isinstance(results, RotatedDetections) and isinstance(expected, RotatedDetections):
        close(results.boxes_xywhr[:, :4], expected.boxes_xywhr[:, :4], PIXELS, where)
        turned = np.abs(np.sin(results.boxes_xywhr[:, 4] - expected.boxes_xywhr[:, 4]))
        assert turned.max(initial=0) < 1e-4, where  # 0 and pi are one angle
    if isinstance(results, Poses) and isinstance(expected, Poses):
        close(results.keypoints_xy, expected.keypoints_xy, PIXELS, where)
        close(results.visibility, expected.visibility, SCORES, where)
    if isinstance(results, Segmentations) and isinstance(expected, Segmentations):
        np.testing.assert_array_equal(results.masks.corners_xy, expected.masks.corners_xy, where)
        for window, reference in zip(results.masks.windows, expected.masks.windows, strict=True):
            assert window.shape == reference.shape, where
            usual = np.isfinite(window) & (np.abs(reference) < 1e6)  # beyond, the order of a sum decides
            close(window[usual], reference[usual], 1e-3 + 1e-4 * np.abs(reference[usual]).max(initial=0), where)


def in_order_of(results: Detections, expected: Detections, where: str) -> np.ndarray:
    """Where each expected object is in the results: scores that differ by rounding alone may have changed places."""
    order: list[int] = []
    for i in range(len(expected)):
        equal = results.class_ids == expected.class_ids[i]
        equal &= np.abs(results.scores - expected.scores[i]) <= SCORES
        equal &= (np.abs(results.boxes_xyxy - expected.boxes_xyxy[i]) <= PIXELS).all(axis=1)
        free = [int(j) for j in np.flatnonzero(equal) if j not in order]
        assert free, f"{where}: object {i} of class {expected.class_ids[i]}, score {expected.scores[i]}, is missing"
        order.append(free[0])
    return np.asarray(order, np.intp)


def close(values: np.ndarray, expected: np.ndarray, tolerance: float, where: str) -> None:
    """Equal up to the tolerance, relative where numbers are large; NaN is NaN."""
    np.testing.assert_allclose(values, expected, atol=tolerance, rtol=1e-4, err_msg=where)


def _unaligned(array: np.ndarray) -> np.ndarray:
    copy = np.empty(array.nbytes + 1, np.uint8)[1:]
    view = copy.view(array.dtype).reshape(array.shape) if array.itemsize == 1 else None
    if view is None:
        view = np.ndarray(array.shape, array.dtype, copy.data)
    view[...] = array
    return view


def test_a_sidecar_whose_heads_contradict_each_other_is_two_lines() -> None:
    spec = make_spec(Format("yolov8", "detect", "float32"))
    box = next(head for head in spec.outputs if head.role == "box")
    wrong = replace(box, shape=(96, *box.shape[1:]))
    outputs = tuple(wrong if head is box else head for head in spec.outputs)
    with pytest.raises(ModelError, match="the description of the heads contradicts itself"):
        Decoder(replace(spec, outputs=outputs))
