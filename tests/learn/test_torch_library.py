"""Without torch, or with an old one: two lines that say what to install."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from edgekit.errors import ConfigError
from edgekit.learn.torch_library import load_torch


def test_a_missing_torch_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what an import of it then raises is ImportError
    with pytest.raises(ConfigError, match="torch cannot be imported .* needs torch 2.1 or later") as caught:
        load_torch()
    assert "CPU build" in caught.value.hint


@pytest.mark.parametrize("version", ["1.13.1+cpu", "2.0.1", "unknown"])
def test_an_old_torch_is_named(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    module = ModuleType("torch")
    module.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    with pytest.raises(ConfigError, match=f"torch is {version.replace('+', '.')}, learning needs torch 2.1"):
        load_torch()


@pytest.mark.parametrize("version", ["2.1.0", "2.13.0+cpu", "3.0"])
def test_a_new_torch_is_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    module = ModuleType("torch")
    module.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    assert load_torch() is module
