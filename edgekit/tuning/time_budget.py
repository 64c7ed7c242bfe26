"""From minutes to numbers of images and candidates: fixed before the first task, so that the choice is repeatable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit.errors import ConfigError

__all__ = ["PLANS", "SearchPlan", "plan_for"]

# A usual two-core machine, which runs two tasks at a time.
GIGA_MACS_PER_SECOND = 60.0  # of the integer execution and of the float model
BUILD_SECONDS = 0.5  # from thresholds to a graph that runs
PERCENTILES = (0.9999, 0.99995, 0.99999, 0.9998, 0.9995, 0.999)
SCORES = 7  # settings that are scored on labels
GAINS_PER_POINT = 2  # points whose gain is measured, for each that a step tries
SEQUENTIAL = 2  # tasks that wait for each other take as long as twice as many
GRAPHS = 3  # float graphs besides the plain one: equalized, rounded, corrected
FRONT = 10  # about so many of these are Pareto optimal
PREFIXES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)  # numbers of points that are promoted to int16 together


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How much is tried.

    Attributes:
        name: For the report.
        rungs: Images per rung of the successive halving.
        percentiles: Of the calibrators that are tried.
        sets: (selection strategy, number of images) of the calibration sets, the default first.
        clip_tensors: Tensors whose clip range is searched for.
        clip_percentiles: Percentiles tried for each of them.
        max_prefix: Most points promoted to int16 together.
        int16_points: Points tried in each greedy step.
        int16_steps: Most greedy steps.
        scored_images: Images on which trials are scored.
    """

    name: str
    rungs: tuple[int, ...]
    percentiles: tuple[float, ...]
    sets: tuple[tuple[str, int], ...]
    clip_tensors: int
    clip_percentiles: tuple[float, ...]
    max_prefix: int
    int16_points: int
    int16_steps: int
    scored_images: int

    def seconds(self, giga_macs: float, points: int) -> float:
        """Estimate how long this plan takes on the machine that the constants describe.

        Args:
            giga_macs: Multiplications of the model per image, in 1e9.
            points: Number of quantization points.

        Returns:
            Seconds.
        """
        per_image = 2 * giga_macs / GIGA_MACS_PER_SECOND

        def errors(candidates: float, images: int) -> float:
            return candidates * (BUILD_SECONDS + images * giga_macs / GIGA_MACS_PER_SECOND)

        calibrators = (len(self.percentiles) + 2) * len(self.sets)
        halving = sum(errors(calibrators / 2**i, images) for i, images in enumerate(self.rungs))
        rounded = points + GAINS_PER_POINT * self.int16_points + 1
        sensitivity = rounded * (BUILD_SECONDS + self.rungs[0] * per_image) + errors(
            GAINS_PER_POINT * self.int16_points, self.rungs[0]
        )
        limits = errors(self.clip_tensors * len(self.clip_percentiles), self.rungs[1])
        prefixes = 2 * sum(count <= self.max_prefix for count in PREFIXES) * (len(self.percentiles) + 1)
        int16 = errors(prefixes, self.rungs[1]) + errors(FRONT + self.int16_steps * self.int16_points, self.rungs[-1])
        int16 += SEQUENTIAL * errors(GAINS_PER_POINT * self.int16_points, self.rungs[-1])
        scores = SCORES * self.scored_images * (per_image + 0.1)
        observe = (sum(count for _, count in self.sets) + GRAPHS * self.sets[0][1]) * (per_image + 0.15)
        return halving + sensitivity + limits + int16 + scores + observe

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


PLANS = (
    SearchPlan("quick", (2, 4, 8), PERCENTILES[:2], (("diverse", 20),), 4, (0.9995, 0.9999), 16, 6, 3, 40),
    SearchPlan("short", (3, 6, 16), PERCENTILES[:3], (("diverse", 50),), 8, (0.999, 0.9995, 0.9999), 64, 8, 4, 100),
    SearchPlan(
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
    SearchPlan(
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


def plan_for(minutes: float, *, giga_macs: float, points: int) -> SearchPlan:
    """Return the most thorough plan that fits into a number of minutes by the estimate.

    Args:
        minutes: As the user gave them.
        giga_macs: Multiplications of the model per image, in 1e9.
        points: Number of quantization points.

    Returns:
        The plan.

    Raises:
        ConfigError: If not even the quickest fits.
    """
    fitting = [plan for plan in PLANS if plan.seconds(giga_macs, points) <= 60 * minutes]
    if not fitting:
        required = PLANS[0].seconds(giga_macs, points) / 60
        raise ConfigError(
            f"--minutes is {minutes:g}, expected at least {required:.1f} for the quickest search on this model",
            hint=f"give --minutes {max(1, round(required + 0.5))}, or tune a smaller model",
        )
    return fitting[-1]
