"""One small compiled work folder for all tests that only read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.compilation.build import CompileResult, compile_model
from tests.sim.compiler.works import make_work


@dataclass(frozen=True)
class Compiled:
    yaml: Path
    result: CompileResult


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    yaml = make_work(tmp_path_factory.mktemp("compiled") / "work", task="segment", kind="nv12")
    return Compiled(yaml, compile_model(yaml, toolchain="sim"))
