"""A candidate's parts can be changed one by one, and its key stands for all of them."""

from __future__ import annotations

from dataclasses import replace

from edgekit.ptq.calibrator import Calibrator
from edgekit.tuning.candidate import Candidate

CANDIDATE = Candidate("diverse_50", Calibrator("max", 0.9999), "plain", (("a", 2.5), ("b", 4.0)), ("x", "y"))


def test_as_json() -> None:
    assert CANDIDATE.to_json() == {
        "calibration_set": "diverse_50",
        "calibrator": {"method": "max", "percentile": 0.9999},
        "graph": "plain",
        "clip_ranges": {"a": 2.5, "b": 4.0},
        "int16": ["x", "y"],
    }


def test_key_stands_for_every_part() -> None:
    others = [
        replace(CANDIDATE, calibration_set="diverse_20"),
        replace(CANDIDATE, calibrator=Calibrator("max", 0.9998)),
        replace(CANDIDATE, graph="equalized"),
        CANDIDATE.with_clip_range("a", 2.6),
        CANDIDATE.with_int16({"z"}),
    ]
    assert len({CANDIDATE.key, *(other.key for other in others)}) == 6
    assert CANDIDATE.key == replace(CANDIDATE).key


def test_clip_ranges_are_set_and_removed() -> None:
    assert CANDIDATE.with_clip_range("c", 1.0).clip_ranges == (("a", 2.5), ("b", 4.0), ("c", 1.0))
    assert CANDIDATE.with_clip_range("a", None).clip_ranges == (("b", 4.0),)
    assert CANDIDATE.with_clip_range("a", 9.0).clip_ranges == (("a", 9.0), ("b", 4.0))


def test_int16_grows() -> None:
    assert CANDIDATE.with_int16(["z", "x"]).int16 == ("x", "y", "z")
