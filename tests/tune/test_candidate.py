"""A setting travels as JSON and comes back the same; its parts can be changed one by one."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import ConfigError
from edgekit.tune.candidate import Setting, setting_from

SETTING = Setting("diverse_50", "max:0.9999", "plain", (("a", 2.5), ("b", 4.0)), ("x", "y"))


def test_travels_as_json() -> None:
    assert setting_from(json.loads(json.dumps(SETTING.to_dict()))) == SETTING


def test_key_stands_for_every_part() -> None:
    others = [
        Setting("diverse_20", *_rest(SETTING)),
        Setting("diverse_50", "max:0.9998", "plain", SETTING.limits, SETTING.wide),
        SETTING.with_limit("a", 2.6),
        SETTING.with_wide(frozenset({"z"})),
    ]
    assert len({SETTING.key, *(other.key for other in others)}) == 5
    assert SETTING.key == setting_from(SETTING.to_dict()).key


def test_limits_are_set_and_taken_off() -> None:
    assert SETTING.with_limit("c", 1.0).limits == (("a", 2.5), ("b", 4.0), ("c", 1.0))
    assert SETTING.with_limit("a", None).limits == (("b", 4.0),)
    assert SETTING.with_limit("a", 9.0).limits == (("a", 9.0), ("b", 4.0))


@pytest.mark.parametrize(
    ("calibrator", "kind", "percentile"), [("max", "max", None), ("kl", "kl", None), ("max:0.9995", "max", 0.9995)]
)
def test_calibrator_as_the_yaml_says_it(calibrator: str, kind: str, percentile: float | None) -> None:
    setting = Setting("s", calibrator)
    assert (setting.calibration_type, setting.percentile) == (kind, percentile)


@pytest.mark.parametrize("broken", [{}, {**SETTING.to_dict(), "limits": {"a": "wide"}}, {"images": 1, "limits": []}])
def test_damaged_setting_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="damaged"):
        setting_from(broken)


def _rest(setting: Setting) -> tuple[object, ...]:
    return setting.calibrator, setting.graph, setting.limits, setting.wide
