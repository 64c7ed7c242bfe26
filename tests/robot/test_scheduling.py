from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import DeviceError
from edgekit.robot.scheduling import set_scheduling
from edgekit.runtime.hbm import HbmDevice
from edgekit.runtime.pyeasy import PyeasyDevice
from tests.runtime.fake_vendor import fake_hbm, fake_pyeasy
from tests.runtime.live_parts import CountingDevice
from tests.runtime.test_board_devices import NV12

FRAME = {"images": np.zeros(96 * 96, np.uint8)}


def test_pyeasy_takes_both_with_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    module, calls = fake_pyeasy(NV12), []
    load = module.load

    def loading(path: object) -> Any:
        (model,) = load(path)
        forward = model.forward
        model.forward = lambda data, **options: calls.append(options) or forward(data, **options)
        return [model]

    monkeypatch.setattr(module, "load", loading)
    device = PyeasyDevice(Path("m.bin"), module=module)
    device.infer(FRAME)
    assert set_scheduling(device, 7, 0)
    device.infer(FRAME)
    assert set_scheduling(device, 3, None)
    device.infer(FRAME)
    assert calls == [{}, {"core_id": 1, "priority": 7}, {"core_id": 0, "priority": 3}]


def test_hbm_takes_both_at_once() -> None:
    module, calls = fake_hbm(NV12), []

    def set_params(self: object, **options: Any) -> None:
        if options["priority"]["m"] > 200:
            raise ValueError("out of range")
        calls.append(options)

    module.HB_HBMRuntime.set_scheduling_params = set_params
    device = HbmDevice(Path("m.hbm"), module=module)
    assert set_scheduling(device, 9, 0) and set_scheduling(device, 1, None)
    assert calls == [{"priority": {"m": 9}, "bpu_cores": {"m": [0]}}, {"priority": {"m": 1}}]
    with pytest.raises(DeviceError, match="refuses priority 201 and core None"):
        set_scheduling(device, 201, None)


def test_devices_without_either() -> None:
    assert not set_scheduling(CountingDevice(), 3, 0)
