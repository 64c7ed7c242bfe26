"""What tuning found: the report, and what `edgekit report` joins to a build's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.evaluation.bootstrap import Interval
from edgekit.records import envelope
from edgekit.tuning.measurement import Measurement
from edgekit.tuning.prove import Proof
from edgekit.tuning.records import QuantPoint, SearchStep, Trial
from edgekit.tuning.time_budget import SearchPlan

__all__ = ["TuneResult", "sensitivity_json"]

MEASURED = "relative errors of what detections are made of, over the untuned build's"
ATTRIBUTED = f"{MEASURED}, shared out among the tensors by one gradient per image"


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What tuning found; scores are those on the tuning images, never on others.

    Attributes:
        yaml: Of the tuned work folder, for any compiler.
        plan: How much was tried.
        steps: The candidates that were kept, from the untuned default on.
        front: The Pareto front of int16, by cost.
        points: Quantization points, the most sensitive first.
        untuned: The untuned default, scored.
        chosen: The candidate that was written, scored.
        built: Its output errors, measured on the build of the written folder.
        ratios: Per output those over the untuned default's, with paired intervals.
        targets_met: Whether every target was reached.
        notes: What else is to know.
        band: What the milliseconds may be off, as a share; None without a latency model.
        proofs: Candidates that the vendor's compiler compiled.
        learned: What was learned from what, and how it was judged; None without learning.
        trials: Every candidate that was scored on images, beside `untuned` and `chosen`.
    """

    yaml: Path
    plan: SearchPlan
    steps: tuple[SearchStep, ...]
    front: tuple[SearchStep, ...]
    points: tuple[QuantPoint, ...]
    untuned: Trial
    chosen: Trial
    built: Measurement
    ratios: tuple[tuple[str, Interval], ...]
    targets_met: bool
    notes: tuple[str, ...] = ()
    band: float | None = None
    proofs: tuple[Proof, ...] = ()
    learned: Mapping[str, Any] | None = None
    trials: tuple[Trial, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            **envelope("tuning"),
            "yaml": self.yaml.name,
            "plan": self.plan.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "front": [step.to_json() for step in self.front],
            "untuned": self.untuned.to_json(),
            "chosen": self.chosen.to_json(),
            "error_by_output": {
                name: {"error": round(float(error), 6), "over_untuned": ratio.to_dict()}
                for (name, ratio), error in zip(self.ratios, self.built.everywhere.by_output(), strict=True)
            },
            "disagreement_over_untuned": self.chosen.disagreement_over(self.untuned).to_dict(),
            "targets_met": self.targets_met,
            "latency": {"kind": "static estimate", "error_band": self.band},
            "proofs": [
                {**proof.to_json(), "chosen": proof.candidate == self.chosen.step.candidate} for proof in self.proofs
            ],
            "learned": None if self.learned is None else dict(self.learned),
            "notes": list(self.notes),
        }


def sensitivity_json(result: TuneResult) -> dict[str, Any]:
    """Return the sensitivity of every quantization point, as `edgekit report` reads it.

    Args:
        result: What tuning found.

    Returns:
        Plain JSON values.
    """
    int16 = set(result.chosen.step.candidate.int16)
    return {
        **envelope("sensitivity"),
        "measure": MEASURED if result.learned is None else ATTRIBUTED,
        "baseline": {"int8": round(result.steps[0].loss, 6), "tuned": round(result.chosen.step.loss, 6)},
        "front": [_point_json(step, result) for step in (*result.front, result.steps[0], result.chosen.step)],
        "nodes": [
            {
                "node": point.node,
                "tensors": sorted(point.tensors),
                "op": point.op,
                "loss_alone": round(point.loss_alone, 6),
                "gain_int16": None if point.gain_int16 is None else round(point.gain_int16, 6),
                "gain_float": None if point.gain_float is None else round(point.gain_float, 6),
                "extra_cost": round(point.extra_cost, 6),
                "extra_ms": None if point.extra_ms is None else round(point.extra_ms, 4),
                "chosen": "int16" if point.tensors <= int16 else "",
            }
            for point in result.points
        ],
    }


def _point_json(step: SearchStep, result: TuneResult) -> dict[str, Any]:
    """Return a candidate of the plot of accuracy over milliseconds."""
    return {
        "what": step.change,
        "loss": round(step.loss, 6),
        "milliseconds": None if step.milliseconds is None else round(step.milliseconds, 4),
        "chosen": step.candidate == result.chosen.step.candidate,
    }
