"""Names of execution providers: unknown, known but absent, here."""

from __future__ import annotations

import pytest

from edgekit.errors import ConfigError, DeviceError
from edgekit.runtime import providers
from edgekit.runtime.free_memory import GpuMemory
from edgekit.runtime.providers import available_providers, known_providers, require_provider


class Stub:
    def __init__(self, *names: str) -> None:
        self.names = [f"{name}ExecutionProvider" for name in names]

    def get_available_providers(self) -> list[str]:
        return self.names


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: Stub("Quick", "Azure", "Dml", "CPU"))


def test_what_is_here_has_names_the_cpu_first_and_what_computes_nothing_has_none(here: None) -> None:
    assert available_providers() == ("cpu", "directml", "quick")
    assert require_provider("quick").name == "QuickExecutionProvider"
    assert require_provider("directml").serialized
    assert "azure" not in known_providers()


def test_an_absent_provider_is_refused_with_what_brings_it(here: None) -> None:
    with pytest.raises(DeviceError, match="'cuda' is not here: .*no CUDAExecutionProvider.*cpu, directml, quick") as e:
        require_provider("cuda")
    assert "onnxruntime-gpu" in e.value.hint


def test_an_unknown_provider_is_refused(here: None) -> None:
    with pytest.raises(ConfigError, match="'warp' is no execution provider, expected one of cpu, cuda"):
        require_provider("warp")


def test_without_onnxruntime_the_names_are_known_and_nothing_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> object:
        raise DeviceError("onnxruntime is not installed", hint="install it")

    monkeypatch.setattr(providers, "import_onnxruntime", absent)
    assert "cuda" in known_providers() and available_providers() == ()
    with pytest.raises(DeviceError, match="not installed"):
        require_provider("cpu")


def test_devices_of_a_provider_are_numbered(here: None) -> None:
    assert require_provider("directml:1").name == "DmlExecutionProvider"
    assert providers.with_provider("1") == "directml:1" and providers.with_provider("cpu") == "cpu"
    assert require_provider("0").name == "DmlExecutionProvider"
    assert providers.device_index("directml:1") == 1 and providers.device_index("cpu") is None
    assert providers.is_provider("cuda:0") and providers.is_provider("3") and not providers.is_provider("cuda:x")
    assert not providers.is_provider("bpu")
    for wrong in ("cpu:0", "directml:x", "quick:1"):
        with pytest.raises(ConfigError, match=f"device '{wrong}' has an index"):
            require_provider(wrong)


def test_an_index_alone_needs_a_provider_with_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: Stub("CPU"))
    with pytest.raises(DeviceError, match="device '0' is not here: .* only cpu"):
        require_provider("0")


def test_auto_takes_the_gpu_with_the_most_free_memory_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = (GpuMemory(0, 1024, 24576), GpuMemory(1, 20480, 24576))
    monkeypatch.setattr(providers, "gpu_memory", lambda: gpus)
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: Stub("CPU"))
    assert providers.choose_provider() == ("cpu", "")
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: Stub("CUDA", "CPU"))
    device, note = providers.choose_provider()
    assert device == "cuda:1" and "cuda:0 1.0 of 24.0 GiB, cuda:1 20.0 of 24.0 GiB" in note
    monkeypatch.setattr(providers, "gpu_memory", lambda: ())
    assert providers.choose_provider()[0] == "cpu" and "nvidia-smi" in providers.choose_provider()[1]
