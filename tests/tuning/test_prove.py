"""The best settings through the vendor's compiler: which ones, and how far the estimates were off."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.errors import ToolchainError
from edgekit.tuning import prove as module
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.prove import Proof, best_of_front, prove
from edgekit.tuning.records import SearchStep


def step(name: str, loss: float, milliseconds: float | None = 5.0) -> SearchStep:
    return SearchStep(name, Candidate(name), 0.1, 0.1, loss, loss, 0.1, 1, milliseconds)


def test_the_chosen_one_and_those_that_lose_least() -> None:
    chosen = step("chosen", 0.5)
    front = [step("far", 0.9), step("near", 0.2), chosen, step("middle", 0.4)]
    assert [one.change for one in best_of_front(chosen, front)] == ["chosen", "near", "middle"]
    assert best_of_front(chosen, []) == (chosen,)


def test_a_proof_says_how_far_the_estimate_was_off() -> None:
    assert Proof("a", 5.5, 5.0).to_json() == {"change": "a", "estimated_ms": 5.5, "compiled_ms": 5.0, "off": 0.1}
    assert Proof("a", None, 5.0).off is None


def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latencies: list[float]) -> list[tuple[str, str]]:
    """A compiler that writes static files of these microseconds; what it was asked for."""
    asked: list[tuple[str, str]] = []

    def compile_model(yaml: Path, *, toolchain: str, optimize: str) -> Any:
        asked.append((yaml.parent.name, f"{toolchain} {optimize}"))
        folder = tmp_path / f"out{len(asked)}"
        folder.mkdir()
        for index, latency in enumerate(latencies):
            (folder / f"main_graph_subgraph_{index}.json").write_text(
                f'{{"summary": {{"FPS": {1e6 / latency}, "latency (us)": {latency}}}}}'
            )
        return SimpleNamespace(quantized_path=folder / "m_quantized_model.onnx")

    def write_tuned(_: object, candidate: Candidate, folder: Path) -> Path:
        return folder / f"{candidate.calibration_set}.yaml"

    monkeypatch.setattr(module, "compile_model", compile_model)
    monkeypatch.setattr(module, "write_tuned", write_tuned)
    return asked


def test_sub_graphs_add_up_and_the_tuned_folder_keeps_its_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = compiled(tmp_path, monkeypatch, [3000.0, 2000.0])
    steps = [step("chosen", 0.5, 5.25), step("near", 0.2, 6.0)]
    work: Any = object()
    proofs = prove(work, steps, tmp_path / "proof")
    assert [one.compiled_ms for one in proofs] == [5.0, 5.0] and proofs[0].off == pytest.approx(0.05)
    assert asked == [("candidate_0", "hb_mapper O3"), ("candidate_1", "hb_mapper O3")]


def test_a_build_without_static_figures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path, monkeypatch, [])
    work: Any = object()
    with pytest.raises(ToolchainError, match=r"holds no \*_subgraph_\*.json"):
        prove(work, [step("chosen", 0.5)], tmp_path / "proof")
