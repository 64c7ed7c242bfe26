"""What a session makes of images and of a camera's NV12 frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edgekit.ops.buffers import Buffers
from edgekit.ops.nv12 import nv12_to_bgr
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.runtime.session import Session
from edgekit.spec import InputKind, InputSpec, Layout
from tests.decode.scenes import make_spec
from tests.runtime.fake_vendor import compute
from tests.typed import detections

SPEC = replace(make_spec(), stage="bin", input=InputSpec("images", "nv12"))
BGR = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


class FakeDevice:
    kind = "sim"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        return compute(SPEC, inputs["images"])

    def close(self) -> None: ...


def test_a_frame_of_the_inputs_size_passes_through() -> None:
    frame = bgr_to_nv12(BGR)
    inputs, letterbox = Session(SPEC, FakeDevice()).prepare_nv12(frame, (96, 64))
    assert np.shares_memory(inputs, frame)
    assert letterbox.resized_wh == (96, 64)


def test_a_frame_gives_the_results_of_its_image() -> None:
    session = Session(SPEC, FakeDevice())
    by_frame, by_image = session.prepare_nv12(bgr_to_nv12(BGR), (96, 64)), session.prepare(BGR)
    results = [session.decode(session.infer(inputs), letterbox) for inputs, letterbox in (by_frame, by_image)]
    assert len(results[0]) > 0
    np.testing.assert_array_equal(detections(results[0]).boxes_xyxy, detections(results[1]).boxes_xyxy)


@pytest.mark.parametrize("kind, layout", [("rgb", "NCHW"), ("bgr", "NHWC")])
def test_a_model_that_takes_no_nv12_gets_its_own_kind(kind: InputKind, layout: Layout) -> None:
    session = Session(replace(SPEC, input=InputSpec("images", kind, layout)), FakeDevice())
    frame = bgr_to_nv12(BGR)
    inputs, _ = session.prepare_nv12(frame, (96, 64))
    expected, _ = session.prepare(nv12_to_bgr(frame, (96, 64)))
    np.testing.assert_array_equal(inputs, expected)


def test_without_buffers_every_frame_has_its_own_array() -> None:
    session, buffers = Session(SPEC, FakeDevice()), Buffers()
    first, second = (session.prepare(BGR)[0] for _ in range(2))
    assert not np.shares_memory(first, second)
    first, second = (session.prepare(BGR, buffers=buffers)[0] for _ in range(2))
    assert np.shares_memory(first, second)


def test_float_models_get_floats() -> None:
    session = Session(replace(SPEC, stage="heads", input=InputSpec("images")), FakeDevice())
    inputs, _ = session.prepare(BGR)
    assert inputs.dtype == np.float32
    assert inputs.shape == (1, 3, 64, 96)
    assert 0 <= inputs.min() <= inputs.max() <= 1
