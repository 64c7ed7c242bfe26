"""The stand-in toolchain on PATH, and nothing else of any toolchain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.compilation.toolchain import find
from tests.compilation.toolchain.stand_in import StandIn, make_stand_in, make_work, small_spec


@pytest.fixture
def no_toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No toolchain of this machine is found: PATH has the system's folders alone, data and cache folders are empty."""
    system = [folder for folder in ("/usr/bin", "/bin") if Path(folder).is_dir()]
    monkeypatch.setenv("PATH", os.pathsep.join(system))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    find._query_version.cache_clear()
    return tmp_path


@pytest.fixture
def stand_in(no_toolchain: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Stand-in commands on PATH, of a small segment model."""
    made = make_stand_in(no_toolchain / "bin", small_spec())
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def work(no_toolchain: Path) -> Path:
    """The yaml of a work folder of that model."""
    return make_work(no_toolchain / "work", small_spec())
