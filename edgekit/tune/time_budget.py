"""From minutes to numbers of images and candidates: fixed before the first job, so that the choice is repeatable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit.errors import ConfigError

# A usual two-core machine, which does two jobs at a time.
GIGA_MACS_PER_SECOND = 60.0  # of the integer execution and of the float model
BUILD_SECONDS = 0.5  # from thresholds to a graph that runs
PERCENTILES = (0.9999, 0.99995, 0.99999, 0.9998, 0.9995, 0.999)
SCORES = 7  # settings that are scored on labels
GAINS_PER_UNIT = 2  # places looked at for one that a step tries
ONE_AT_A_TIME = 2  # jobs that wait for each other take as long as twice as many
GRAPHS = 2  # float graphs besides the plain one: equalized, corrected
FRONT = 10  # of these, those that no cheaper one beats: about so many
PREFIXES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)  # numbers of places that are given 16 bits together


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is tried. `rungs`: images per rung of the halving; `units`: places looked at one by one."""

    name: str
    rungs: tuple[int, ...]
    percentiles: tuple[float, ...]
    sets: tuple[tuple[str, int], ...]  # (how images are chosen, how many)
    limit_units: int
    limit_percentiles: tuple[float, ...]
    wide_prefix: int
    wide_units: int
    wide_steps: int
    scored_images: int

    def seconds(self, giga_macs: float, units: int) -> float:
        """What this plan costs on the machine that the constants describe."""
        per_image = 2 * giga_macs / GIGA_MACS_PER_SECOND

        def errors(settings: float, images: int) -> float:
            return settings * (BUILD_SECONDS + images * giga_macs / GIGA_MACS_PER_SECOND)

        calibrators = (len(self.percentiles) + 2) * len(self.sets)
        halving = sum(errors(calibrators / 2**i, images) for i, images in enumerate(self.rungs))
        rounded = units + GAINS_PER_UNIT * self.wide_units + 1
        sensitivity = rounded * (BUILD_SECONDS + self.rungs[0] * per_image) + errors(
            GAINS_PER_UNIT * self.wide_units, self.rungs[0]
        )
        limits = errors(self.limit_units * len(self.limit_percentiles), self.rungs[1])
        prefixes = 2 * sum(count <= self.wide_prefix for count in PREFIXES) * (len(self.percentiles) + 1)
        wide = errors(prefixes, self.rungs[1]) + errors(FRONT + self.wide_steps * self.wide_units, self.rungs[-1])
        wide += ONE_AT_A_TIME * errors(GAINS_PER_UNIT * self.wide_units, self.rungs[-1])
        scores = SCORES * self.scored_images * (per_image + 0.1)
        observe = (sum(count for _, count in self.sets) + GRAPHS * self.sets[0][1]) * (per_image + 0.15)
        return halving + sensitivity + limits + wide + scores + observe

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PLANS = (
    Plan("quick", (2, 4, 8), PERCENTILES[:2], (("diverse", 20),), 4, (0.9995, 0.9999), 16, 6, 3, 40),
    Plan("short", (3, 6, 16), PERCENTILES[:3], (("diverse", 50),), 8, (0.999, 0.9995, 0.9999), 64, 8, 4, 100),
    Plan(
        "usual",
        (4, 8, 16, 32),
        PERCENTILES,
        (("diverse", 20), ("diverse", 50), ("random", 50)),
        16,
        (0.998, 0.999, 0.9995, 0.9998, 0.9999),
        96,
        12,
        6,
        200,
    ),
    Plan(
        "thorough",
        (8, 16, 32, 64),
        PERCENTILES,
        (("diverse", 20), ("diverse", 50), ("diverse", 100), ("random", 50), ("random", 100)),
        40,
        (0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999),
        96,
        20,
        16,
        512,
    ),
)


def plan_for(minutes: float, *, giga_macs: float, units: int) -> Plan:
    """The most thorough plan that fits into `minutes`; the estimate knows the model, not the machine's mood.

    Raises ConfigError where not even the quickest fits.
    """
    fitting = [plan for plan in PLANS if plan.seconds(giga_macs, units) <= 60 * minutes]
    if not fitting:
        needed = PLANS[0].seconds(giga_macs, units) / 60
        raise ConfigError(
            f"--budget is {minutes:g} minutes, expected at least {needed:.1f} for the quickest search on this model",
            hint=f"give --budget {max(1, round(needed + 0.5))}, or tune a smaller model",
        )
    return fitting[-1]
