"""Candidates compiled by the vendor's compiler at O3: the static figure in place of the estimate, and its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

__all__ = ["PROVED", "Proof", "best_of_front", "prove", "require_compiler"]

PROVED = 3  # candidates that are compiled, some minutes each
LEVEL = "O3"
COMPILER = "hb_mapper"
STATIC_FILES = "*_subgraph_*.json"


@dataclass(frozen=True, slots=True)
class Proof:
    """A candidate's frame as estimated (None without a latency model) and as compiled, in milliseconds."""

    change: str
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
        }


def require_compiler() -> None:
    """Check that the vendor's compiler is here.

    Raises:
        ToolchainError: If it is not, with how to install it.
    """
    choose_compiler(COMPILER)


def best_of_front(chosen: SearchStep, front: Sequence[SearchStep], count: int = PROVED) -> tuple[SearchStep, ...]:
    """Choose what to compile.

    Args:
        chosen: The step that was written.
        front: The Pareto front.
        count: At most so many.

    Returns:
        The chosen step, then those of the front that lose least, of different candidates.
    """
    steps: dict[Candidate, SearchStep] = {chosen.candidate: chosen}
    for step in sorted(front, key=lambda step: (step.loss, step.extra_cost)):
        if len(steps) < count:
            steps.setdefault(step.candidate, step)
    return tuple(steps.values())


def prove(
    workspace: Workspace, steps: Sequence[SearchStep], folder: Path, *, progress: Progress = silent
) -> tuple[Proof, ...]:
    """Compile candidates at O3 and read their frames.

    Args:
        workspace: The tuning folder.
        steps: What to compile, the chosen one first.
        folder: Where they are written, apart from the tuned model: its folder keeps the simulated build.
        progress: Called with stage, done and total.

    Returns:
        One proof per step.

    Raises:
        ToolchainError: If the compiler is missing or fails.
    """
    proofs = []
    for index, step in enumerate(steps):
        progress(f"compiling at {LEVEL}", index, len(steps))
        yaml = write_tuned(workspace, step.candidate, folder / f"candidate_{index}")
        build = compile_model(yaml, toolchain=COMPILER, optimize=LEVEL)
        proofs.append(Proof(step.change, step.milliseconds, _compiled_ms(build.quantized_path.parent)))
    progress(f"compiling at {LEVEL}", len(steps), len(steps))
    return tuple(proofs)


def _compiled_ms(folder: Path) -> float:
    """Return the frame of all sub-graphs of a build, which run one after another."""
    files = sorted(folder.glob(STATIC_FILES))
    if not files:
        raise ToolchainError(
            f"{folder} holds no {STATIC_FILES}, expected the compiler's static performance",
            hint="compile it by hand and look at its log: edgekit report",
        )
    return sum(read_static_perf(file).latency_us for file in files) / 1e3
