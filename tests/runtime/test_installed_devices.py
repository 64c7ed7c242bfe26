"""A device that another package registers opens models by its name, and never takes a name of edgekit's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ConfigError, DeviceError
from edgekit.runtime import installed_devices as seam
from edgekit.runtime.device import TensorInfo
from edgekit.runtime.registry import known_devices, open_model, require_device
from edgekit.spec import ModelSpec, save_spec, sidecar_path
from tests.decode.scenes import make_spec


class OtherDevice:
    """What a package might bring: one output of zeros."""

    kind = "other"
    inputs = (TensorInfo("images", (1, 3, 64, 64), "uint8"),)
    outputs = (TensorInfo("y", (1, 4), "float32"),)

    def __init__(self, path: Path, spec: ModelSpec | None, threads: int) -> None:
        self.opened = (path, spec, threads)

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"y": np.zeros((1, 4), np.float32)}

    def close(self) -> None:
        """Nothing is held."""


def open_other(path: Path, spec: ModelSpec | None, threads: int = 0) -> OtherDevice:
    return OtherDevice(path, spec, threads)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        EntryPoint("other", f"{__name__}:open_other", seam.ENTRY_POINTS),
        EntryPoint("broken", "no_such_package:open_it", seam.ENTRY_POINTS),
        EntryPoint("sim", f"{__name__}:open_other", seam.ENTRY_POINTS),
    ]
    monkeypatch.setattr(seam, "entry_points", lambda group: entries)


@pytest.mark.usefixtures("registered")
def test_a_registered_device_opens_a_model_with_its_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "model.npu"
    path.write_bytes(b"anything: the file's form is for the device to know")
    save_spec(sidecar_path(path), make_spec())
    opened = open_model(path, device="other", threads=3)
    assert isinstance(opened.device, OtherDevice)
    assert opened.device.opened == (path, make_spec(), 3) and opened.spec == make_spec()


@pytest.mark.usefixtures("registered")
def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.npu"
    path.write_bytes(b"x")
    with pytest.raises(DeviceError, match="'broken' cannot be loaded"):
        open_model(path, device="broken")


@pytest.mark.usefixtures("registered")
def test_known_and_unknown_names() -> None:
    assert "other" in known_devices()
    require_device("other")
    with pytest.raises(ConfigError, match="'another' is unknown"):
        require_device("another")


@pytest.mark.usefixtures("registered")
def test_no_package_takes_the_name_of_a_device_of_edgekit(tmp_path: Path) -> None:
    path = tmp_path / "model.npu"
    path.write_bytes(b"x")
    with pytest.raises(Exception, match="is no model"):
        open_model(path, device="sim")
