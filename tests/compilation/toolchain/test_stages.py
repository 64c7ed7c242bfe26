"""The stage of a build is read from the compiler's own lines, those of real builds included."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit.compilation.toolchain.failure import OutputWatch
from edgekit.compilation.toolchain.run import Finished, plain_line
from edgekit.compilation.toolchain.stages import StageWatch

STAMP = "2026-01-02 03:04:05,678 INFO "


def reports_of(lines: list[str]) -> tuple[list[tuple[str, int, int]], dict[str, float]]:
    found: list[tuple[str, int, int]] = []
    watch = StageWatch(lambda *report: found.append(report))
    for line in lines:
        watch.feed(line)
    return found, watch.seconds


def test_each_line_by_hand() -> None:
    reports, seconds = reports_of(
        [
            STAMP + "Start to prepare the onnx model.",
            STAMP + "End to prepare the onnx model.",
            STAMP + "Start to calibrate the model.",
            "calibration in progress:  67%|######   | 2/3 [00:00<00:00, 16.66it/s]",
            STAMP + "Start to compile the model with march bayes-e.",
            "[======================                            ]  44%",
            STAMP + "End to compile the model with march bayes-e.",
        ]
    )
    assert reports == [
        ("prepare", 0, 0),
        ("prepare", 1, 1),
        ("calibrate", 0, 0),
        ("calibrate", 2, 3),
        ("compile", 0, 100),
        ("compile", 44, 100),
        ("compile", 100, 100),
    ]
    assert list(seconds) == ["prepare", "compile"]


def test_other_lines_say_nothing() -> None:
    lines = [
        "",
        "44%",
        "[a list]  44%",
        "Start to dream",
        "calibration in progress: soon",
        STAMP + "End to compile the model",
    ]
    assert reports_of(lines) == ([], {})


def test_a_real_build_goes_through_every_stage(shared_data: Path) -> None:
    text = (shared_data / "horizon" / "yolov8n_seg_nv12" / "makertbin_console.txt").read_text()
    reports, seconds = reports_of([plain_line(line) for line in re.split(r"[\r\n]", text)])
    stages = ["prepare", "optimise", "calibrate", "quantize", "compile", "pack"]
    assert list(dict.fromkeys(name for name, _, _ in reports)) == stages and list(seconds) == stages
    compile_percent = [done for name, done, _ in reports if name == "compile"]
    assert compile_percent == sorted(compile_percent) and compile_percent[-1] == 100 and len(set(compile_percent)) > 50
    assert ("calibrate", 7, 7) in reports


def test_a_real_build_has_no_failure_in_it(shared_data: Path) -> None:
    watch = OutputWatch()
    for line in (shared_data / "horizon" / "yolov8n_seg_nv12" / "makertbin_console.txt").read_text().splitlines():
        watch.feed(plain_line(line))
    error = watch.error(Finished(("hb_mapper",), 1, 1.0, ()), doing="compiling", log=None)
    assert "exit code 1" in error.message  # nothing recognised: the last lines are shown
