"""Candidates compiled by the vendor's compiler at O3: the static figure in place of the estimate, and its error."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.compilation.build import compile_model
from edgekit.compilation.registry import choose_compiler
from edgekit.errors import ToolchainError
from edgekit.logs.static_perf import read_static_perf
from edgekit.progress import Progress, silent
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.records import SearchStep
from edgekit.tuning.workspace import Workspace
from edgekit.tuning.write import write_tuned

__all__ = ["FrameCompiler", "Proof", "require_compiler"]

LEVEL = "O3"
COMPILER = "hb_mapper"
STATIC_FILES = "*_subgraph_*.json"


@dataclass(frozen=True, slots=True)
class Proof:
    """A candidate's frame as estimated (None without a latency model) and as compiled, in milliseconds."""

    change: str
    candidate: Candidate
    estimated_ms: float | None
    compiled_ms: float

    @property
    def off(self) -> float | None:
        """The estimate's error as a share of the compiled frame."""
        return None if self.estimated_ms is None else self.estimated_ms / self.compiled_ms - 1

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        off = self.off
        return {
            "change": self.change,
            "estimated_ms": None if self.estimated_ms is None else round(self.estimated_ms, 4),
            "compiled_ms": round(self.compiled_ms, 4),
            "off": None if off is None else round(off, 4),
            "int16": len(self.candidate.int16),
        }


def require_compiler() -> None:
    """Check that the vendor's compiler is here.

    Raises:
        ToolchainError: If it is not, with how to install it.
    """
    choose_compiler(COMPILER)


@dataclass
class FrameCompiler:
    """Compiles candidates at O3, minutes each, and reads their frames.

    Attributes:
        workspace: The tuning folder.
        folder: Where builds are kept, a folder per candidate, apart from the tuned model: its folder keeps the
            simulated build. A build that is there already is read.
        most: How many are compiled at most, for the progress.
        progress: Called with stage, done and total.
        proofs: What was compiled so far, in this order.
    """

    workspace: Workspace
    folder: Path
    most: int = 1
    progress: Progress = silent
    proofs: list[Proof] = field(default_factory=list)

    def milliseconds(self, step: SearchStep) -> float:
        """Return the frame of a step's candidate.

        Args:
            step: What to compile.

        Returns:
            The compiler's static figure, of all sub-graphs together.

        Raises:
            ToolchainError: If the compiler is missing or fails.
        """
        for proof in self.proofs:
            if proof.candidate == step.candidate:
                return proof.compiled_ms
        self.progress(f"compiling at {LEVEL}", len(self.proofs), self.most)
        yaml = write_tuned(self.workspace, step.candidate, self.folder / step.candidate.key)
        build = compile_model(yaml, toolchain=COMPILER, optimize=LEVEL)
        compiled = _compiled_ms(build.quantized_path.parent)
        self.proofs.append(Proof(step.change, step.candidate, step.milliseconds, compiled))
        self.progress(f"compiling at {LEVEL}", len(self.proofs), max(self.most, len(self.proofs)))
        return compiled


def _compiled_ms(folder: Path) -> float:
    """Return the frame of all sub-graphs of a build, which run one after another."""
    files = sorted(folder.glob(STATIC_FILES))
    if not files:
        raise ToolchainError(
            f"{folder} holds no {STATIC_FILES}, expected the compiler's static performance",
            hint="compile it by hand and look at its log: edgekit report",
        )
    compiled_ms = sum(read_static_perf(file).latency_us for file in files) / 1e3
    if not compiled_ms > 0:
        raise ToolchainError(
            f"{files[0]} gives a latency of {1e3 * compiled_ms:g} us, expected more than 0",
            hint="compile it by hand and look at its log: edgekit report",
        )
    return compiled_ms
