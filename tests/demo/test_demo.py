"""`edgekit demo`, the whole way through the command line."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli.main import main
from edgekit.demo import run as demo_run
from edgekit.demo.assets import IMAGES
from edgekit.demo.run import DemoResult, run_demo
from edgekit.ops.image import read_image

MIN_SHARE = 0.95  # of the float model's objects found again by int8
MIN_COSINE = 0.92  # of every output, default calibration; the lowest is mask_32, whose cells mostly see nothing


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def made(out: Path) -> tuple[DemoResult, dict[str, Any]]:
    """The result and what `edgekit demo --json` prints of it; the demo runs once for all tests."""
    results: list[DemoResult] = []

    def remembered(*args: Any, **options: Any) -> DemoResult:
        results.append(run_demo(*args, **options))
        return results[-1]

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(demo_run, "run_demo", remembered)
        assert main(["demo", "-o", str(out), "--json"]) == 0
    return results[0], json.loads(printed.getvalue())


@pytest.fixture(scope="module")
def report(made: tuple[DemoResult, dict[str, Any]]) -> dict[str, Any]:
    return made[1]


def test_int8_agrees_with_float(report: dict[str, Any]) -> None:
    assert report["agreement"]["of"] > 40
    assert report["agreement"]["share"] >= MIN_SHARE
    assert len(report["output_cosines"]) == 10 and min(report["output_cosines"].values()) >= MIN_COSINE


def test_the_model_finds_what_is_there(report: dict[str, Any]) -> None:
    true = report["true_objects"]
    assert true["float"]["share"] >= 0.85
    assert abs(true["float"]["matched"] - true["int8"]["matched"]) <= 2


def test_it_says_that_the_device_is_simulated(report: dict[str, Any]) -> None:
    assert report["device"] == "sim" and report["simulated"] is True
    assert len(report["next"]) == 3


def test_every_file_is_there(report: dict[str, Any], out: Path) -> None:
    assert all(Path(report[part]).is_file() for part in ("heads", "yaml", "bin", "log"))
    assert len(report["images"]) == len(IMAGES)
    sizes = [IMAGES[seed] for seed in sorted(IMAGES)]
    for row, (width, height) in zip(report["images"], sizes, strict=True):
        assert read_image(Path(row["image"])).shape == (height, width, 3)
    record = json.loads((out / "demo.json").read_text())
    assert record["finished"] is True and record["agreement"] == report["agreement"]
    assert all((out / name).is_file() for name in record["files"])
    rows = json.loads((out / "results.json").read_text())["results"]
    assert [len(row["objects"]) for row in rows] == [row["objects"] for row in report["images"]]


def test_what_is_kept_holds_no_time_and_no_place(report: dict[str, Any], out: Path) -> None:
    for name in ("demo.json", "results.json"):
        text = (out / name).read_text()
        assert str(out) not in text and "seconds" not in text


def test_the_text_for_people(
    made: tuple[DemoResult, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result, report = made
    monkeypatch.setattr(demo_run, "run_demo", lambda *args, **options: result)
    monkeypatch.chdir(result.out.parent)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    agreement = report["agreement"]
    assert f"{agreement['matched']} of {agreement['of']} objects" in text
    assert "SIMULATED" in text and all(step in text for step in report["next"])
    assert "out/drawn" in text and str(result.out.parent) not in text, "paths as one would type them"
    assert all(name in text for name in report["output_cosines"])


def test_a_folder_with_other_things_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["demo", "-o", str(tmp_path)]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and "mine.txt" in error and hint.startswith("hint: ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_run, "write_images", interrupt)
    monkeypatch.setattr(demo_run, "write_calibration_images", lambda folder, progress: folder.mkdir())
    assert main(["demo", "-o", str(tmp_path / "out")]) == 130
    assert list((tmp_path / "out").iterdir()) == []
