"""From minutes to steps: fixed before the first step, so that the same seed learns the same."""

from __future__ import annotations

from edgekit.errors import ConfigError

# A usual two-core machine.
SECONDS_PER_GIGA_MAC = 0.28  # of a step: the float model, the rounded one and its gradients
STEP_SECONDS = 0.1  # of a step besides
EVALUATION_SHARE = 0.35  # of a step's time, for a held-out image
RESERVED = 0.15  # of the minutes: calibration before, judgement after
FEWEST_STEPS = 20
HELD_OUT_RUNS = 6  # evaluations of a whole run


def steps_for(minutes: float, *, giga_macs: float, held_out: int) -> int:
    """Return how many steps fit into `minutes`.

    Args:
        minutes: Wall-clock minutes on a two-core machine.
        giga_macs: Multiply-accumulates of the model per image, in 10^9.
        held_out: Images per evaluation.

    Returns:
        Steps of the run.

    Raises:
        ConfigError: Not even `FEWEST_STEPS` fit.
    """
    step = giga_macs * SECONDS_PER_GIGA_MAC + STEP_SECONDS
    evaluations = HELD_OUT_RUNS * held_out * step * EVALUATION_SHARE
    steps = int((60 * minutes * (1 - RESERVED) - evaluations) / step)
    if steps < FEWEST_STEPS:
        least = (FEWEST_STEPS * step + evaluations) / (60 * (1 - RESERVED))
        raise ConfigError(
            f"--learn is {minutes:g} minutes, expected at least {least:.1f} for this model",
            hint="20 minutes are usual for a nano model at 640 pixels",
        )
    return steps
