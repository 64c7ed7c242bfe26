"""onnxruntime as a device: the contract, its providers, and that none of them is ever replaced in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")  # a board has none

import edgekit  # noqa: E402
from edgekit.device_kinds import is_float_kind  # noqa: E402
from edgekit.errors import DeviceError, ModelError  # noqa: E402
from edgekit.export import cut_graph  # noqa: E402
from edgekit.runtime import providers  # noqa: E402
from edgekit.runtime.device import Device  # noqa: E402
from edgekit.runtime.free_memory import GpuMemory  # noqa: E402
from edgekit.runtime.ort import OrtDevice  # noqa: E402
from edgekit.spec import ModelSpec  # noqa: E402
from tests.images import scene  # noqa: E402
from tests.runtime.contract import DeviceContract, Oracle  # noqa: E402
from tests.tiny_yolo import save_tiny_yolo, tiny_yolo  # noqa: E402

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
CUT = cut_graph(tiny_yolo(family="yolov8", task="segment"))
MODEL = CUT.model.SerializeToString()


class TestOrt(DeviceContract):
    @pytest.fixture
    def spec(self) -> ModelSpec:
        return CUT.spec

    @pytest.fixture
    def device(self) -> Device:
        return OrtDevice(MODEL, threads=1)

    @pytest.fixture
    def frames(self, spec: ModelSpec) -> Sequence[np.ndarray]:
        width, height = spec.preprocess.size_wh
        return list(np.random.default_rng(0).random((2, 1, 3, height, width), np.float32))

    @pytest.fixture
    def oracle(self) -> Oracle:
        session = onnxruntime.InferenceSession(MODEL, providers=[CPU])
        names = [output.name for output in session.get_outputs()]
        return lambda frame: dict(zip(names, session.run(names, {CUT.spec.input.name: frame}), strict=True))


class Recorder:
    """An onnxruntime that has CUDA, as far as it says; `in_use` and `nodes` are what its sessions tell."""

    def __init__(self, in_use: Sequence[str] = (CUDA, CPU), nodes: dict[str, int] | None = None) -> None:
        self.in_use, self.nodes = list(in_use), {CUDA: 9} if nodes is None else nodes
        self.asked: list[dict[str, Any]] = []

    __version__ = "0"
    SessionOptions = onnxruntime.SessionOptions

    def get_available_providers(self) -> list[str]:
        return [CUDA, "AzureExecutionProvider", CPU]

    def InferenceSession(self, model: bytes, options: Any, **asked: Any) -> Any:
        self.asked.append({**asked, "threads": options.intra_op_num_threads})
        real = onnxruntime.InferenceSession(model, options, providers=[CPU])
        parts = [SimpleNamespace(ep_name=n, get_nodes=lambda c=c: [None] * c) for n, c in self.nodes.items()]
        return SimpleNamespace(
            run=real.run,
            get_inputs=real.get_inputs,
            get_outputs=real.get_outputs,
            get_providers=lambda: self.in_use,
            get_provider_graph_assignment_info=lambda: parts,
        )


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    for module in ("edgekit.runtime.providers", "edgekit.runtime.ort"):
        monkeypatch.setattr(f"{module}.import_onnxruntime", lambda: recorder)
    return recorder


def test_the_provider_is_asked_for_without_fallback_and_named_in_the_results(
    with_cuda: Recorder, tmp_path: Path
) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    session = edgekit.load(path, "cuda", threads=3)
    assert with_cuda.asked == [{"providers": [CUDA, CPU], "enable_fallback": 0, "threads": 3}]
    assert session.predict(scene(1)).device == "onnxruntime-cuda"
    assert is_float_kind("onnxruntime-cuda") and is_float_kind("onnxruntime") and not is_float_kind("sim")


def test_a_device_by_its_index(with_cuda: Recorder, tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    assert edgekit.load(path, "cuda:1").device.kind == "onnxruntime-cuda:1"
    assert edgekit.load(path, "1").device.kind == "onnxruntime-cuda:1"
    assert [call["providers"] for call in with_cuda.asked] == [[(CUDA, {"device_id": "1"}), CPU]] * 2


def test_auto_takes_a_gpu_or_says_why_not(with_cuda: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    monkeypatch.setattr(providers, "gpu_memory", lambda: (GpuMemory(0, 1024, 2048), GpuMemory(1, 2000, 2048)))
    session = edgekit.load(path)
    assert session.device.kind == "onnxruntime-cuda:1" and "auto took cuda:1" in session.notes[0]
    with_cuda.in_use = [CPU]
    session = edgekit.load(path)
    assert session.device.kind == "onnxruntime" and "auto took cpu, since cuda:1 cannot be used" in session.notes[0]


def test_a_provider_that_onnxruntime_goes_on_without_is_an_error(with_cuda: Recorder) -> None:
    with_cuda.in_use = [CPU]
    with pytest.raises(DeviceError, match="'cuda' did not start.*went on with CPUExecutionProvider"):
        OrtDevice(MODEL, provider="cuda")


def test_a_provider_that_takes_no_node_is_an_error(with_cuda: Recorder) -> None:
    with_cuda.nodes = {CPU: 12}
    with pytest.raises(DeviceError, match="'cuda' takes none of the 12 nodes of m.onnx"):
        OrtDevice(MODEL, name="m.onnx", provider="cuda")


def test_nodes_that_are_left_to_the_cpu_are_told(with_cuda: Recorder) -> None:
    assert OrtDevice(MODEL, provider="cuda").notes == ()
    with_cuda.nodes = {CUDA: 9, CPU: 3}
    (note,) = OrtDevice(MODEL, provider="cuda").notes
    assert note == f"9 of 12 nodes run on {CUDA}, 3 on {CPU}"


def test_the_real_onnxruntime_says_which_nodes_run_where() -> None:
    from edgekit.runtime.ort import _nodes_by_provider, _open

    counts = _nodes_by_provider(_open(MODEL, "m", "cpu", providers.PROVIDERS["cpu"], 1))
    assert set(counts) <= {CPU}  # older ones say nothing


def test_a_file_that_onnxruntime_cannot_load() -> None:
    with pytest.raises(ModelError, match="m.onnx cannot be loaded"):
        OrtDevice(b"nothing", name="m.onnx")


def test_threads_do_not_change_the_numbers() -> None:
    frame = {CUT.spec.input.name: np.random.default_rng(1).random((1, 3, 64, 96), np.float32)}
    one, two = (OrtDevice(MODEL, threads=n).infer(frame) for n in (1, 2))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-4)
