"""Candidates through the vendor's compiler: each once, and how far the estimates were off."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.errors import ToolchainError
from edgekit.tuning import prove as module
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.prove import FrameCompiler, Proof
from edgekit.tuning.records import SearchStep


def step(name: str, loss: float, milliseconds: float | None = 5.0) -> SearchStep:
    return SearchStep(name, Candidate(name), 0.1, 0.1, loss, loss, 0.1, 1, milliseconds)


def test_a_proof_says_how_far_the_estimate_was_off() -> None:
    proof = Proof("a", Candidate("set", int16=("x", "y")), 5.5, 5.0)
    assert proof.to_json() == {"change": "a", "estimated_ms": 5.5, "compiled_ms": 5.0, "off": 0.1, "int16": 2}
    assert Proof("a", Candidate("set"), None, 5.0).off is None


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


def test_sub_graphs_add_up_and_every_candidate_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = compiled(tmp_path, monkeypatch, [3000.0, 2000.0])
    work: Any = object()
    heard: list[tuple[str, int, int]] = []
    compiler = FrameCompiler(work, tmp_path / "proof", 4, lambda *words: heard.append(words))
    steps = [step("chosen", 0.5, 5.25), step("near", 0.2, 6.0)]
    assert [compiler.milliseconds(one) for one in (*steps, steps[0])] == [5.0, 5.0, 5.0]
    assert [proof.change for proof in compiler.proofs] == ["chosen", "near"]
    assert compiler.proofs[0].off == pytest.approx(0.05)
    assert asked == [(one.candidate.key, "hb_mapper O3") for one in steps]
    assert heard[0] == ("compiling at O3", 0, 4) and heard[-1] == ("compiling at O3", 2, 4)


def test_a_build_that_takes_no_time_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path, monkeypatch, [-0.0001])
    work: Any = object()
    with pytest.raises(ToolchainError, match="expected more than 0"):
        FrameCompiler(work, tmp_path / "proof").milliseconds(step("chosen", 0.5))


def test_a_build_without_static_figures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path, monkeypatch, [])
    work: Any = object()
    with pytest.raises(ToolchainError, match=r"holds no \*_subgraph_\*.json"):
        FrameCompiler(work, tmp_path / "proof").milliseconds(step("chosen", 0.5))
