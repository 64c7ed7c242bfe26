"""Names of execution providers: unknown, known but absent, here."""

from __future__ import annotations

import pytest

from edgekit.errors import ConfigError, DeviceError
from edgekit.runtime import providers
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
