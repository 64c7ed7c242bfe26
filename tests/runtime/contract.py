"""What every device keeps to, real, simulated or a stand-in: a suite to inherit from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgekit.errors import DeviceError, ModelError
from edgekit.runtime.board import fit_to_device
from edgekit.runtime.device import Device, Tensors
from edgekit.spec import ModelSpec

Oracle = Callable[[np.ndarray], Tensors]


class DeviceContract:
    """A subclass gives the fixtures `device`, `spec`, `frames` (two that differ) and `oracle` (frame -> outputs)."""

    def test_says_what_it_is(self, device: Device, spec: ModelSpec) -> None:
        assert device.kind in ("bpu", "sim", "hbdk-sim", "onnxruntime")
        assert spec.input.name in [t.name for t in device.inputs]
        by_name = {t.name: t for t in device.outputs}
        assert set(by_name) == {head.name for head in spec.outputs}
        for head in spec.outputs:
            info = by_name[head.name]
            assert (info.shape, info.dtype) == (head.shape, head.dtype)
            if info.scale:
                np.testing.assert_allclose(info.scale, np.broadcast_to(head.scale, len(info.scale)), rtol=1e-6)
        assert fit_to_device(spec, device, location="m.bin") == spec

    def test_outputs_by_name_whatever_their_order(
        self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray], oracle: Oracle
    ) -> None:
        same(device.infer({spec.input.name: frames[0]}), oracle(frames[0]))

    def test_a_frame_keeps_its_numbers_when_the_next_one_runs(
        self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray]
    ) -> None:
        first = device.infer({spec.input.name: frames[0]})
        kept = {name: value.copy() for name, value in first.items()}
        second = device.infer({spec.input.name: frames[1]})
        assert any((kept[name] != second[name]).any() for name in kept)
        same(first, kept)

    def test_frames_of_several_threads_do_not_mix(
        self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray], oracle: Oracle
    ) -> None:
        expected = [oracle(frame) for frame in frames]
        turns = list(range(len(frames))) * 6
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda i: device.infer({spec.input.name: frames[i]}), turns))
        for turn, outputs in zip(turns, found, strict=True):
            same(outputs, expected[turn])

    def test_the_input_is_read_only(self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray]) -> None:
        frame = frames[0].copy()
        frame.flags.writeable = False
        device.infer({spec.input.name: frame})
        np.testing.assert_array_equal(frame, frames[0])

    def test_a_missing_input_is_named(self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray]) -> None:
        with pytest.raises(ModelError, match=spec.input.name):
            device.infer({"another": frames[0]})

    def test_a_closed_device_says_so(self, device: Device, spec: ModelSpec, frames: Sequence[np.ndarray]) -> None:
        device.close()
        with pytest.raises(DeviceError, match="closed"):
            device.infer({spec.input.name: frames[0]})


def same(outputs: Tensors, expected: Tensors) -> None:
    """Both hold the same names with equal arrays of equal dtype."""
    assert outputs.keys() == expected.keys()
    for name, value in expected.items():
        assert outputs[name].dtype == value.dtype
        np.testing.assert_array_equal(outputs[name], value)
