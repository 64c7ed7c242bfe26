"""A calibrator in the yaml, in the logs and in JSON is the same value."""

from __future__ import annotations

import pytest

from edgekit.errors import ConfigError
from edgekit.ptq.calibrator import Calibrator, calibrator_from_json, parse_calibrator

KNOWN = {
    "max": Calibrator(),
    "max-percentile:percentile=0.99995": Calibrator("max", 0.99995),
    "kl:num_bins=1024": Calibrator("kl", bins=1024),
    "kl": Calibrator("kl"),
    "mix": Calibrator("mix"),
}


@pytest.mark.parametrize(("name", "calibrator"), KNOWN.items())
def test_names_of_the_logs(name: str, calibrator: Calibrator) -> None:
    assert parse_calibrator(name) == calibrator
    assert str(calibrator) == name
    assert calibrator_from_json(calibrator.to_json()) == calibrator


@pytest.mark.parametrize("name", ["", "max-percentile:percentile=2", "max:asymmetric=True", "kl:num_bins=", "default"])
def test_other_methods_are_none(name: str) -> None:
    assert parse_calibrator(name) is None


def test_fields_of_the_yaml() -> None:
    assert Calibrator("max", 0.999).yaml_fields() == {"calibration_type": "max", "max_percentile": 0.999}
    assert Calibrator("kl", bins=512).yaml_fields() == {"calibration_type": "kl", "max_percentile": None}


@pytest.mark.parametrize(
    "value",
    [None, "max", {}, {"method": "min"}, {"method": "kl", "percentile": 0.9}, {"method": "max", "percentile": "x"},
     {"method": "max", "bins": 3}, {"method": "max", "percentile": 0.0}, {"method": "max", "more": 1}],
)  # fmt: skip
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"(?i)calibrat.*expected"):
        calibrator_from_json(value)
