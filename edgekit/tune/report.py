"""What tuning found, as the report and as what `edgekit report` joins to a build's page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.evaluate.bootstrap import Interval
from edgekit.tune.output_error import Errors
from edgekit.tune.records import Scored, Step, Unit
from edgekit.tune.time_budget import Plan
from edgekit.version import __version__


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found; `untuned` and `chosen` are scored on the tuning images, never on others.

    `front`: more and more places in 16 bits, those that lose less than every cheaper one. `built`: the chosen
    setting's output errors measured on the build that its written folder gives; `ratios` those over the untuned
    default's, with paired intervals. `met`: whether every wish was reached.
    """

    yaml: Path
    plan: Plan
    steps: tuple[Step, ...]
    front: tuple[Step, ...]
    units: tuple[Unit, ...]
    untuned: Scored
    chosen: Scored
    built: Errors
    ratios: tuple[tuple[str, Interval], ...]
    met: bool
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "edgekit": __version__,
            "yaml": self.yaml.name,
            "plan": self.plan.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "front": [step.to_dict() for step in self.front],
            "untuned": self.untuned.to_dict(),
            "chosen": self.chosen.to_dict(),
            "error_by_output": {
                name: {"error": round(float(error), 6), "over_untuned": ratio.to_dict()}
                for (name, ratio), error in zip(self.ratios, self.built.everywhere.by_output(), strict=True)
            },
            "disagreement_over_untuned": self.chosen.disagreement_over(self.untuned).to_dict(),
            "met": self.met,
            "notes": list(self.notes),
        }


def sensitivity_to_dict(tuned: Tuned) -> dict[str, Any]:
    """The sensitivity of every place, as `edgekit report` joins it to the build's page."""
    wide = set(tuned.chosen.step.setting.wide)
    return {
        "measure": "relative RMS errors of the outputs over the untuned build's",
        "baseline": {"int8": round(tuned.steps[0].loss, 6), "tuned": round(tuned.chosen.step.loss, 6)},
        "nodes": [
            {
                "node": unit.node,
                "tensors": sorted(unit.tensors),
                "op": unit.op,
                "loss_alone": round(unit.loss_alone, 6),
                "gain_int16": None if unit.gain_int16 is None else round(unit.gain_int16, 6),
                "gain_float": None if unit.gain_float is None else round(unit.gain_float, 6),
                "extra_cost": round(unit.extra_cost, 6),
                "chosen": "int16" if unit.tensors <= wide else "",
            }
            for unit in tuned.units
        ],
    }
