"""The contract that every device keeps, on stand-ins for the board's two libraries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edgekit
from edgekit.errors import DeviceError, ImageError, ModelError
from edgekit.files import write_bytes
from edgekit.runtime.board import fit_to_device
from edgekit.runtime.device import Device, dtype_name
from edgekit.runtime.hbm import HbmDevice, import_hbm
from edgekit.runtime.pyeasy import PyeasyDevice, import_pyeasy
from edgekit.runtime.registry import open_model
from edgekit.spec import ModelSpec, save_spec
from tests.decode.scenes import make_spec
from tests.runtime.fake_vendor import compute, fake_hbm, fake_pyeasy

SPEC = make_spec(dtype="int32")
NV12 = replace(SPEC, stage="bin", march="bayes-e", input=replace(SPEC.input, kind="nv12"))
LIBRARIES = {
    "hobot_dnn.pyeasy_dnn": (PyeasyDevice, fake_pyeasy),
    "hbm_runtime": (HbmDevice, fake_hbm),
}
DEVICES: dict[str, Callable[[], Device]] = {
    "pyeasy": lambda: PyeasyDevice(Path("model.bin"), module=fake_pyeasy(NV12)),
    "pyeasy without scales": lambda: PyeasyDevice(Path("model.bin"), module=fake_pyeasy(NV12, scales=False)),
    "hbm": lambda: HbmDevice(Path("model.bin"), module=fake_hbm(NV12)),
    "hbm with two planes": lambda: HbmDevice(Path("model.hbm"), module=fake_hbm(NV12, planes=True)),
}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Device:
    return DEVICES[request.param]()


@pytest.fixture(params=LIBRARIES)
def board(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelSpec], None]:
    """Puts a stand-in where the runtime looks for the vendor's library."""

    def install(spec: ModelSpec) -> None:
        fake = LIBRARIES[request.param][1](spec)
        modules = {request.param: fake, request.param.split(".")[0]: ModuleType(request.param.split(".")[0])}
        for name, module in {**modules, request.param: fake}.items():
            monkeypatch.setitem(__import__("sys").modules, name, module)

    return install


def test_says_what_it_is(device: Device) -> None:
    assert device.kind == "bpu"
    assert [t.name for t in device.inputs] == ["images"]
    by_name = {t.name: t for t in device.outputs}
    for head in NV12.outputs:
        info = by_name[head.name]
        assert (info.shape, info.dtype) == (head.shape, head.dtype)
        if info.scale:
            np.testing.assert_allclose(info.scale, head.scale, rtol=1e-6)
    assert fit_to_device(NV12, device, place="m.bin") == NV12


def test_outputs_by_name_whatever_their_order(device: Device) -> None:
    frame = np.arange(96 * 96, dtype=np.uint8)
    outputs = device.infer({"images": frame})
    for name, expected in compute(NV12, frame).items():
        np.testing.assert_array_equal(outputs[name], expected)


def test_a_frame_keeps_its_numbers_when_the_next_one_runs(device: Device) -> None:
    frames = [np.full(96 * 96, v, np.uint8) for v in (1, 2)]
    first = device.infer({"images": frames[0]})
    kept = {k: v.copy() for k, v in first.items()}
    second = device.infer({"images": frames[1]})
    assert any((kept[k] != second[k]).any() for k in kept)
    for name in kept:
        np.testing.assert_array_equal(first[name], kept[name])


def test_a_missing_input_is_named(device: Device) -> None:
    with pytest.raises((ModelError, DeviceError), match="images|frame"):
        device.infer({"image": np.zeros(4, np.uint8)})


def test_frames_of_several_threads_do_not_mix(device: Device) -> None:
    frames = [np.full(96 * 96, v, np.uint8) for v in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda frame: device.infer({"images": frame}), frames * 3))
    for frame, outputs in zip(frames * 3, found, strict=True):
        for name, expected in compute(NV12, frame).items():
            np.testing.assert_array_equal(outputs[name], expected)


def test_a_closed_device_says_so(device: Device) -> None:
    device.close()
    with pytest.raises(DeviceError, match="closed"):
        device.infer({"images": np.zeros(96 * 96, np.uint8)})


def test_pyeasy_has_two_frames_on_their_way() -> None:
    """Each waits in the library until the other is there, too: one at a time would never come back."""
    both = threading.Barrier(2, timeout=20)
    device = PyeasyDevice(Path("m.bin"), module=fake_pyeasy(NV12, on_forward=lambda: both.wait() and None))
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
    session = edgekit.load(path, conf=0.5)
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
