"""Minutes become steps, the same for the same model; too few are refused with the number that would do."""

from __future__ import annotations

import re

import pytest

from edgekit.errors import ConfigError
from edgekit.learn.step_budget import FEWEST_STEPS, steps_for


def test_more_minutes_give_more_steps_and_larger_models_fewer() -> None:
    assert steps_for(40, giga_macs=2.2, held_out=64) > steps_for(20, giga_macs=2.2, held_out=64)
    assert steps_for(20, giga_macs=2.2, held_out=64) > steps_for(20, giga_macs=8, held_out=64)


def test_a_nano_model_gets_hundreds_of_steps_in_twenty_minutes() -> None:
    assert 400 < steps_for(20, giga_macs=3.3, held_out=64) < 2000


def test_the_refusal_names_minutes_that_are_enough() -> None:
    with pytest.raises(ConfigError, match="--learn is 0.5 minutes, expected at least") as caught:
        steps_for(0.5, giga_macs=4, held_out=64)
    least = float(re.findall(r"at least ([\d.]+)", caught.value.message)[0])
    assert steps_for(least + 0.1, giga_macs=4, held_out=64) >= FEWEST_STEPS
