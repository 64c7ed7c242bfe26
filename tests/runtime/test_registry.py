"""Which device runs which file: every pair that does not fit is refused, and what is here is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")  # a board has none, and no simulated device

from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError, DeviceError, UnfitError
from edgekit.files import write_bytes
from edgekit.runtime import board
from edgekit.runtime.registry import available_devices, open_model, require_device
from tests.sim.compiler.works import make_work
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A simulated .bin and its quantized graph."""
    done = compile_model(make_work(tmp_path_factory.mktemp("registry") / "work", kind="rgb"), toolchain="sim")
    return done.bin_path, done.quantized_path


@pytest.mark.parametrize("device", ["bpu", "hbdk-sim", "cpu"])
def test_simulated_files_run_on_the_simulated_device_alone(compiled: tuple[Path, Path], device: str) -> None:
    for path, what in zip(compiled, ("simulated .bin", "quantized graph"), strict=True):
        with pytest.raises(UnfitError, match=f"{what}, which '{device}' cannot run"):
            open_model(path, device=device)


@pytest.mark.parametrize("device", ["sim", "bpu", "hbdk-sim"])
def test_a_float_model_runs_on_providers_alone(tmp_path: Path, device: str) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    with pytest.raises(UnfitError, match=f"float model, which '{device}' cannot run"):
        open_model(path, device=device)
    assert open_model(path, device="cpu").device.kind == open_model(path).device.kind == "onnxruntime"


def test_a_real_bin_never_goes_from_a_provider_to_something_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "m.bin", b"\x0a\x10real")
    with pytest.raises(UnfitError, match="compiled .bin, which 'cpu' cannot run"):
        open_model(tmp_path / "m.bin", device="cpu")


def test_an_absent_provider_is_refused_before_a_float_model_runs(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    with pytest.raises(DeviceError, match="'qnn' is not here"):
        open_model(path, device="qnn")


def test_threads_give_the_same_integers(compiled: tuple[Path, Path]) -> None:
    one, three = (open_model(compiled[1], threads=n) for n in (1, 3))
    info = one.device.inputs[0]
    frame = {info.name: np.random.default_rng(0).integers(0, 256, info.shape, np.uint8)}
    for name, value in one.device.infer(frame).items():
        np.testing.assert_array_equal(three.device.infer(frame)[name], value)


def test_an_unknown_device_is_named_with_those_there_are(tmp_path: Path) -> None:
    for refuse in (lambda: require_device("gpu"), lambda: open_model(tmp_path / "m.onnx", device="gpu")):
        with pytest.raises(ConfigError, match="'gpu' is unknown, expected one of auto, bpu, sim, hbdk-sim, cpu, cuda"):
            refuse()


def test_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    require_device("auto")
    assert "bpu" not in available_devices() and {"sim", "cpu"} <= set(available_devices())
    with pytest.raises(DeviceError, match="'bpu' is not here: no BPU library here"):
        require_device("bpu")
    monkeypatch.setattr(board, "import_hbm", lambda: None)
    require_device("bpu")


def test_a_toolchain_without_the_instruction_simulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edgekit.compilation.toolchain.find import Toolchain

    monkeypatch.setattr("edgekit.compilation.toolchain.find.find_toolchain", lambda: Toolchain("path", str(tmp_path)))
    with pytest.raises(DeviceError, match="'hbdk-sim' is not here"):
        require_device("hbdk-sim")
