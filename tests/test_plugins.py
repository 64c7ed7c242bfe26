"""Implementations by name: what comes with edgekit first, then installed packages, which cannot replace it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from edgekit import plugins as seam
from edgekit.compilation import registry
from edgekit.errors import ConfigError
from edgekit.plugins import load_plugin, plugins

GROUP = "edgekit.compilers"


def test_packages_add_names_and_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [EntryPoint("npu", "json:loads", GROUP), EntryPoint("sim", "json:dumps", GROUP)]
    monkeypatch.setattr(seam, "entry_points", lambda group: installed)
    entries = plugins(GROUP, {"sim": "json:load"})
    assert {name: entry.value for name, entry in entries.items()} == {"sim": "json:load", "npu": "json:loads"}


def test_a_package_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ConfigError, match="'npu' of edgekit.compilers cannot be loaded"):
        load_plugin(EntryPoint("npu", "no_such_package:Compiler", GROUP))


class Registered:
    """A compiler of another package."""

    simulated = False

    def missing(self) -> None:
        """Nothing is missing."""


def test_a_registered_compiler_is_chosen_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "entry_points", lambda group: [EntryPoint("npu", f"{__name__}:Registered", group)])
    name, compiler = registry.choose_compiler("npu")
    assert name == "npu" and isinstance(compiler, Registered)
    assert registry.is_simulated("npu") is False and registry.is_simulated("another") is None
