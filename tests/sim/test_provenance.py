from __future__ import annotations

import pytest

from edgekit.kernels.library import Kernels
from edgekit.sim import provenance as notes
from edgekit.sim.graph import load_graph
from tests.conftest import ROOT


def test_a_machine_without_a_compiler_is_told_once_more_than_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load_graph(next((ROOT / "tests" / "fixtures" / "vendor").glob("*.onnx")))
    monkeypatch.setattr(notes, "kernels", lambda: Kernels(None, "no C compiler on PATH"))
    (note,) = notes.execution_notes(graph)
    assert "no C compiler on PATH" in note
    assert "same integers" in note
