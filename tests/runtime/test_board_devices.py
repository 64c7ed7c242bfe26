"""The contract that every device keeps, on stand-ins for the board's two libraries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import DeviceError, ImageError, ModelError
from edgekit.files import write_bytes
from edgekit.runtime.device import Device, dtype_name
from edgekit.runtime.hbm import HbmDevice, import_hbm
from edgekit.runtime.pyeasy import PyeasyDevice, import_pyeasy
from edgekit.runtime.registry import open_model
from edgekit.spec import ModelSpec, save_spec
from tests.decode.scenes import make_spec
from tests.runtime.contract import DeviceContract, Oracle
from tests.runtime.fake_vendor import compute, fake_hbm, fake_pyeasy

SPEC = make_spec(dtype="int32")
NV12 = replace(SPEC, stage="bin", march="bayes-e", input=replace(SPEC.input, kind="nv12"))
LIBRARIES: dict[str, Any] = {
    "hobot_dnn.pyeasy_dnn": (PyeasyDevice, fake_pyeasy),
    "hbm_runtime": (HbmDevice, fake_hbm),
}
DEVICES: dict[str, Callable[[], Device]] = {
    "pyeasy": lambda: PyeasyDevice(Path("model.bin"), module=fake_pyeasy(NV12)),
    "pyeasy without scales": lambda: PyeasyDevice(Path("model.bin"), module=fake_pyeasy(NV12, scales=False)),
    "hbm": lambda: HbmDevice(Path("model.bin"), module=fake_hbm(NV12)),
    "hbm with two planes": lambda: HbmDevice(Path("model.hbm"), module=fake_hbm(NV12, planes=True)),
}


@pytest.fixture(params=LIBRARIES)
def board(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelSpec], None]:
    """Puts a stand-in where the runtime looks for the vendor's library."""

    def install(spec: ModelSpec) -> None:
        fake = LIBRARIES[request.param][1](spec)
        modules = {request.param: fake, request.param.split(".")[0]: ModuleType(request.param.split(".")[0])}
        for name, module in {**modules, request.param: fake}.items():
            monkeypatch.setitem(__import__("sys").modules, name, module)

    return install


class TestBoardDevices(DeviceContract):
    @pytest.fixture(params=DEVICES)
    def device(self, request: pytest.FixtureRequest) -> Device:
        return DEVICES[request.param]()

    @pytest.fixture
    def spec(self) -> ModelSpec:
        return NV12

    @pytest.fixture
    def frames(self) -> Sequence[np.ndarray]:
        return [np.arange(96 * 96, dtype=np.uint8), np.full(96 * 96, 2, np.uint8)]

    @pytest.fixture
    def oracle(self) -> Oracle:
        return lambda frame: compute(NV12, frame)


def test_pyeasy_has_two_frames_on_their_way() -> None:
    """Each waits in the library until the other is there, too: one at a time would never come back."""
    both = threading.Barrier(2, timeout=20)
    device = PyeasyDevice(Path("m.bin"), module=fake_pyeasy(NV12, on_forward=both.wait))
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(device.infer, {"images": np.full(96 * 96, v, np.uint8)}) for v in (1, 2)]
        assert all(f.result() for f in done)


def test_two_planes_are_views_of_the_packed_frame() -> None:
    device = DEVICES["hbm with two planes"]()
    assert device.inputs[0].kind == "nv12"
    with pytest.raises((ModelError, DeviceError, ImageError), match="expected 9216"):
        device.infer({"images": np.zeros(96 * 64 * 3 // 2 + 2, np.uint8)})


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_the_library_refuses(library: str) -> None:
    kind, fake = LIBRARIES[library]
    with pytest.raises(DeviceError, match="cannot load broken.bin"):
        kind(Path("broken.bin"), module=fake(NV12))


@pytest.mark.parametrize("load", [import_pyeasy, import_hbm])
def test_no_library_here(load: Callable[[], ModuleType]) -> None:
    with pytest.raises(DeviceError, match="no BPU library here"):
        load()


def test_a_library_of_another_processor_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise OSError("libdnn.so: wrong ELF class")

    monkeypatch.setattr("edgekit.runtime.pyeasy.importlib.import_module", fail)
    with pytest.raises(DeviceError, match="wrong ELF class"):
        import_pyeasy()


@pytest.mark.parametrize(
    "name, expected", [("HB_DNN_TENSOR_TYPE_S32", "int32"), ("float32", "float32"), ("S16", "int16")]
)
def test_dtype_names(name: str, expected: str) -> None:
    assert dtype_name(name) == expected


def test_a_real_bin_runs_on_the_board(board: Callable[[ModelSpec], None], tmp_path: Path) -> None:
    board(NV12)
    path = tmp_path / "m.bin"
    write_bytes(path, b"\x0a\x10real")
    save_spec(tmp_path / "m.json", NV12)
    session = edgekit.load(path)
    results = session.predict(np.full((48, 80, 3), 90, np.uint8))
    assert results.device == "bpu"
    assert results.to_dict()["simulated"] is False
    assert len(results) > 0
    assert results.size_wh == (80, 48)


def test_no_board_and_no_quantized_graph_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "m_modified.bin"
    write_bytes(path, b"\x0a\x10real")
    with pytest.raises(DeviceError, match="m_quantized_model.onnx is here") as caught:
        open_model(path)
    assert "m_quantized_model.onnx" in caught.value.hint
    with pytest.raises(DeviceError, match="no board runs"):
        open_model(path, device="bpu")


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        open_model(tmp_path / "none.bin")
    write_bytes(tmp_path / "x.txt", b"hello")
    with pytest.raises(ModelError, match="is no model"):
        open_model(tmp_path / "x.txt")
    write_bytes(tmp_path / "empty.bin", b"")
    with pytest.raises(ModelError, match="is no model"):
        open_model(tmp_path / "empty.bin")
