"""The budget decides the plan, always the same one."""

from __future__ import annotations

import pytest

from edgekit.errors import ConfigError
from edgekit.tuning.time_budget import PLANS, plan_for


def test_plans_grow() -> None:
    seconds = [plan.seconds(4.5, 60) for plan in PLANS]
    assert seconds == sorted(seconds)
    assert all(plan.rungs == tuple(sorted(plan.rungs)) for plan in PLANS)


def test_more_minutes_never_give_less() -> None:
    taken = [PLANS.index(plan_for(minutes, giga_macs=4.5, points=60)) for minutes in (6, 8, 15, 30, 60, 240, 2000)]
    assert taken == sorted(taken)
    assert taken[-1] == len(PLANS) - 1


def test_heavier_models_get_less_for_the_same_time() -> None:
    light = PLANS.index(plan_for(30, giga_macs=0.5, points=60))
    heavy = PLANS.index(plan_for(30, giga_macs=40, points=60))
    assert heavy < light


def test_budget_too_small_says_what_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"--minutes is 0\.1, expected at least") as caught:
        plan_for(0.1, giga_macs=4.5, points=60)
    assert "--minutes" in caught.value.hint
    minutes = float(caught.value.hint.split("--minutes ")[1].split(",")[0])
    assert plan_for(minutes, giga_macs=4.5, points=60) == PLANS[0]
